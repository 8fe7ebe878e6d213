#include "app/upgrade_state.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cstdlib>
#include <functional>

#include "app/predecessors.h"
#include "app/upgrade.h"

namespace bd::app {
namespace {

std::unique_ptr<State> one_door() {
  auto out = std::make_unique<State>();
  out->probes = 5;
  out->door_count = 1;
  StateDoor& door = out->doors[0];
  EXPECT_TRUE(put_text(door.name, "internal-http"));
  door.listener_count = 1;
  door.listeners[0].count = 2;
  door.listeners[0].sockets[0] = 6;
  door.listeners[0].sockets[1] = 7;
  door.process_count = 1;
  door.processes[0] = {1234, 8, 9, 0, 0};
  door.snapshot_count = 1;
  door.snapshots[0] = {10, 0, 77};
  return out;
}

TEST(UpgradeState, IsReadAsItWasWritten) {
  const UniqueFd memory = write_state(*one_door());
  const auto got = read_state(memory.get());
  ASSERT_TRUE(got.has_value()) << got.error();
  EXPECT_EQ(get_text((*got)->doors[0].name), "internal-http");
  EXPECT_EQ((*got)->doors[0].snapshots[0].generation, 77u);
  EXPECT_EQ(descriptors(**got), (std::vector<int>{5, 6, 7, 8, 9, 10}));
}

// Nothing of it is believed beyond its tables, and no number that kill() takes for many.
TEST(UpgradeState, RefusesWhatMakesNoSense) {
  struct Case {
    const char* why;
    std::function<void(State&)> spoil;
    const char* says;
  };
  const Case cases[] = {
      {"another program's memory", [](State& s) { s.magic = 1; }, "none of ours"},
      {"a later version", [](State& s) { s.version = kStateVersion + 1; }, "version 2"},
      {"too many doors", [](State& s) { s.door_count = 33; }, "damaged"},
      {"too many listeners", [](State& s) { s.doors[0].listener_count = 17; }, "damaged"},
      {"too many sockets", [](State& s) { s.doors[0].listeners[0].count = 9; }, "damaged"},
      {"too many processes", [](State& s) { s.doors[0].process_count = 9; }, "damaged"},
      {"too many snapshots", [](State& s) { s.doors[0].snapshot_count = 3; }, "damaged"},
      {"a name without end", [](State& s) { s.doors[0].name.fill('x'); }, "damaged"},
      {"a group of processes", [](State& s) { s.doors[0].processes[0].pid = 0; }, "damaged"},
      {"a group by number", [](State& s) { s.doors[0].processes[0].pid = -9; }, "damaged"},
      {"the first process", [](State& s) { s.doors[0].processes[0].pid = 1; }, "damaged"},
      {"no controller's number", [](State& s) { s.controller = 0; }, "damaged"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto state = one_door();
    c.spoil(*state);
    const UniqueFd memory = write_state(*state);
    const auto got = read_state(memory.get());
    ASSERT_FALSE(got.has_value());
    EXPECT_NE(got.error().find(c.says), std::string::npos) << got.error();
  }
}

TEST(UpgradeState, RefusesMemoryThatMayChange) {
  const UniqueFd memory(::memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto state = one_door();
  ASSERT_EQ(::pwrite(memory.get(), state.get(), sizeof *state, 0), ssize_t{sizeof *state});
  EXPECT_FALSE(read_state(memory.get()).has_value());
  EXPECT_FALSE(read_state(-1).has_value());
}

// What earlier processes counted goes on in the new door's statistics, and their gauges end.
TEST(Predecessors, CountOn) {
  const UniqueFd now_fd(telemetry::create_stats_memfd("now"));
  telemetry::DoorStats* now_stats = telemetry::map_stats(now_fd.get(), true);
  UniqueFd old_fd(telemetry::create_stats_memfd("old"));
  telemetry::DoorStats* old_stats = telemetry::map_stats(old_fd.get(), true);
  ASSERT_TRUE(now_stats != nullptr && old_stats != nullptr);
  old_stats->workers[0].add(telemetry::Counter::requests, 3);
  old_stats->workers[kEndedSlot].add(telemetry::Counter::requests, 10);
  old_stats->workers[0].open_connections = 2;
  StateDoor state;
  state.process_count = 1;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  state.processes[0] = {child, -1, old_fd.release(), 1, 0};

  const auto requests = [&](std::size_t slot) {
    return now_stats->workers[slot]
        .counters[static_cast<std::size_t>(telemetry::Counter::requests)]
        .load();
  };
  Predecessors all;
  all.adopt(state, *now_stats);
  EXPECT_FALSE(all.serve()) << "it was told to end";
  EXPECT_EQ(requests(kEndedSlot), 10u);
  old_stats->workers[1].add(telemetry::Counter::requests, 4);
  all.tick(TimePoint{}, *now_stats);
  EXPECT_EQ(requests(kLeavingSlot), 7u);
  EXPECT_EQ(now_stats->workers[kLeavingSlot].open_connections, 2u);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(all.exited(child + 1, *now_stats));
  EXPECT_TRUE(all.exited(child, *now_stats));
  EXPECT_TRUE(all.empty());
  EXPECT_EQ(requests(kEndedSlot), 17u);
  EXPECT_EQ(requests(kLeavingSlot), 0u);
  EXPECT_EQ(now_stats->workers[kEndedSlot].open_connections, 0u);
}

TEST(UpgradeOrder, IsTakenFromTheEnvironmentOnce) {
  struct Case {
    const char* value;
    bool good;
    int state, answer;
  };
  constexpr Case cases[] = {{"7", true, 7, -1},    {"7,8", true, 7, 8},      {"", false, -1, -1},
                            {"x", false, -1, -1},  {"7,", false, -1, -1},    {"7,x", false, -1, -1},
                            {"-7", false, -1, -1}, {"7,8,9", false, -1, -1}, {",8", false, -1, -1}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.value);
    ::setenv("BD_UPGRADE", c.value, 1);
    const auto order = take_upgrade_order();
    ASSERT_EQ(order.has_value(), c.good);
    EXPECT_EQ(std::getenv("BD_UPGRADE"), nullptr);
    if (!order) continue;
    EXPECT_EQ(order->state, c.state);
    EXPECT_EQ(order->answer, c.answer);
  }
}

// Only the answer counts: not that a program ends well, and not silence.
TEST(Upgrade, AsksTheProgramFirst) {
  struct Case {
    const char* path;
    std::vector<std::string> words;
    Upgrade::Outcome outcome;
  };
  const Case cases[] = {
      {"/bin/true", {"true"}, Upgrade::Outcome::bad},
      {"/nonexistent", {"x"}, Upgrade::Outcome::bad},
      {"/bin/sh", {"sh", "-c", "echo maybe >&${BD_UPGRADE#*,}"}, Upgrade::Outcome::bad},
      {"/bin/sh",
       {"sh", "-c", "echo 'blastdoor: the state is good' >&${BD_UPGRADE#*,}"},
       Upgrade::Outcome::good},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.words.back());
    State state;
    Upgrade upgrade({c.path, c.words});
    ASSERT_TRUE(upgrade.check(state, Clock::now()));
    Upgrade::Outcome outcome = Upgrade::Outcome::pending;
    while (outcome == Upgrade::Outcome::pending) {
      pollfd answer{upgrade.answer(), POLLIN, 0};
      ::poll(&answer, 1, 5000);
      outcome = upgrade.outcome(Clock::now());
    }
    EXPECT_EQ(outcome, c.outcome);
    EXPECT_EQ(::waitpid(-1, nullptr, 0) > 0, true);
  }
  State state;
  Upgrade silent({"/bin/sleep", {"sleep", "60"}});
  const TimePoint now = Clock::now();
  ASSERT_TRUE(silent.check(state, now));
  EXPECT_EQ(silent.outcome(now), Upgrade::Outcome::pending);
  EXPECT_EQ(silent.outcome(now + Upgrade::kCheckMax), Upgrade::Outcome::bad);
  silent.stop();
  EXPECT_FALSE(silent.is_checking());
  EXPECT_TRUE(silent.exited(::waitpid(-1, nullptr, 0)));
}

}  // namespace
}  // namespace bd::app
