#include "http/cookie.h"

#include <algorithm>

#include "base/ascii.h"

namespace bd::http {

bool is_cookie_name(std::string_view name) noexcept {
  return !name.empty() && std::ranges::all_of(name, ascii::is_token);
}

std::optional<std::string_view> cookie(const Fields& fields, std::string_view name) noexcept {
  for (const Field& field : fields) {
    if (!ascii::equal_fold(field.name, "cookie")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = ascii::trim(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      std::string_view value = pair.substr(equals + 1);
      const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
      return quoted ? value.substr(1, value.size() - 2) : value;
    }
  }
  return std::nullopt;
}

}  // namespace bd::http
