#include "model/selector.h"

#include <algorithm>

#include "base/ascii.h"

namespace bd::model {
namespace {

using Requirement = Selector::Requirement;
using Op = Requirement::Op;
using Failure = std::unexpected<std::string>;

constexpr std::size_t kNameMax = 63;     // Kubernetes: a label's name, and its value.
constexpr std::size_t kPrefixMax = 253;  // Kubernetes: the DNS name before the slash of a key.

bool is_word_char(char c) {
  return ascii::is_alnum(c) || c == '-' || c == '_' || c == '.';
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax && ascii::is_alnum(text.front()) &&
         ascii::is_alnum(text.back()) && std::ranges::all_of(text, is_word_char);
}

bool is_dns_label(std::string_view text) {
  const auto allowed = [](char c) { return ascii::is_alnum(c) || c == '-'; };
  return is_name(text) && text == ascii::to_lower(text) && std::ranges::all_of(text, allowed);
}

bool is_dns_name(std::string_view text) {
  if (text.size() > kPrefixMax) return false;
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!is_dns_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_name(text);
  return is_dns_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

bool is_value(std::string_view text) {
  return text.empty() || is_name(text);
}

/// Reads requirements off the front of a text; every error says where it stands.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::expected<std::vector<Requirement>, std::string> all() {
    std::vector<Requirement> out;
    do {
      auto one = requirement();
      if (!one) return Failure(std::move(one.error()));
      out.push_back(std::move(*one));
    } while (take(','));
    if (!at_end()) return expected("',' or the end");
    return out;
  }

 private:
  void skip_space() {
    constexpr std::string_view space = " \t\r\n";
    while (at_ < text_.size() && space.contains(text_[at_])) ++at_;
  }
  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  /// The longest run of characters that a key or a value can have; may be empty.
  std::string_view word() {
    skip_space();
    word_at_ = at_;
    while (at_ < text_.size() && (is_word_char(text_[at_]) || text_[at_] == '/')) ++at_;
    return text_.substr(word_at_, at_ - word_at_);
  }
  Failure expected(std::string_view what) {
    skip_space();
    std::string found = "the end";
    if (at_ < text_.size()) {
      const auto byte = static_cast<unsigned char>(text_[at_]);
      const bool printable = byte > 0x20 && byte < 0x7f;
      found = printable ? fmt::format("'{:c}'", byte) : fmt::format("byte 0x{:02x}", byte);
    }
    return Failure(fmt::format("expected {} at character {}, found {}", what, at_ + 1, found));
  }
  Failure bad_word(std::string_view what, std::string_view found) const {
    return Failure(
        fmt::format("expected {} at character {}, found '{}'", what, word_at_ + 1, found));
  }

  std::expected<std::string, std::string> key() {
    const std::string_view found = word();
    if (found.empty()) return expected("a label key");
    if (!is_key(found)) {
      return bad_word(
          "a label key ([prefix/]name, the name at most 63 letters, digits, '-', '_', "
          "'.', with a letter or digit at both ends)",
          found);
    }
    return std::string(found);
  }

  std::expected<std::string, std::string> value() {
    const std::string_view found = word();
    if (is_value(found)) return std::string(found);
    return bad_word(
        "a label value (at most 63 letters, digits, '-', '_', '.', with a letter or "
        "digit at both ends)",
        found);
  }

  std::expected<Requirement, std::string> requirement() {
    const bool negated = take('!');
    auto name = key();
    if (!name) return Failure(std::move(name.error()));
    Requirement out{negated ? Op::not_exists : Op::exists, std::move(*name), {}};
    if (negated || at_end() || text_[at_] == ',') return out;
    if (text_[at_] == '=' || text_[at_] == '!') return comparison(std::move(out));
    const std::string_view op = word();
    if (op == "in" || op == "notin") {
      out.op = op == "in" ? Op::in : Op::not_in;
      return set(std::move(out));
    }
    at_ = word_at_;
    return expected("'=', '!=', 'in', 'notin', ',' or the end");
  }

  std::expected<Requirement, std::string> comparison(Requirement out) {
    out.op = text_[at_] == '!' ? Op::not_equals : Op::equals;
    ++at_;
    const bool second = at_ < text_.size() && text_[at_] == '=';
    if (out.op == Op::not_equals && !second) return expected("'!='");
    if (second) ++at_;  // `!=`, or `==`, which means `=`.
    auto one = value();
    if (!one) return Failure(std::move(one.error()));
    out.values.push_back(std::move(*one));
    return out;
  }

  std::expected<Requirement, std::string> set(Requirement out) {
    if (!take('(')) return expected("'('");
    if (take(')'))
      return Failure(fmt::format("expected a label value at character {}, found ')'", at_));
    do {
      auto one = value();
      if (!one) return Failure(std::move(one.error()));
      out.values.push_back(std::move(*one));
    } while (take(','));
    if (!take(')')) return expected("',' or ')'");
    std::ranges::sort(out.values);  // A set: equal sets make equal selectors.
    out.values.erase(std::ranges::unique(out.values).begin(), out.values.end());
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t word_at_ = 0;
};

bool holds(const Requirement& requirement, const Labels& labels) {
  const auto label = labels.find(requirement.key);
  const bool exists = label != labels.end();
  const auto listed = [&] {
    return exists &&
           std::ranges::find(requirement.values, label->second) != requirement.values.end();
  };
  switch (requirement.op) {
    case Op::equals:
    case Op::in:
      return listed();
    case Op::not_equals:
    case Op::not_in:
      return !listed();
    case Op::exists:
      return exists;
    case Op::not_exists:
      return !exists;
  }
  return false;
}

std::string text_of(const Requirement& requirement) {
  const auto list = [&] { return fmt::format("({})", fmt::join(requirement.values, ",")); };
  switch (requirement.op) {
    case Op::equals:
      return requirement.key + "=" + requirement.values.front();
    case Op::not_equals:
      return requirement.key + "!=" + requirement.values.front();
    case Op::in:
      return requirement.key + " in " + list();
    case Op::not_in:
      return requirement.key + " notin " + list();
    case Op::exists:
      return requirement.key;
    case Op::not_exists:
      return "!" + requirement.key;
  }
  return {};
}

}  // namespace

Selector Selector::equals(std::string key, std::string value) {
  Selector out;
  out.requirements_.push_back({Op::equals, std::move(key), {std::move(value)}});
  return out;
}

std::expected<Selector, std::string> Selector::parse(std::string_view text) {
  if (ascii::trim(text).empty()) {
    return Failure("expected a label selector such as expose=internal-http, found nothing");
  }
  auto requirements = Parser(text).all();
  if (!requirements) return Failure(std::move(requirements.error()));
  Selector out;
  out.requirements_ = std::move(*requirements);
  return out;
}

bool Selector::matches(const Labels& labels) const {
  if (requirements_.empty()) return false;
  return std::ranges::all_of(requirements_, [&](const Requirement& r) { return holds(r, labels); });
}

bool Selector::needs_a_label() const {
  return std::ranges::any_of(requirements_, [](const Requirement& r) {
    return r.op == Op::equals || r.op == Op::in || r.op == Op::exists;
  });
}

std::string Selector::text() const {
  std::string out;
  for (const Requirement& requirement : requirements_) {
    if (!out.empty()) out += ", ";
    out += text_of(requirement);
  }
  return out;
}

}  // namespace bd::model
