#pragma once
// The core schema of YAML 1.2 (§10.3.2): which plain scalars are no strings.

#include <string>

#include "text/value.h"

namespace bd::text {

/// A plain scalar as null, boolean, integer, real or string. An integer that 64 bits can't hold is
/// a real. `yes`, `on` and their like are strings: YAML 1.1 took them for booleans, 1.2 does not.
[[nodiscard]] Value resolve_plain(const std::string& text);

}  // namespace bd::text
