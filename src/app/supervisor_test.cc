// The process tree, whole and real: this test binary is its own supervisor, controller and door.
// The controller is a script of the test, the door's server answers every connection with what it
// serves.

#include "app/supervisor.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>

#include "app/children_for_test.h"
#include "base/log.h"

namespace bd::app {
namespace {

using namespace std::chrono_literals;

class Tree : public testing::Test {
 protected:
  std::string dir_ = testing::TempDir() + fmt::format("bd-tree-{}", ::getpid());
  config::Config config_;
  pid_t supervisor_ = -1;

  void SetUp() override {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
    ::setenv(kScriptVariable, dir_.c_str(), 1);
    ::setenv("BLASTDOOR_TEST_POISON_HOST", "poison.test", 1);
    config_.exposures = {exposure("internal-http"), exposure("external-http")};
    config_.workers = 2;
    config_.log_level = "error";
    for (SocketAddress* own : {&config_.probes, &config_.admin, &config_.metrics}) {
      *own = free_address();
    }
  }
  void TearDown() override {
    if (supervisor_ > 0) {
      ::kill(supervisor_, SIGKILL);
      ::waitpid(supervisor_, nullptr, 0);
    }
    std::filesystem::remove_all(dir_);
  }

  static model::Exposure exposure(const char* name) {
    model::Exposure out = model::make_exposure(name, model::Side::internal, model::Scheme::http, 1);
    out.listeners[0].bind = free_address();
    out.listeners[0].timeouts.drain_delay = 300ms;
    out.listeners[0].timeouts.drain = 2000ms;
    return out;
  }
  SocketAddress address(std::size_t index) { return config_.exposures[index].listeners[0].bind; }

  /// What the controller has to feed: "1 a.test b.test"; further words: see children_for_test.h.
  void script(const std::string& state) { write_whole(dir_ + "/state", state); }
  [[nodiscard]] std::string heard() const { return read_whole(dir_ + "/heard"); }

