#pragma once
// What both parsers check by the same rule, whatever their libraries let pass.

#include <cstddef>
#include <optional>
#include <string_view>

#include "text/value.h"

namespace bd::text {

/// Length of the well-formed UTF-8 sequence (RFC 3629 §4) that `in` starts with; 0 if there is
/// none.
[[nodiscard]] std::size_t utf8_sequence(std::string_view in) noexcept;

/// `in` without a byte order mark in front.
[[nodiscard]] std::string_view without_bom(std::string_view in) noexcept;

/// Two members of one object that have the same key: first and second place.
struct Duplicate {
  std::size_t first = 0;
  std::size_t second = 0;
};
/// The duplicate whose second place comes first. O(n log n): objects come from strangers.
[[nodiscard]] std::optional<Duplicate> find_duplicate(const Value::Object& object);

}  // namespace bd::text
