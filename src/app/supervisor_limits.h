#pragma once
// What this container may use: the CPU quota and the memory limit of its cgroups, version 1 or 2.

#include <cstdint>
#include <optional>
#include <string>

namespace bd::app {

struct HostLimits {
  unsigned cpus = 1;                    ///< Quota, rounded up, and affinity: the smaller.
  std::optional<std::uint64_t> memory;  ///< Bytes; nothing if there is no limit.
};

/// `root` stands before /proc and /sys: tests have their own.
[[nodiscard]] HostLimits read_host_limits(const std::string& root = "");

/// The memory budget of one of `doors` doors, which its overload steps enforce: its share of the
/// limit, less a quarter of that for the controller and the snapshots. 0: no limit is known.
[[nodiscard]] std::uint64_t door_memory_budget(const HostLimits& limits, unsigned doors);

/// The hard bound behind it (RLIMIT_DATA: heap and thread stacks), at which allocations fail. Never
/// so low that a door could not live. 0: none.
[[nodiscard]] std::uint64_t door_memory_max(const HostLimits& limits, unsigned doors,
                                            unsigned workers);

}  // namespace bd::app