  pid_t start() const {
    const pid_t child = ::fork();
    if (child != 0) return child;
    log::init("supervisor", log::Level::error);
    ::_exit(run_supervisor({config_, {"--words", "of run"}}));
  }
  void start_and_wait(const std::string& state) {
    script(state);
    supervisor_ = start();
    ASSERT_TRUE(eventually([&] { return probe("/readyz").starts_with("HTTP/1.1 200"); }))
        << probe("/readyz");
  }
  std::string probe(const std::string& path) const {
    return ask(config_.probes, fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path));
  }
  /// The process id that a door's answer names.
  pid_t door_pid(std::size_t index) {
    const std::string answer = ask(address(index));
    const std::size_t at = answer.rfind("pid ");
    return at == std::string::npos ? -1 : std::atoi(answer.c_str() + at + 4);
  }
  pid_t controller_pid() const { return std::atoi(read_whole(dir_ + "/controller").c_str()); }
  /// Never a group of processes: a number may be missing where nobody answers.
  static void signal(pid_t pid, int number) {
    ASSERT_GT(pid, 1);
    ::kill(pid, number);
  }
  int wait_for_exit() {
    int status = -1;
    ::waitpid(supervisor_, &status, 0);
    supervisor_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(Tree, EveryDoorServesWhatTheControllerSaysAndOnlyThenItIsReady) {
  script("");
  supervisor_ = start();
  ASSERT_TRUE(eventually([&] { return probe("/livez").starts_with("HTTP/1.1 200"); }));
  EXPECT_TRUE(probe("/readyz").starts_with("HTTP/1.1 503")) << "no table yet";
  script("1 a.test");
  EXPECT_TRUE(eventually([&] { return probe("/readyz").starts_with("HTTP/1.1 200"); }));
  for (const std::size_t index : {0u, 1u}) {
    EXPECT_TRUE(ask(address(index)).starts_with("generation 1: a.test ")) << ask(address(index));
  }
  script("2 b.test a.test");
  for (const std::size_t index : {0u, 1u}) {
    EXPECT_TRUE(eventually(
        [&] { return ask(address(index)).starts_with("generation 2: a.test b.test "); }));
  }
}

TEST_F(Tree, AKilledDoorIsBackOnItsSocketsWithItsSnapshotAndTheOtherNoticesNothing) {
  start_and_wait("1 a.test");
  ASSERT_TRUE(
      eventually([&] { return heard().find("acked internal-http 1") != std::string::npos; }));
  const pid_t other = door_pid(1);
  signal(controller_pid(), SIGSTOP);  // So that only the snapshot can be what it serves.
  for (int round = 0; round < 3; ++round) {
    const pid_t before = door_pid(0);
    const TimePoint killed = Clock::now();
    signal(before, SIGKILL);
    std::string answer;
    int asked = 0;
    do {
      answer = ask(address(0));  // Never refused: the connection waits for the next door.
      ++asked;
    } while (answer.find(fmt::format("pid {}", before)) != std::string::npos);
    EXPECT_TRUE(answer.starts_with("generation 1: a.test ")) << answer << " at " << asked;
    const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - killed);
    // Back-off: at once the first time, then 100 and 200 ms; the rest is a busy machine.
    EXPECT_LT(took, 2s);
  }
  EXPECT_EQ(door_pid(1), other);
  EXPECT_TRUE(probe("/readyz").starts_with("HTTP/1.1 200"));
  signal(controller_pid(), SIGCONT);
  script("2 b.test");
  EXPECT_TRUE(eventually([&] { return ask(address(0)).starts_with("generation 2: b.test "); }));
}

TEST_F(Tree, AKilledControllerComesBackAndTheDoorsGoOn) {
  start_and_wait("1 a.test");
  const pid_t doors[] = {door_pid(0), door_pid(1)};
  for (int generation = 2; generation < 5; ++generation) {
    const pid_t controller = controller_pid();
    signal(controller, SIGKILL);
    EXPECT_TRUE(ask(address(0)).starts_with("generation "));
    EXPECT_TRUE(probe("/readyz").starts_with("HTTP/1.1 200"));
    script(fmt::format("{} b.test", generation));
    const std::string want = fmt::format("generation {}: b.test ", generation);
    EXPECT_TRUE(eventually([&] { return ask(address(1)).starts_with(want); }));
    EXPECT_NE(controller_pid(), controller);
  }
  EXPECT_EQ(door_pid(0), doors[0]);
  EXPECT_EQ(door_pid(1), doors[1]);
}

TEST_F(Tree, APoisonedGenerationIsPutAsideForTheSnapshotBefore) {
  start_and_wait("1 a.test");
  ASSERT_TRUE(
      eventually([&] { return heard().find("acked external-http 1") != std::string::npos; }));
  script("2 a.test poison.test");
  EXPECT_TRUE(
      eventually([&] { return heard().find("quarantine external-http 2") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return ask(address(1)).starts_with("generation 1: a.test "); }));
  EXPECT_TRUE(probe("/readyz").starts_with("HTTP/1.1 200"));
  script("3 c.test");
  EXPECT_TRUE(eventually([&] { return ask(address(1)).starts_with("generation 3: c.test "); }));
}

TEST_F(Tree, WithNoSnapshotToGoBackToTheListenersCloseUntilAGoodGeneration) {
  script("1 poison.test");
  supervisor_ = start();
  EXPECT_TRUE(eventually(
      [&] { return probe("/readyz").find("closed after crashes") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return ask(address(0)) == kRefused; }));
  EXPECT_TRUE(eventually([&] { return ask(address(1)) == kRefused; }));
  script("2 a.test");
  EXPECT_TRUE(eventually([&] { return ask(address(0)).starts_with("generation 2: a.test "); }));
  EXPECT_TRUE(eventually([&] { return probe("/readyz").starts_with("HTTP/1.1 200"); }));
}

TEST_F(Tree, ASecondOneOnTheSamePortsIsAnError) {
  start_and_wait("1 a.test");
  config_.probes = free_address();
  const pid_t second = start();
  int status = -1;
  ::waitpid(second, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_TRUE(ask(address(0)).starts_with("generation 1: "));
}

TEST_F(Tree, HandsItsSocketsToTheNextOneAndIdlesUntilItIsToldToEnd) {
  config_.handover = fmt::format("tree-{}", ::getpid());
  start_and_wait("1 a.test");
  const pid_t old_doors[] = {door_pid(0), door_pid(1)};
  const pid_t old_controller = controller_pid(), old = supervisor_;
  supervisor_ = start();
  for (const pid_t pid : old_doors) EXPECT_TRUE(eventually([&] { return is_gone(pid); })) << pid;
  EXPECT_TRUE(eventually([&] { return is_gone(old_controller); }));
  for (const std::size_t index : {0u, 1u}) {
    EXPECT_TRUE(ask(address(index)).starts_with("generation 1: a.test ")) << ask(address(index));
  }
  EXPECT_TRUE(eventually([&] { return probe("/readyz").starts_with("HTTP/1.1 200"); }));
  EXPECT_FALSE(is_gone(old)) << "started again, it would take the sockets back";
  ::kill(old, SIGTERM);
  int status = -1;
  ASSERT_EQ(::waitpid(old, &status, 0), old);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  script("2 b.test");
  EXPECT_TRUE(eventually([&] { return ask(address(0)).starts_with("generation 2: b.test "); }));
}

TEST_F(Tree, GoesOnWithTheSocketsWhenTheOldOneDiesBeforeItIsReady) {
  config_.handover = fmt::format("tree-{}", ::getpid());
  start_and_wait("1 a.test");
  script("");
  const pid_t old = supervisor_;
  supervisor_ = start();
  EXPECT_TRUE(eventually([&] { return probe("/readyz").starts_with("HTTP/1.1 503"); }))
      << "the new one has the sockets";
  ::kill(old, SIGKILL);
  ASSERT_EQ(::waitpid(old, nullptr, 0), old);
  script("2 b.test");
  EXPECT_TRUE(eventually([&] { return ask(address(0)).starts_with("generation 2: b.test "); }));
  EXPECT_TRUE(eventually([&] { return probe("/readyz").starts_with("HTTP/1.1 200"); }));
}

TEST_F(Tree, SigtermFailsProbesServesOnThenDrainsAndLeavesNothing) {
  start_and_wait("1 a.test");
  const pid_t pids[] = {door_pid(0), door_pid(1), controller_pid()};
  ::kill(supervisor_, SIGTERM);
  EXPECT_TRUE(eventually([&] { return probe("/readyz").starts_with("HTTP/1.1 503"); }));
  EXPECT_TRUE(probe("/livez").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(
      eventually([&] { return ask(address(0)).find("failing probes") != std::string::npos; }));
  EXPECT_EQ(wait_for_exit(), 0);
  EXPECT_EQ(ask(address(0)), kRefused);
  for (const pid_t pid : pids) EXPECT_TRUE(eventually([&] { return is_gone(pid); })) << pid;
}

TEST_F(Tree, ASecondSignalEndsAtOnce) {
  config_.exposures[0].listeners[0].timeouts.drain_delay = 60s;
  start_and_wait("1 a.test");
  const pid_t door = door_pid(0);
  ::kill(supervisor_, SIGTERM);
  EXPECT_TRUE(eventually([&] { return probe("/readyz").starts_with("HTTP/1.1 503"); }));
  ::kill(supervisor_, SIGINT);
  EXPECT_EQ(wait_for_exit(), 128 + SIGINT);
  EXPECT_TRUE(eventually([&] { return is_gone(door); }));
}

TEST_F(Tree, ChildrenDieWithTheSupervisor) {
  start_and_wait("1 a.test");
  const pid_t pids[] = {door_pid(0), door_pid(1), controller_pid()};
  ::kill(supervisor_, SIGKILL);
  ::waitpid(std::exchange(supervisor_, -1), nullptr, 0);
  for (const pid_t pid : pids) EXPECT_TRUE(eventually([&] { return is_gone(pid); })) << pid;
}

TEST_F(Tree, ADoorMayBeDroppedAndWantedAgainButOnlyAsConfigured) {
  start_and_wait("1 a.test");
  script("2 a.test !drop=external-http");
  EXPECT_TRUE(eventually([&] { return ask(address(1)) == kRefused; }));
  EXPECT_TRUE(eventually([&] { return heard().find("gone external-http") != std::string::npos; }));
  EXPECT_TRUE(ask(address(0)).starts_with("generation "));

  script(fmt::format("3 a.test !want=evil@{}", address(1).text()));
  EXPECT_TRUE(eventually([&] { return heard().find("gone evil") != std::string::npos; }));
  const SocketAddress other = free_address();
  script(fmt::format("4 d.test !want=external-http@{}", other.text()));
  EXPECT_TRUE(eventually([&] { return ask(address(0)).starts_with("generation 4: d.test "); }));
  EXPECT_EQ(ask(other), kRefused);
  EXPECT_EQ(ask(address(1)), kRefused);
  script(fmt::format("5 a.test !want=external-http@{}", address(1).text()));
  EXPECT_TRUE(eventually([&] { return ask(address(1)).starts_with("generation 5: a.test "); }));
}

TEST_F(Tree, AFeedThatADoorRefusesIsRenewedAndTheDoorServesOn) {
  start_and_wait("1 a.test");
  script("2 a.test !nonsense");
  EXPECT_TRUE(
      eventually([&] { return heard().find("refused external-http 2") != std::string::npos; }));
  EXPECT_TRUE(ask(address(1)).starts_with("generation 1: a.test "));
  script("3 b.test");
  EXPECT_TRUE(eventually([&] { return ask(address(1)).starts_with("generation 3: b.test "); }));
}

TEST_F(Tree, TheControllerGetsTheFlagsOfRunAndTheDoorNoEnvironment) {
  ::setenv("BLASTDOOR_SECRET", "hush", 1);
  start_and_wait("1 a.test");
  ::unsetenv("BLASTDOOR_SECRET");
  const std::string door = fmt::format("/proc/{}/", door_pid(0));
  EXPECT_EQ(read_whole(door + "environ").find("hush"), std::string::npos);
  const std::string words = read_whole(door + "cmdline");
  EXPECT_TRUE(words.starts_with(std::string("blastdoor\0door\0internal-http\0", 29))) << words;
  const std::string controller = read_whole(fmt::format("/proc/{}/cmdline", controller_pid()));
  EXPECT_TRUE(controller.starts_with(std::string("blastdoor\0controller\0", 21))) << controller;
  EXPECT_TRUE(controller.ends_with(std::string("\0--words\0of run\0", 16))) << controller;
}

}  // namespace
}  // namespace bd::app

int main(int count, char** words) {
  using namespace bd::app;
  const std::vector<std::string> rest(words + std::min(count, 2), words + count);
  const std::string role = count > 1 ? words[1] : "";
  if (role == "door") return run_test_door(rest);
  if (role == "controller") return run_test_controller(rest);
  testing::InitGoogleTest(&count, words);
  return RUN_ALL_TESTS();
}
