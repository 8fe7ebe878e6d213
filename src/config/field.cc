#include "config/field.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "config/quantity.h"

namespace bd::config {
namespace {

/// A value as a mistake shows it; cut, since it may be the whole of a misplaced file.
std::string shown(const text::Value& value) {
  constexpr std::size_t most = 60;
  if (const auto* text = value.string()) {
    if (text->empty()) return "an empty text";
    return fmt::format("\"{}{}\"", text->substr(0, most), text->size() > most ? "…" : "");
  }
  if (const auto* number = value.integer()) return fmt::format("{}", *number);
  if (const auto* number = value.real()) return fmt::format("{}", *number);
  if (const auto* boolean = value.boolean()) return *boolean ? "true" : "false";
  if (value.array() != nullptr) return "a list";
  return value.object() != nullptr ? "a mapping" : "nothing";
}

std::optional<std::int64_t> as_signed(std::optional<std::uint64_t> amount) {
  if (!amount || *amount > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*amount);
}

}  // namespace

void Draft::reject(std::string_view key, std::string what, std::string hint) {
  mistakes.push_back({where(key), std::string(key), std::move(what), std::move(hint)});
}

void Draft::warn(std::string_view key, std::string_view what) {
  warnings.push_back(fmt::format("{}: {}: {}", where(key), key, what));
}

std::string Draft::where(std::string_view key) const {
  while (!key.empty()) {
    if (const auto found = origins.find(std::string(key)); found != origins.end()) {
      return found->second;
    }
    const std::size_t step = key.find_last_of(".[");
    key = key.substr(0, step == std::string_view::npos ? 0 : step);
  }
  return "defaults";
}

std::optional<bool> Field::boolean() const {
  if (const auto* boolean = value.boolean()) return *boolean;
  wrong();
  return std::nullopt;
}

std::optional<std::int64_t> Field::number() const {
  std::optional<std::int64_t> amount;
  const auto* text = value.string();
  if (text != nullptr && key.kind == Kind::bytes) amount = as_signed(parse_bytes(*text));
  if (text != nullptr && key.kind == Kind::duration) {
    if (const auto duration = parse_duration(*text)) amount = duration->count();
  }
  if (value.integer() != nullptr && key.kind != Kind::duration) amount = *value.integer();
  if (amount && *amount >= key.min && *amount <= key.max) return amount;
  wrong();
  return std::nullopt;
}

std::optional<std::string> Field::text() const {
  if (const auto* text = value.string(); text != nullptr && !text->empty()) return *text;
  wrong();
  return std::nullopt;
}

std::optional<std::size_t> Field::choice() const {
  const auto known = words(key);
  const auto* text = value.string();
  for (std::size_t i = 0; text != nullptr && i < known.size(); ++i) {
    if (*text == known[i]) return i;
  }
  reject(fmt::format("expected {}, found {}", expected_item(key), shown(value)),
         text == nullptr ? "" : did_you_mean(*text, known));
  return std::nullopt;
}

std::vector<Field> Field::items() const {
  std::vector<Field> out;
  if (key.kind == Kind::text_or_list && value.string() != nullptr) {
    out.push_back(*this);
    return out;
  }
  if (value.array() == nullptr) {
    wrong();
    return out;
  }
  out.reserve(value.array()->size());
  for (const text::Value& item : *value.array()) {
    out.push_back(below(key, item, fmt::format("[{}]", out.size())));
  }
  return out;
}

void Field::store(bool& out) const {
  out = boolean().value_or(out);
}

void Field::store(std::string& out) const {
  if (key.kind == Kind::choice && !choice()) return;
  if (auto read = text()) out = std::move(*read);
}

void Field::store(std::chrono::milliseconds& out) const {
  if (const auto read = number()) out = std::chrono::milliseconds(*read);
}

Field Field::below(const Key& of, const text::Value& child, std::string_view step) const {
  // A value of a variable or a flag has no line of its own: its place is its name.
  const std::size_t line = child.line > 0 ? where.rfind(':') : std::string::npos;
  std::string place =
      line == std::string::npos ? where : fmt::format("{}:{}", where.substr(0, line), child.line);
  return {draft, of, child, path + std::string(step), std::move(place)};
}

void Field::wrong() const {
  std::string hint;
  const bool scalar =
      value.integer() != nullptr || value.real() != nullptr || value.boolean() != nullptr;
  if (value.is(text::Value::Kind::null)) hint = "remove the key to get its default";
  if (scalar && key.kind == Kind::text) hint = "put it in quotes";
  if (scalar && key.kind == Kind::duration) hint = "add its unit: ms, s, m or h";
  const bool is_item = path.ends_with(']');
  reject(fmt::format("expected {}, found {}", is_item ? expected_item(key) : expected(key),
                     shown(value)),
         std::move(hint));
}

void Field::reject(std::string what, std::string hint) const {
  draft.mistakes.push_back({where, path, std::move(what), std::move(hint)});
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string near = model::nearest(word, candidates);
  return near.empty() ? "" : fmt::format("did you mean `{}`?", near);
}

bool is_dns_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return ascii::is_digit(c) || (c >= 'a' && c <= 'z') || c == '-';
  });
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

}  // namespace bd::config
