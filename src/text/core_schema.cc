#include "text/core_schema.h"

#include <charconv>
#include <limits>
#include <system_error>

#include "base/ascii.h"

namespace bd::text {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (text == word) return true;
  }
  return false;
}

std::string_view without_sign(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

/// Takes the digits in front of `text` away and says how many they were.
std::size_t eat_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && ascii::is_digit(text[count])) ++count;
  text.remove_prefix(count);
  return count;
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_number(std::string_view text) {
  text = without_sign(text);
  const std::size_t whole = eat_digits(text);
  std::size_t fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = eat_digits(text);
  }
  if (whole + fraction == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text = without_sign(text.substr(1));
    if (eat_digits(text) == 0) return false;
  }
  return text.empty();
}

double to_real(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{}) return value;
  const std::size_t exponent = text.find_first_of("eE");
  const bool tiny = exponent != text.npos && text.substr(exponent + 1).starts_with('-');
  const double size = tiny ? 0 : std::numeric_limits<double>::infinity();
  return text.starts_with('-') ? -size : size;
}

/// `digits` in base 8 or 16; nullopt if one is none.
std::optional<Value> to_based(std::string_view digits, int base) {
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (end != digits.data() + digits.size()) return std::nullopt;
  if (error != std::errc{} || value > std::numeric_limits<std::int64_t>::max()) {
    return Value(error == std::errc{} ? static_cast<double>(value)
                                      : std::numeric_limits<double>::infinity());
  }
  return Value(static_cast<std::int64_t>(value));
}

std::optional<Value> to_number(const std::string& text) {
  if (text.starts_with("0o")) return to_based(std::string_view(text).substr(2), 8);
  if (text.starts_with("0x")) return to_based(std::string_view(text).substr(2), 16);
  if (is_one_of(without_sign(text), {".inf", ".Inf", ".INF"})) {
    const double infinity = std::numeric_limits<double>::infinity();
    return Value(text.starts_with('-') ? -infinity : infinity);
  }
  if (is_one_of(text, {".nan", ".NaN", ".NAN"})) {
    return Value(std::numeric_limits<double>::quiet_NaN());
  }
  if (!is_number(text)) return std::nullopt;
  std::string_view whole = text;
  if (whole.starts_with('+')) whole.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
  if (error == std::errc{} && end == whole.data() + whole.size()) return Value(value);
  return Value(to_real(text));
}

}  // namespace

Value resolve_plain(const std::string& text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return Value();
  const char first = text.front();
  if (ascii::is_digit(first) || first == '-' || first == '+' || first == '.') {
    if (std::optional<Value> number = to_number(text)) return std::move(*number);
  } else if (is_one_of(text, {"true", "True", "TRUE"})) {
    return Value(true);
  } else if (is_one_of(text, {"false", "False", "FALSE"})) {
    return Value(false);
  }
  return Value(text);
}

}  // namespace bd::text
