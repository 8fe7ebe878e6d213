#pragma once
// The system calls that a door may make, as a seccomp program.

#include <linux/filter.h>

#include <vector>

namespace bd::app {

/// For this process: some rules compare with its own process id.
[[nodiscard]] std::vector<sock_filter> door_filter();

}  // namespace bd::app
