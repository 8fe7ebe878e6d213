#pragma once
// Base64 as RFC 4648 §4 has it: strict, so that one value has one spelling.

#include <optional>
#include <string>
#include <string_view>

namespace bd::kube {

/// Nothing if `text` is no base64: another alphabet, blanks or line ends, padding that is missing
/// or too much, bits that would be thrown away.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace bd::kube
