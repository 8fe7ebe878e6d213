#pragma once
// ASCII, and only ASCII: HTTP and Kubernetes names know no locale.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bd::ascii {

[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
[[nodiscard]] constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_alpha(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
[[nodiscard]] constexpr bool is_alnum(char c) noexcept {
  return is_digit(c) || is_alpha(c);
}

/// RFC 9110 §5.6.2: a character of a token (method, field name).
[[nodiscard]] constexpr bool is_token(char c) noexcept {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return is_alnum(c) || (c != '\0' && others.find(c) != std::string_view::npos);
}

[[nodiscard]] constexpr bool equal_fold(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

[[nodiscard]] inline std::string to_lower(std::string_view in) {
  std::string out(in);
  for (char& c : out) c = lower(c);
  return out;
}

/// Removes spaces and tabs at both ends (RFC 9110 §5.6.3, OWS).
[[nodiscard]] constexpr std::string_view trim(std::string_view in) noexcept {
  while (!in.empty() && (in.front() == ' ' || in.front() == '\t')) in.remove_prefix(1);
  while (!in.empty() && (in.back() == ' ' || in.back() == '\t')) in.remove_suffix(1);
  return in;
}

/// The whole of `in` as a decimal number: digits only, no sign, no overflow.
template <class T = std::uint64_t>
[[nodiscard]] std::optional<T> parse_decimal(std::string_view in) noexcept {
  if (in.empty() || !is_digit(in.front())) return std::nullopt;
  T value{};
  const auto [end, error] = std::from_chars(in.data(), in.data() + in.size(), value, 10);
  if (error != std::errc{} || end != in.data() + in.size()) return std::nullopt;
  return value;
}

}  // namespace bd::ascii
