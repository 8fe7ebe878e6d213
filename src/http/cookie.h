#pragma once
// Cookies of a request (RFC 6265 §4.2.1, §5.4), as far as a proxy must read them.

#include <optional>
#include <string_view>

#include "http/field.h"

namespace bd::http {

/// True for a token (RFC 6265 §4.1.1): what may name a cookie.
[[nodiscard]] bool is_cookie_name(std::string_view name) noexcept;

/// The value of the first cookie with this name, in all Cookie fields (RFC 9113 §8.2.3 allows
/// several); quotes around it are no part of it. What is malformed is passed over.
[[nodiscard]] std::optional<std::string_view> cookie(const Fields& fields,
                                                     std::string_view name) noexcept;

}  // namespace bd::http
