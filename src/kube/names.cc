#include "kube/names.h"

#include "base/ascii.h"

namespace bd::kube {
namespace {

constexpr std::size_t kLabelMax = 63;
constexpr std::size_t kSubdomainMax = 253;

/// Takes `count` digits away from the front of `in`; nullopt if it starts with fewer.
std::optional<int> eat_number(std::string_view& in, std::size_t count) {
  if (in.size() < count) return std::nullopt;
  const std::optional<int> value = ascii::parse_decimal<int>(in.substr(0, count));
  if (value) in.remove_prefix(count);
  return value;
}

bool eat(std::string_view& in, char c) {
  if (in.empty() || ascii::lower(in.front()) != c) return false;
  in.remove_prefix(1);
  return true;
}

bool is_leap(int year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int days_in(int year, int month) {
  constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/// Days since 1970-01-01. Years start in March here, so that the leap day is their last.
std::int64_t days_since_epoch(int year, int month, int day) {
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t shifted_month = (month + 9) % 12;
  const std::int64_t day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
  return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

std::optional<std::int64_t> eat_date(std::string_view& in) {
  const auto year = eat_number(in, 4);
  if (!year || !eat(in, '-')) return std::nullopt;
  const auto month = eat_number(in, 2);
  if (!month || *month < 1 || *month > 12 || !eat(in, '-')) return std::nullopt;
  const auto day = eat_number(in, 2);
  if (!day || *day < 1 || *day > days_in(*year, *month)) return std::nullopt;
  return days_since_epoch(*year, *month, *day) * 86400;
}

std::optional<std::int64_t> eat_time_of_day(std::string_view& in) {
  const auto hour = eat_number(in, 2);
  if (!hour || *hour > 23 || !eat(in, ':')) return std::nullopt;
  const auto minute = eat_number(in, 2);
  if (!minute || *minute > 59 || !eat(in, ':')) return std::nullopt;
  const auto second = eat_number(in, 2);
  if (!second || *second > 60) return std::nullopt;  // 60 is a leap second.
  if (eat(in, '.')) {
    if (in.empty() || !ascii::is_digit(in.front())) return std::nullopt;
    while (!in.empty() && ascii::is_digit(in.front())) in.remove_prefix(1);
  }
  return *hour * 3600 + *minute * 60 + *second;
}

std::optional<std::int64_t> eat_offset(std::string_view& in) {
  if (eat(in, 'z')) return 0;
  const bool west = eat(in, '-');
  if (!west && !eat(in, '+')) return std::nullopt;
  const auto hour = eat_number(in, 2);
  if (!hour || *hour > 23 || !eat(in, ':')) return std::nullopt;
  const auto minute = eat_number(in, 2);
  if (!minute || *minute > 59) return std::nullopt;
  const std::int64_t offset = *hour * 3600 + *minute * 60;
  return west ? -offset : offset;
}

}  // namespace

bool is_dns_label(std::string_view name) noexcept {
  if (name.empty() || name.size() > kLabelMax) return false;
  for (const char c : name) {
    if (!ascii::is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-') return false;
  }
  return name.front() != '-' && name.back() != '-';
}

bool is_dns_subdomain(std::string_view name) noexcept {
  if (name.size() > kSubdomainMax) return false;
  for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.')) {
    if (!is_dns_label(name.substr(0, dot))) return false;
    name.remove_prefix(dot + 1);
  }
  return is_dns_label(name);
}

std::string backquoted(std::string_view text) {
  constexpr std::size_t kShown = 64;
  std::string out = "`";
  for (const char c : text.substr(0, kShown)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '`' ? '?' : c;
  }
  return out + (text.size() > kShown ? "…`" : "`");
}

std::optional<std::int64_t> parse_time(std::string_view text) noexcept {
  const auto date = eat_date(text);
  if (!date || !eat(text, 't')) return std::nullopt;
  const auto time = eat_time_of_day(text);
  if (!time) return std::nullopt;
  const auto offset = eat_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  return *date + *time - *offset;
}

}  // namespace bd::kube
