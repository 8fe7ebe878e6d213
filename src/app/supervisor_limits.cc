#include "app/supervisor_limits.h"

#include <sched.h>
#include <sys/resource.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "base/ascii.h"
#include "model/limits.h"

namespace bd::app {
namespace {

/// Enough for a door with a few thousand routes; a smaller share would only make it crash.
constexpr std::uint64_t kDoorMemoryMin = std::uint64_t{64} << 20;
constexpr std::uint64_t kStackDefault = std::uint64_t{8} << 20;

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  return ascii::parse_decimal(first_line(path));
}

template <class T>
void lower(std::optional<T>& limit, T value) {
  if (!limit || value < *limit) limit = value;
}

struct Cgroups {
  std::optional<double> cpus;
  std::optional<std::uint64_t> memory;

  /// One folder, of either version: what is not there says nothing.
  void read(const std::string& folder) {
    std::istringstream max(first_line(folder + "/cpu.max"));
    double quota = 0, period = 0;
    if (max >> quota >> period && period > 0) lower(cpus, quota / period);
    const auto quota_us = number_in(folder + "/cpu.cfs_quota_us");  // -1, no number: no limit.
    const auto period_us = number_in(folder + "/cpu.cfs_period_us");
    if (quota_us && period_us && *period_us > 0) {
      lower(cpus, static_cast<double>(*quota_us) / static_cast<double>(*period_us));
    }
    // "max", or in version 1 a number near 2^63, means none.
    for (const char* file : {"/memory.max", "/memory.limit_in_bytes"}) {
      const auto bytes = number_in(folder + file);
      if (bytes && *bytes < std::uint64_t{1} << 60) lower(memory, *bytes);
    }
  }

  /// A limit may stand at any level above. In a container without a cgroup namespace the path is
  /// the host's and not there, but the mount's own root is this container.
  void read_up(const std::string& mount, std::string path) {
    while (true) {
      read(mount + path);
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos) return;
      path.resize(slash);
    }
  }
};

Cgroups read_cgroups(const std::string& root) {
  Cgroups out;
  const std::string mounts = root + "/sys/fs/cgroup";
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "4:cpu,cpuacct:/path", "0::/path"
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::istringstream controllers(line.substr(first + 1, second - first - 1));
    const std::string path = line.substr(second + 1);
    if (second == first + 1) out.read_up(mounts, path);
    for (std::string name; std::getline(controllers, name, ',');) {
      if (name == "cpu" || name == "memory") out.read_up(mounts + "/" + name, path);
    }
  }
  return out;
}

}  // namespace

HostLimits read_host_limits(const std::string& root) {
  HostLimits out;
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    out.cpus = static_cast<unsigned>(CPU_COUNT(&set));
  }
  const Cgroups cgroups = read_cgroups(root);
  if (cgroups.cpus) {
    const double whole = std::ceil(std::clamp(*cgroups.cpus, 0.0, 1e6));
    out.cpus = std::min(out.cpus, static_cast<unsigned>(whole));
  }
  out.cpus = std::max(out.cpus, 1u);
  out.memory = cgroups.memory;
  return out;
}

std::uint64_t door_memory_budget(const HostLimits& limits, unsigned doors) {
  return limits.memory && doors > 0 ? *limits.memory / 4 * 3 / doors : 0;
}

std::uint64_t door_memory_max(const HostLimits& limits, unsigned doors, unsigned workers) {
  const std::uint64_t share = door_memory_budget(limits, doors);
  if (share == 0) return 0;
  // Stacks count whole although hardly a page of them is ever used.
  rlimit stack{};
  const bool known = ::getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur != RLIM_INFINITY;
  const std::uint64_t stack_bytes = known ? stack.rlim_cur : kStackDefault;
  return std::max(share, kDoorMemoryMin) + (workers + 1) * stack_bytes;
}

}  // namespace bd::app
