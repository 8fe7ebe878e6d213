#pragma once
// Which Blastdoor this is. The only place that says so.

#include <string_view>

namespace bd {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace bd
