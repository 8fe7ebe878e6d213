#pragma once
// The page that explains the causes to people, from the table that the proxy answers from.

#include <string>

namespace bd::decide {

/// docs/reference/causes.md.
[[nodiscard]] std::string causes_reference();

}  // namespace bd::decide
