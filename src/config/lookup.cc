#include <fmt/format.h>

#include "base/ascii.h"
#include "config/field.h"
#include "config/quantity.h"
#include "config/schema.h"

namespace bd::config {
namespace {

constexpr std::string_view kExposures = "exposures[].";
constexpr std::string_view kListeners = "listeners[].";

/// publicPort → PUBLIC_PORT, internal-http → INTERNAL_HTTP, limits.idle → LIMITS_IDLE.
std::string upper_snake(std::string_view name) {
  std::string out;
  bool after_lower = false;
  for (const char c : name) {
    const bool is_lower = c >= 'a' && c <= 'z';
    if (after_lower && c >= 'A' && c <= 'Z') out += '_';
    if (c == '-' || c == '.')
      out += '_';
    else
      out += is_lower ? static_cast<char>(c - 'a' + 'A') : c;
    after_lower = is_lower;
  }
  return out;
}

std::string one_of(const Key& key) {
  const std::vector<std::string> known = words(key);
  return known.size() == 1 ? fmt::format("`{}`", known[0]) : "one of " + join(known, ", ");
}

std::string range(const Key& key) {
  if (key.kind == Kind::duration) {
    return fmt::format("from {} to {}", duration_text(std::chrono::milliseconds(key.min)),
                       duration_text(std::chrono::milliseconds(key.max)));
  }
  if (key.kind == Kind::bytes) {
    const auto size = [](std::int64_t n) { return bytes_text(static_cast<std::uint64_t>(n)); };
    return key.max == INT64_MAX ? fmt::format("of at least {}", size(key.min))
                                : fmt::format("from {} to {}", size(key.min), size(key.max));
  }
  return fmt::format("from {} to {}", key.min, key.max);
}

}  // namespace

const Key* find_key(std::string_view path) {
  for (const Key& key : schema()) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

std::string variable(const Key& key, std::string_view exposure) {
  if (!key.variable.empty()) return std::string(key.variable);
  const bool holds_keys = key.kind == Kind::object || key.kind == Kind::objects;
  if (holds_keys || key.path.ends_with("[].name") || key.path.starts_with("manifests[]")) return {};
  if (!is_per_exposure(key)) return "BLASTDOOR_" + upper_snake(key.path);
  std::string_view rest = key.path.substr(kExposures.size());
  if (rest.starts_with(kListeners)) rest.remove_prefix(kListeners.size());
  if (rest.find("[]") != rest.npos) return {};
  return fmt::format("BLASTDOOR_{}_{}", upper_snake(exposure), upper_snake(rest));
}

std::string flag_key(const Key& key) {
  std::string out;
  for (std::size_t i = 2; i < key.flag.size(); ++i) {
    const bool word = key.flag[i] == '-' && i + 1 < key.flag.size();
    if (word) ++i;
    out += word ? static_cast<char>(key.flag[i] - 'a' + 'A') : key.flag[i];
  }
  return out;
}

std::vector<std::string> words(const Key& key) {
  std::vector<std::string> out;
  for (std::string_view rest = key.format; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    out.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return out;
}

std::string expected_item(const Key& key) {
  const bool has_words = key.kind == Kind::choice || key.kind == Kind::choices;
  return has_words ? one_of(key) : std::string(key.format);
}

std::string expected(const Key& key) {
  switch (key.kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::number:
      return "a whole number " + range(key);
    case Kind::bytes:
      return fmt::format("a size {}, such as 16KiB", range(key));
    case Kind::duration:
      return fmt::format("a duration {}, such as 10s", range(key));
    case Kind::text:
      return std::string(key.format);
    case Kind::choice:
      return one_of(key);
    case Kind::choices:
      return "a list of " + join(words(key), ", ");
    case Kind::list:
    case Kind::objects:
      return "a list, each " + expected_item(key);
    case Kind::text_or_list:
      return fmt::format("{}, or a list of such", key.format);
    case Kind::redirect:
      return "`twin` or {twin: NAME}";
    case Kind::object:
      return key.shorthand.empty() ? "a mapping"
                                   : fmt::format("a mapping, or just its `{}`", key.shorthand);
  }
  return {};
}

}  // namespace bd::config
