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

/// The hard memory budget of one of `doors` doors (RLIMIT_DATA: heap and thread stacks). A quarter
/// of the limit is for the controller and for the kernel's socket buffers, which count too. 0: no
/// limit is known.
[[nodiscard]] std::uint64_t door_memory_max(const HostLimits& limits, unsigned doors,
                                            unsigned workers);

}  // namespace bd::app
