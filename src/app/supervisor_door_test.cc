// One door's keeper with a clock of the test. The process is this test binary
// (children_for_test.h).

#include "app/supervisor_door.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "app/children_for_test.h"
#include "base/log.h"
#include "snapshot/snapshot.h"

namespace bd::app {
namespace {

using namespace std::chrono_literals;

UniqueFd sealed(std::uint64_t generation, int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) {
  snapshot::Door door;
  door.exposure = model::make_exposure("lab", model::Side::internal, model::Scheme::http, 1);
  const std::string bytes = snapshot::encode(door, generation);
  UniqueFd out(::memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::write(out.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(::fcntl(out.get(), F_ADD_SEALS, seals), 0);
  return out;
}

struct Keeper : testing::Test {
  SocketAddress address = free_address();
  std::unique_ptr<DoorKeeper> keeper;
  TimePoint now = Clock::now();

  void SetUp() override {
    log::init("test", log::Level::error);
    auto opened = DoorKeeper::open({"lab", {{"main", address}}, 2, "error", 0});
    ASSERT_TRUE(opened) << opened.error();
    keeper = *std::move(opened);
  }
  void TearDown() override { end_process(); }

  int end_process() {
    if (keeper->pid() < 0) return 0;
    keeper->kill();
    int status = 0;
    ::waitpid(keeper->pid(), &status, 0);
    EXPECT_TRUE(keeper->exited(now, keeper->pid(), status));
    return status;
  }
  /// Starts the process and waits until it said so.
  void start() {
    keeper->tick(now);
    ASSERT_GT(keeper->pid(), 0);
    // It answers before it says so: the word is what counts.
    pollfd told{keeper->channel(), POLLIN, 0};
    ASSERT_EQ(::poll(&told, 1, 5000), 1);
    keeper->on_channel(now);
    ASSERT_TRUE(eventually([&] { return ask(address).find("pid ") != std::string::npos; }));
  }
  /// As the supervisor turns: at least once a second.
  void pass(std::chrono::seconds time) {
    for (auto left = time; left > 0s; left -= 1s) keeper->tick(now += 1s);
  }
  [[nodiscard]] bool is_killed() const {
    return eventually([&] { return is_gone(keeper->pid()); });
  }
  void crash(int times) {
    for (int i = 0; i < times; ++i) {
      keeper->tick(now += Backoff::kLast);
      ASSERT_GT(keeper->pid(), 0);
      end_process();
    }
  }
};

TEST_F(Keeper, EndsADoorWhoseWorkersDoNotTurn) {
  start();
  ::kill(keeper->pid(), SIGSTOP);
  pass(DoorKeeper::kHeartbeatMax - 1s);
  EXPECT_FALSE(is_gone(keeper->pid()));
  pass(3s);
  EXPECT_TRUE(is_killed());
}

TEST_F(Keeper, ForgivesEveryHeartbeatThatWasMissedWhileItStoodStillItself) {
  start();
  ::kill(keeper->pid(), SIGSTOP);
  now += 1h;
  keeper->tick(now);
  pass(DoorKeeper::kHeartbeatMax - 1s);
  EXPECT_FALSE(is_gone(keeper->pid()));
}

TEST_F(Keeper, KeepsOnlySnapshotsThatCannotChangeAnyMore) {
  EXPECT_FALSE(keeper->keep_snapshot({}, 1));
  EXPECT_FALSE(keeper->keep_snapshot(UniqueFd(::dup(STDERR_FILENO)), 1));
  EXPECT_FALSE(keeper->keep_snapshot(sealed(1, F_SEAL_WRITE), 1));
  EXPECT_FALSE(keeper->keep_snapshot(sealed(1, F_SEAL_SHRINK | F_SEAL_GROW), 1));
  EXPECT_TRUE(keeper->keep_snapshot(sealed(1), 1));
  start();
  EXPECT_TRUE(ask(address).starts_with("generation 1: "));
}

TEST_F(Keeper, GoesFromTheNewestToTheOneBeforeAndThenClosesForAMinute) {
  for (const std::uint64_t generation : {1u, 2u, 3u}) {
    ASSERT_TRUE(keeper->keep_snapshot(sealed(generation), generation));
  }
  const int enough = static_cast<int>(model::kCrashesToQuarantine);
  crash(enough - 1);
  EXPECT_TRUE(keeper->take_condemned().empty());
  crash(1);
  EXPECT_EQ(keeper->take_condemned(), std::vector<std::uint64_t>{3});
  start();
  EXPECT_TRUE(ask(address).starts_with("generation 2: ")) << "two are kept";
  end_process();
  crash(enough - 1);
  EXPECT_EQ(keeper->take_condemned(), std::vector<std::uint64_t>{2});
  EXPECT_EQ(ask(address), kRefused);
  EXPECT_NE(keeper->not_ready(), "");

  pass(DoorKeeper::kClosedFor + 1s);
  end_process();  // The trial.
  start();
  EXPECT_TRUE(ask(address).starts_with("generation 3: "));
}

// Controllers that die young have delays of their own. A door that waited on top of them would
// serve for seconds what was withdrawn.
TEST_F(Keeper, ADoorGetsItsFeedFromEveryNewControllerAtOnce) {
  start();
  for (int life = 0; life < 8; ++life) {
    ASSERT_TRUE(keeper->wants_feed(now)) << "controller " << life;
    ASSERT_TRUE(keeper->make_feed());
    EXPECT_FALSE(keeper->wants_feed(now));
    keeper->renew_feed(now);  // The door notices first.
    keeper->controller_gone();
  }
}

TEST_F(Keeper, AFeedThatIsLostAgainAndAgainComesLaterAndLater) {
  start();
  ASSERT_TRUE(keeper->make_feed());
  keeper->renew_feed(now);
  EXPECT_TRUE(keeper->wants_feed(now)) << "at once, the first time";
  ASSERT_TRUE(keeper->make_feed());
  keeper->renew_feed(now);
  EXPECT_FALSE(keeper->wants_feed(now));
  EXPECT_TRUE(keeper->wants_feed(now + Backoff::kFirst));
}

TEST_F(Keeper, DrainingItStopsListeningAndIsGoneWithItsProcess) {
  start();
  EXPECT_FALSE(keeper->gone());
  keeper->drain(now, 60s);
  keeper->tick(now += 1s);
  int status = -1;
  ASSERT_EQ(::waitpid(keeper->pid(), &status, 0), keeper->pid());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(ask(address), kRefused);
  EXPECT_TRUE(keeper->exited(now, keeper->pid(), status));
  EXPECT_TRUE(keeper->gone());
  pass(10s);
  EXPECT_LT(keeper->pid(), 0) << "nothing is started any more";
}

// The doors of another supervisor serve on: no filter may keep clients from them.
TEST_F(Keeper, LeavesSharedSocketsToTheOthers) {
  start();
  StateDoor state;
  ASSERT_TRUE(keeper->save(state));
  std::vector<UniqueFd> theirs;
  for (std::uint32_t i = 0; i < state.listeners[0].count; ++i) {
    theirs.emplace_back(::fcntl(state.listeners[0].sockets[i], F_DUPFD_CLOEXEC, 0));
  }
  keeper->share(true);
  keeper->drain(now, 60s);
  keeper->tick(now += 1s);
  int status = -1;
  ASSERT_EQ(::waitpid(keeper->pid(), &status, 0), keeper->pid());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(keeper->exited(now, keeper->pid(), status));
  EXPECT_TRUE(keeper->gone());
  std::thread client([this] { EXPECT_EQ(ask(address), ""); });
  std::vector<pollfd> polled;
  for (const UniqueFd& fd : theirs) polled.push_back({fd.get(), POLLIN, 0});
  EXPECT_EQ(::poll(polled.data(), polled.size(), 5000), 1) << "the client has come through";
  theirs.clear();
  client.join();
}

TEST_F(Keeper, IsPatientWhileOthersServe) {
  keeper->share(true);
  keeper->tick(now);
  ASSERT_GT(keeper->pid(), 0);
  // The words are those of the child once it has become the program.
  const std::string words = fmt::format("/proc/{}/cmdline", keeper->pid());
  EXPECT_TRUE(
      eventually([&] { return read_whole(words).find("--patient=1") != std::string::npos; }));
  EXPECT_FALSE(keeper->serves());
}

TEST_F(Keeper, ADoorThatDoesNotDrainInTimeIsEnded) {
  start();
  ::kill(keeper->pid(), SIGSTOP);
  keeper->drain(now, 5s);
  pass(6s);
  EXPECT_FALSE(is_gone(keeper->pid()));
  pass(2s);
  EXPECT_TRUE(is_killed());
}

}  // namespace
}  // namespace bd::app
