#pragma once
// What has changed for a door, as people read it in the log and the admin API.

#include <string>

#include "snapshot/snapshot.h"

namespace bd::control {

/// `internal-http: +2 -1 hosts, 3 endpoint lists`
[[nodiscard]] std::string describe(const std::string& door, const snapshot::Difference& difference);

}  // namespace bd::control
