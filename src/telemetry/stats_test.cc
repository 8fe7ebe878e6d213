#include "telemetry/stats.h"

#include <sys/mman.h>
#include <unistd.h>

#include <set>

#include "base/ascii.h"
#include "base/unique_fd.h"

namespace bd::telemetry {
namespace {

TEST(Counters, TheTableIsInTheOrderOfTheWordsAndNamesThemForPrometheus) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kCounterCount; ++i) {
    const CounterInfo& info = counters()[i];
    EXPECT_EQ(static_cast<std::size_t>(info.counter), i) << info.name;
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(info.help.ends_with('.')) << info.name;
    for (const char c : info.name)
      EXPECT_TRUE(ascii::is_digit(c) || (c >= 'a' && c <= 'z') || c == '_') << info.name;
    EXPECT_FALSE(info.name.ends_with("_total") || info.name.starts_with("blastdoor")) << info.name;
  }
}

TEST(WorkerStats, AddsAndBumps) {
  WorkerStats stats{};
  stats.add(Counter::requests);
  stats.add(Counter::requests, 5);
  EXPECT_EQ(stats.counters[static_cast<std::size_t>(Counter::requests)], 6u);
  EXPECT_EQ(stats.counters[static_cast<std::size_t>(Counter::connections)], 0u);
  WorkerStats::bump(stats.open_connections, 3);
  WorkerStats::bump(stats.open_connections, -2);
  EXPECT_EQ(stats.open_connections, 1u);
}

TEST(WorkerStats, DurationsFallIntoTheBucketOfTheirBound) {
  struct Case {
    std::uint64_t microseconds;
    std::size_t bucket;
  };
  constexpr Case cases[] = {
      {0, 0},    {499, 0},        {500, 0},         {501, 1},         {1000, 1},
      {1001, 2}, {9'999'999, 13}, {10'000'000, 13}, {10'000'001, 14}, {3'600'000'000, 14},
  };
  for (const Case& c : cases) {
    WorkerStats stats{};
    stats.observe_duration(c.microseconds);
    for (std::size_t i = 0; i < stats.durations.size(); ++i) {
      EXPECT_EQ(stats.durations[i], i == c.bucket ? 1u : 0u)
          << c.microseconds << " in bucket " << i;
    }
    EXPECT_EQ(stats.duration_us_sum, c.microseconds);
  }
}

TEST(StatsMemory, IsSharedBetweenWriterAndReader) {
  const UniqueFd fd(create_stats_memfd("door"));
  ASSERT_TRUE(fd);
  DoorStats* const door = map_stats(fd.get(), true);
  const DoorStats* const controller = map_stats(fd.get(), false);
  ASSERT_TRUE(door != nullptr && controller != nullptr && door != controller);
  for (const WorkerStats& worker : controller->workers) {
    for (const auto& cell : worker.counters) ASSERT_EQ(cell, 0u);
  }
  door->workers[kWorkerSlots - 1].add(Counter::before_table, 7);
  door->applied_generation = 9;
  EXPECT_EQ(controller->workers[kWorkerSlots - 1]
                .counters[static_cast<std::size_t>(Counter::before_table)],
            7u);
  EXPECT_EQ(controller->applied_generation, 9u);
}

TEST(StatsMemory, NumbersOutliveAMapping) {
  const UniqueFd fd(create_stats_memfd("door"));
  DoorStats* const before = map_stats(fd.get(), true);
  before->restarts = 3;
  ::munmap(before, sizeof(DoorStats));
  EXPECT_EQ(map_stats(fd.get(), false)->restarts, 3u);
}

TEST(StatsMemory, CannotChangeItsSize) {
  // A door that shrank it would kill the controller with SIGBUS.
  const UniqueFd fd(create_stats_memfd("door"));
  EXPECT_NE(::ftruncate(fd.get(), 0), 0);
  EXPECT_NE(::ftruncate(fd.get(), 1 << 20), 0);
}

TEST(StatsMemory, OfAnotherSizeOrLayoutIsRefused) {
  EXPECT_EQ(map_stats(-1, false), nullptr);
  const UniqueFd empty(::memfd_create("empty", MFD_CLOEXEC));
  EXPECT_EQ(map_stats(empty.get(), false), nullptr);
  const UniqueFd zeros(::memfd_create("zeros", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(zeros.get(), sizeof(DoorStats)), 0);
  EXPECT_EQ(map_stats(zeros.get(), false), nullptr) << "no magic";
  const UniqueFd larger(::memfd_create("larger", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(larger.get(), sizeof(DoorStats) + 1), 0);
  ASSERT_EQ(::pwrite(larger.get(), &kStatsMagic, sizeof kStatsMagic, 0), 8);
  EXPECT_EQ(map_stats(larger.get(), false), nullptr);
}

TEST(StatsMemory, WorkersShareNoCacheLine) {
  EXPECT_EQ(sizeof(WorkerStats) % 64, 0u);
  EXPECT_EQ(offsetof(DoorStats, workers) % 64, 0u);
}

}  // namespace
}  // namespace bd::telemetry
