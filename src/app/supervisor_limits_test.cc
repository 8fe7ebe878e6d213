#include "app/supervisor_limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace bd::app {
namespace {

struct File {
  std::string path, text;
};

/// The limits that a machine with these files has.
HostLimits with(const std::vector<File>& files) {
  const std::string root = testing::TempDir() + fmt::format("bd-limits-{}", ::getpid());
  std::filesystem::remove_all(root);
  for (const File& file : files) {
    const std::filesystem::path path = root + file.path;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << file.text << "\n";
  }
  const HostLimits out = read_host_limits(root);
  std::filesystem::remove_all(root);
  return out;
}

TEST(HostLimits, AreTheTightestOfEveryLevelInBothVersions) {
  const unsigned all = with({}).cpus;
  ASSERT_GE(all, 1u);
  const std::string self = "/proc/self/cgroup", top = "/sys/fs/cgroup";
  const std::string v1 = "4:memory:/kube/pod\n3:cpu,cpuacct:/kube/pod";
  struct Case {
    const char* why;
    std::vector<File> files;
    unsigned cpus;
    std::optional<std::uint64_t> memory;
  };
  const Case cases[] = {
      {"no cgroups", {}, all, std::nullopt},
      {"no limit",
       {{self, "0::/"}, {top + "/cpu.max", "max 100000"}, {top + "/memory.max", "max"}},
       all,
       std::nullopt},
      {"half a CPU is one", {{self, "0::/"}, {top + "/cpu.max", "50000 100000"}}, 1, std::nullopt},
      {"a namespace's root", {{self, "0::/"}, {top + "/memory.max", "1073741824"}}, all, 1 << 30},
      {"a level above is tighter",
       {{self, "0::/kube/pod"},
        {top + "/kube/pod/memory.max", "4096000"},
        {top + "/kube/memory.max", "2048000"},
        {top + "/kube/cpu.max", "100000 100000"}},
       1,
       2048000},
      {"version 1",
       {{self, v1},
        {top + "/cpu/kube/pod/cpu.cfs_quota_us", "100000"},
        {top + "/cpu/kube/pod/cpu.cfs_period_us", "100000"},
        {top + "/memory/kube/pod/memory.limit_in_bytes", "1000000"}},
       1,
       1000000},
      {"version 1 without a limit",
       {{self, v1},
        {top + "/cpu/cpu.cfs_quota_us", "-1"},
        {top + "/cpu/cpu.cfs_period_us", "100000"},
        {top + "/memory/memory.limit_in_bytes", "9223372036854771712"}},
       all,
       std::nullopt},
      {"version 1, the host's path in a container",
       {{self, v1}, {top + "/memory/memory.limit_in_bytes", "5000000"}},
       all,
       5000000},
      {"nonsense",
       {{self, "x\n::\n0:"}, {top + "/cpu.max", "a b"}, {top + "/memory.max", "-"}},
       all,
       std::nullopt},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const HostLimits got = with(c.files);
    EXPECT_EQ(got.cpus, c.cpus);
    EXPECT_EQ(got.memory, c.memory);
  }
}

TEST(DoorMemory, BudgetIsAnEqualShareOfThreeQuarters) {
  EXPECT_EQ(door_memory_budget({2, std::nullopt}, 4), 0u);
  EXPECT_EQ(door_memory_budget({2, std::uint64_t{1} << 30}, 0), 0u);
  EXPECT_EQ(door_memory_budget({2, std::uint64_t{1} << 30}, 4), 192u << 20);
  EXPECT_EQ(door_memory_budget({2, std::uint64_t{128} << 20}, 4), 24u << 20);
  EXPECT_EQ(door_memory_budget({2, std::uint64_t{128} << 20}, 1), 96u << 20);
}

TEST(DoorMemory, IsAFairShareOfThreeQuartersAndNeverTooLittleToLive) {
  rlimit stack{};
  ASSERT_EQ(::getrlimit(RLIMIT_STACK, &stack), 0);
  const std::uint64_t one = stack.rlim_cur == RLIM_INFINITY ? 8 << 20 : stack.rlim_cur;
  EXPECT_EQ(door_memory_max({2, std::nullopt}, 4, 2), 0u);
  EXPECT_EQ(door_memory_max({2, std::uint64_t{1} << 30}, 4, 2), (192u << 20) + 3 * one);
  EXPECT_EQ(door_memory_max({2, std::uint64_t{64} << 20}, 4, 2), (64u << 20) + 3 * one);
}

}  // namespace
}  // namespace bd::app
