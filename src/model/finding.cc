#include "model/finding.h"

#include <algorithm>
#include <numeric>

#include "base/ascii.h"

namespace bd::model {
namespace {

/// A finding quotes what tenants wrote: control characters must not break or fake a line of output.
void append_in_one_line(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
}

/// Damerau-Levenshtein in its restricted form, letters folded: insert, delete, replace a character
/// or swap two neighbours, each counts one.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  const auto same = [&](std::size_t i, std::size_t j) {
    return ascii::lower(a[i - 1]) == ascii::lower(b[j - 1]);
  };
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same(i, j) ? 0u : 1u)});
      if (i > 1 && j > 1 && same(i, j - 1) && same(i - 1, j)) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::string ObjectRef::text() const {
  std::string out = kind + " ";
  if (!ns.empty()) out += ns + "/";
  out += name;
  if (!file.empty())
    out += line > 0 ? fmt::format(" ({}:{})", file, line) : fmt::format(" ({})", file);
  return out;
}

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::served:
      return "served";
    case Severity::info:
      return "info";
    case Severity::warning:
      return "warning";
    case Severity::refused:
      return "refused";
  }
  return "unknown";
}

std::string text(const Finding& finding) {
  std::string out(name(finding.severity));
  out += ' ';
  append_in_one_line(out, finding.object.text());
  if (!finding.field.empty()) {
    out += ' ';
    append_in_one_line(out, finding.field);
  }
  out += ": ";
  append_in_one_line(out, finding.what);
  if (!finding.hint.empty()) {
    out += " hint: ";
    append_in_one_line(out, finding.hint);
  }
  return out;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::size_t allowed = std::max<std::size_t>(word.size() / 3, 1);
  std::string out;
  for (const std::string& candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    if (longer - std::min(word.size(), candidate.size()) > allowed) continue;
    const std::size_t found = distance(word, candidate);
    if (found > allowed || (!out.empty() && found == allowed)) continue;
    out = candidate;
    allowed = found;
  }
  return out;
}

}  // namespace bd::model
