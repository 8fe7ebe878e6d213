#include "config/quantity.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "base/ascii.h"

namespace bd::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
// Largest first, so that the text of an amount uses the largest unit that divides it.
constexpr std::array kDurations = {Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000},
                                   Unit{"ms", 1}};
constexpr std::array kSizes = {Unit{"GiB", 1u << 30}, Unit{"MiB", 1u << 20}, Unit{"KiB", 1u << 10},
                               Unit{"B", 1}};

template <std::size_t N>
std::optional<std::uint64_t> parse_amount(std::string_view text, const std::array<Unit, N>& units) {
  std::size_t digits = 0;
  while (digits < text.size() && ascii::is_digit(text[digits])) ++digits;
  const auto number = ascii::parse_decimal(text.substr(0, digits));
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (text.substr(digits) != unit.name) continue;
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (*number > most / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string amount_text(std::uint64_t amount, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (amount != 0 && amount % unit.factor == 0) {
      return fmt::format("{}{}", amount / unit.factor, unit.name);
    }
  }
  return fmt::format("0{}", units.back().name);
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto amount = parse_amount(text, kDurations);
  if (!amount) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*amount));
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  if (const auto plain = ascii::parse_decimal(text)) return plain;
  return parse_amount(text, kSizes);
}

std::string duration_text(std::chrono::milliseconds amount) {
  return amount_text(static_cast<std::uint64_t>(amount.count()), kDurations);
}

std::string bytes_text(std::uint64_t amount) {
  return amount_text(amount, kSizes);
}

}  // namespace bd::config
