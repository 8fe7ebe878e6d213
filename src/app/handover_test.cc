// Both ends of a hand-over, and peers that follow no rules. The clock of the giver is the test's.

#include "app/handover.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <span>
#include <thread>

#include "base/log.h"

namespace bd::app {
namespace {

using namespace std::chrono_literals;
using Answer = HandoverTaker::Answer;
using Outcome = HandoverTaker::Outcome;

void put(StateText& out, const char* text) {
  EXPECT_TRUE(put_text(out, text));
}

void add_listener(State& state, const char* door, const char* address) {
  StateDoor& out = state.doors[state.door_count++];
  put(out.name, door);
  StateListener& listener = out.listeners[out.listener_count++];
  put(listener.name, "main");
  put(listener.address, address);
}

/// Two doors, as both sides are configured.
std::unique_ptr<State> configured() {
  auto out = std::make_unique<State>();
  add_listener(*out, "internal-http", "127.0.0.1:10000");
  add_listener(*out, "external-http", "127.0.0.1:10002");
  return out;
}

ino_t inode(int fd) {
  struct stat info{};
  EXPECT_EQ(::fstat(fd, &info), 0) << fd;
  return info.st_ino;
}

/// The giver of a test: it has two sockets per door and one for probes, or says why not.
struct Handover : testing::Test {
  std::string name = fmt::format("test-{}", ::getpid());
  std::vector<UniqueFd> sockets;
  std::string says_no;
  HandoverGiver giver{name};
  TimePoint now = Clock::now();

  void SetUp() override {
    log::init("test", log::Level::error);
    for (int i = 0; i < 5; ++i) sockets.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_TRUE(giver.open());
  }
  std::string offer(State& out) const {
    out = *configured();
    for (std::size_t i = 0; i < 2; ++i) {
      StateListener& listener = out.doors[i].listeners[0];
      listener.count = 2;
      listener.sockets[0] = sockets[2 * i].get();
      listener.sockets[1] = sockets[2 * i + 1].get();
    }
    out.probes = sockets[4].get();
    return says_no;
  }
  void turn() {
    giver.tick(now, [this](State& out) { return offer(out); });
  }
  /// The giver turns while the taker waits, as in two processes.
  Answer ask(HandoverTaker& taker, State& state, std::string& why) {
    std::atomic<bool> done = false;
    Answer out{};
    std::thread other([&] {
      out = taker.ask(state, why);
      done = true;
    });
    while (!done) turn();
    other.join();
    return out;
  }
  /// Claims the doors of `state` by hand, and reads nothing.
  UniqueFd claim(const State& state) {
    UniqueFd out = connect_for_handover(name);
    EXPECT_TRUE(out);
    std::uint32_t count = 0;
    for (; count < state.door_count; ++count) {
      HandoverRecord record = make_record(HandoverStep::claim);
      record.door = state.doors[count].name;
      record.listener = state.doors[count].listeners[0].name;
      record.address = state.doors[count].listeners[0].address;
      EXPECT_EQ(send(out.get(), record), feed::SendStatus::ok);
    }
    EXPECT_EQ(send(out.get(), make_record(HandoverStep::ask, count)), feed::SendStatus::ok);
    return out;
  }
  /// What the giver had to say last, after everything else.
  static std::string refusal(int channel) {
    for (;;) {
      const HandoverReceived got = receive_handover(channel);
      if (got.status != HandoverReceived::Status::ok) return "no refusal";
      if (got.record.step == HandoverStep::refused) return std::string(reason_of(got.record));
    }
  }
};

TEST_F(Handover, GivesEverySocketAndThenTheName) {
  HandoverTaker taker(name);
  const auto state = configured();
  std::string why;
  ASSERT_EQ(ask(taker, *state, why), Answer::taken) << why;
  EXPECT_TRUE(giver.is_shared());
  for (std::size_t i = 0; i < 4; ++i) {
    const int got = state->doors[i / 2].listeners[0].sockets[i % 2];
    EXPECT_NE(got, sockets[i].get());
    EXPECT_EQ(inode(got), inode(sockets[i].get())) << "socket " << i;
    EXPECT_EQ(::fcntl(got, F_GETFD), FD_CLOEXEC);
    ::close(got);
  }
  EXPECT_EQ(inode(state->probes), inode(sockets[4].get()));
  ::close(state->probes);

  EXPECT_EQ(taker.tick(now, false, why), Outcome::waiting);
  turn();
  EXPECT_FALSE(giver.is_ready());
  EXPECT_EQ(taker.tick(now, true, why), Outcome::waiting);
  turn();
  ASSERT_TRUE(giver.is_ready());
  giver.give();
  EXPECT_EQ(taker.tick(now, true, why), Outcome::yours);
  EXPECT_LT(taker.channel(), 0);
  HandoverGiver next(name);
  EXPECT_TRUE(next.open()) << "the name is free";
}

TEST_F(Handover, NobodyIsThereBeforeTheFirst) {
  HandoverTaker taker(name + "-other");
  const auto state = configured();
  std::string why;
  EXPECT_EQ(taker.ask(*state, why), Answer::nobody);
}

TEST_F(Handover, OtherDoorsAreRefusedAndTheOneThatDiffersIsNamed) {
  struct Case {
    const char* what;
    std::function<void(State&)> change;
    const char* says;
  };
  const Case cases[] = {
      {"one more", [](State& s) { add_listener(s, "third", "127.0.0.1:3"); },
       "only the new one has the listener main of third on 127.0.0.1:3"},
      {"one less", [](State& s) { s.door_count = 1; },
       "only the running one has the listener main of external-http on 127.0.0.1:10002"},
      {"another port", [](State& s) { put(s.doors[0].listeners[0].address, "127.0.0.1:1"); },
       "only the running one has the listener main of internal-http on 127.0.0.1:10000"},
      {"another listener", [](State& s) { put(s.doors[0].listeners[0].name, "more"); },
       "only the running one has the listener main of internal-http on 127.0.0.1:10000"},
      {"the same twice", [](State& s) { s.doors[s.door_count++] = s.doors[0]; },
       "only the new one has the listener main of internal-http on 127.0.0.1:10000"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    HandoverTaker taker(name);
    const auto state = configured();
    c.change(*state);
    std::string why;
    EXPECT_EQ(ask(taker, *state, why), Answer::refused);
    EXPECT_EQ(why, std::string("its doors are others: ") + c.says);
    EXPECT_FALSE(giver.is_busy());
  }
}

TEST_F(Handover, ProcessesOfAnotherUserAreRefusedByEitherSide) {
  const uid_t other = ::geteuid() + 1;
  const auto state = configured();
  std::string why;
  HandoverTaker suspicious(name, other);
  EXPECT_EQ(suspicious.ask(*state, why), Answer::refused) << "before a word is said";
  EXPECT_NE(why.find(fmt::format("taken by user {}", ::geteuid())), std::string::npos) << why;
  EXPECT_FALSE(somebody_serves(name, other));
  EXPECT_TRUE(somebody_serves(name, ::geteuid()));
  turn();
  EXPECT_FALSE(giver.is_busy()) << "one that only looks is forgotten";

  HandoverGiver strict(name + "-strict", other);
  ASSERT_TRUE(strict.open());
  const UniqueFd channel = connect_for_handover(name + "-strict");
  ASSERT_TRUE(channel);
  strict.tick(now, [this](State& out) { return offer(out); });
  EXPECT_FALSE(strict.is_busy());
  EXPECT_EQ(refusal(channel.get()),
            fmt::format("its user is {}, and this one's {}", ::geteuid(), other));
}

TEST_F(Handover, IsRefusedWhenTheRunningOneCannotAndByASecondOne) {
  says_no = "it is busy";
  HandoverTaker taker(name);
  const auto state = configured();
  std::string why;
  EXPECT_EQ(ask(taker, *state, why), Answer::refused);
  EXPECT_EQ(why, "it is busy");
  says_no = "";
  const UniqueFd first = claim(*configured());
  const UniqueFd second = claim(*configured());
  turn();
  EXPECT_TRUE(giver.is_shared());
  EXPECT_EQ(refusal(second.get()), "another hand-over is under way");
  giver.close();
  EXPECT_EQ(refusal(first.get()), "this one is about to end");
  EXPECT_FALSE(giver.is_open());
}

// Whatever a peer does, the giver serves on, and is there for the next one.
TEST_F(Handover, APeerThatMakesNoSenseIsRefused) {
  const auto raw = [](int channel, HandoverRecord record, std::size_t bytes, int fd) {
    return feed::send_record(channel, std::as_bytes(std::span(&record, 1)).first(bytes), fd) ==
           feed::SendStatus::ok;
  };
  struct Case {
    const char* what;
    std::function<bool(int)> act;
    const char* says;
  };
  HandoverRecord foreign = make_record(HandoverStep::ask), later = foreign, endless = foreign,
                 unknown = foreign;
  foreign.magic = 1;
  later.version = kHandoverVersion + 1;
  endless.door.fill('x');
  unknown.step = static_cast<HandoverStep>(99);
  constexpr std::size_t kWhole = sizeof(HandoverRecord);
  const Case cases[] = {
      {"another program", [&](int fd) { return raw(fd, foreign, kWhole, -1); }, "nothing that is"},
      {"a word", [&](int fd) { return raw(fd, later, 5, -1); }, "nothing that is"},
      {"a later version", [&](int fd) { return raw(fd, later, kWhole, -1); }, "version 2"},
      {"a shorter later one", [&](int fd) { return raw(fd, later, 16, -1); }, "version 2"},
      {"a short one", [&](int fd) { return raw(fd, unknown, 40, -1); }, "damaged"},
      {"an unknown step", [&](int fd) { return raw(fd, unknown, kWhole, -1); }, "damaged"},
      {"a name without end", [&](int fd) { return raw(fd, endless, kWhole, -1); }, "damaged"},
      {"a descriptor too many",
       [&](int fd) { return raw(fd, make_record(HandoverStep::ask), kWhole, 0); }, "damaged"},
      {"a wrong count",
       [&](int fd) { return raw(fd, make_record(HandoverStep::ask, 1), kWhole, -1); },
       "another number"},
      {"ready before it has asked",
       [&](int fd) { return raw(fd, make_record(HandoverStep::ready), kWhole, -1); },
       "out of turn"},
      {"the other side's words",
       [&](int fd) { return raw(fd, make_record(HandoverStep::yours), kWhole, -1); },
       "out of turn"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    const UniqueFd channel = connect_for_handover(name);
    ASSERT_TRUE(channel && c.act(channel.get()));
    turn();
    EXPECT_FALSE(giver.is_busy());
    const std::string says = refusal(channel.get());
    EXPECT_NE(says.find(c.says), std::string::npos) << says;
  }
  HandoverTaker taker(name);
  const auto state = configured();
  std::string why;
  EXPECT_EQ(ask(taker, *state, why), Answer::taken) << why;
}

TEST_F(Handover, APeerThatIsSilentOrSlowIsRefused) {
  const UniqueFd mute = connect_for_handover(name);
  turn();
  EXPECT_TRUE(giver.is_busy());
  now += HandoverGiver::kAskMax;
  turn();
  EXPECT_FALSE(giver.is_busy());

  const UniqueFd silent = claim(*configured());
  turn();
  ASSERT_TRUE(giver.is_shared());
  now += HandoverGiver::kSilenceMax;
  turn();
  EXPECT_FALSE(giver.is_busy());
  EXPECT_EQ(refusal(silent.get()), "the new one is silent");

  const UniqueFd slow = claim(*configured());
  turn();
  for (auto waited = 0s; waited < HandoverGiver::kReadyMax; waited += 1s, now += 1s) {
    ASSERT_TRUE(giver.is_shared()) << waited.count();
    ASSERT_EQ(send(slow.get(), make_record(HandoverStep::alive)), feed::SendStatus::ok);
    turn();
  }
  turn();
  EXPECT_FALSE(giver.is_busy());
  EXPECT_EQ(refusal(slow.get()), "the new one is not ready in time");
}

TEST_F(Handover, ANewcomerThatDiesLeavesAllAsItWas) {
  UniqueFd channel = claim(*configured());
  turn();
  ASSERT_TRUE(giver.is_shared());
  channel.reset();
  turn();
  EXPECT_FALSE(giver.is_busy());
  EXPECT_TRUE(giver.is_open());
}

// More sockets than the channel holds at one time: the giver goes on when there is room.
TEST_F(Handover, AChannelThatIsFullIsWaitedFor) {
  const auto many = std::make_unique<State>();
  for (std::size_t i = 0; i < model::kDoorsMax; ++i) {
    add_listener(*many, fmt::format("door-{}", i).c_str(), "127.0.0.1:1");
  }
  const auto offer_many = [&](State& out) {
    out = *many;
    for (StateDoor& door : out.doors) {
      door.listeners[0].count = static_cast<std::uint32_t>(door.listeners[0].sockets.size());
      door.listeners[0].sockets.fill(sockets[0].get());
    }
    out.probes = sockets[4].get();
    return std::string();
  };
  const UniqueFd channel = claim(*many);
  const auto tick = [&] { giver.tick(now, offer_many); };
  tick();
  ASSERT_TRUE(giver.is_busy());
  EXPECT_FALSE(giver.is_shared()) << "not all can have been sent";
  std::size_t descriptors = 0;
  for (HandoverReceived got; got.record.step != HandoverStep::all;) {
    got = receive_handover(channel.get());
    ASSERT_NE(got.status, HandoverReceived::Status::closed);
    if (got.status == HandoverReceived::Status::again) tick();
    if (got.fd) ++descriptors;
    if (got.record.step == HandoverStep::all) {
      EXPECT_EQ(got.record.count, descriptors);
    }
  }
  EXPECT_EQ(descriptors, model::kDoorsMax * telemetry::kWorkerSlots + 1);
  EXPECT_TRUE(giver.is_shared());
}

// A giver that the test plays: `script` answers the claims.
struct Taking : testing::Test {
  std::string name = fmt::format("taking-{}", ::getpid());
  UniqueFd listener = listen_for_handover(name);
  UniqueFd peer;
  UniqueFd socket{::socket(AF_INET, SOCK_STREAM, 0)};

  void SetUp() override { log::init("test", log::Level::error); }
  /// Says `records`, each with the socket if its step has one, and takes what the taker says.
  Answer ask(HandoverTaker& taker, State& state, const std::vector<HandoverRecord>& records,
             std::string& why) {
    std::thread other([&] {
      pollfd polled{listener.get(), POLLIN, 0};
      ::poll(&polled, 1, 5000);
      peer.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      for (const HandoverRecord& record : records) {
        const bool with =
            record.step == HandoverStep::socket || record.step == HandoverStep::probes;
        static_cast<void>(send(peer.get(), record, with ? socket.get() : -1));
      }
      if (records.empty()) peer.reset();
    });
    const Answer out = taker.ask(state, why);
    other.join();
    return out;
  }
  static HandoverRecord socket_of(const char* door) {
    HandoverRecord out = make_record(HandoverStep::socket);
    put(out.door, door);
    put(out.listener, "main");
    put(out.address, "127.0.0.1:10000");
    return out;
  }
};

TEST_F(Taking, TakesNothingThatItDidNotAskForAndNothingHalf) {
  const HandoverRecord probes = make_record(HandoverStep::probes);
  const HandoverRecord good = socket_of("internal-http");
  struct Case {
    const char* what;
    std::vector<HandoverRecord> records;
    const char* says;
  };
  const Case cases[] = {
      {"nothing", {}, "broke off"},
      {"a door that was not asked for", {socket_of("evil")}, "not asked for"},
      {"too many", std::vector(9, good), "not asked for"},
      {"fewer than it says", {good, probes, make_record(HandoverStep::all, 3)}, "another number"},
      {"yours at once", {make_record(HandoverStep::yours)}, "out of turn"},
      {"a claim", {make_record(HandoverStep::claim)}, "out of turn"},
      {"a refusal", {make_record(HandoverStep::refused, 0, "no")}, "no"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    HandoverTaker taker(name);
    const auto state = configured();
    std::string why;
    EXPECT_EQ(ask(taker, *state, c.records, why), Answer::refused);
    EXPECT_NE(why.find(c.says), std::string::npos) << why;
    EXPECT_LT(state->probes, 0);
    EXPECT_LT(taker.channel(), 0);
  }
}

// The end of the old one without a word is its death only if it is not there any more. One that
// dies closes its connection before its name, or after.
TEST_F(Taking, GoesOnWithTheSocketsOfADeadOneAndLeavesThoseOfALivingOne) {
  enum class Old : std::uint8_t { lives, dead, dying };
  for (const Old old : {Old::lives, Old::dead, Old::dying}) {
    SCOPED_TRACE(static_cast<int>(old));
    listener.reset();
    listener = listen_for_handover(name);
    HandoverTaker taker(name);
    const auto state = configured();
    std::string why;
    ASSERT_EQ(ask(taker, *state,
                  {make_record(HandoverStep::probes), make_record(HandoverStep::all, 1)}, why),
              Answer::taken)
        << why;
    ::close(state->probes);
    const TimePoint now = Clock::now();
    EXPECT_EQ(taker.tick(now, false, why), Outcome::waiting);
    if (old == Old::dead) listener.reset();
    peer.reset();
    EXPECT_EQ(taker.tick(now, false, why), old == Old::dead ? Outcome::yours : Outcome::waiting);
    if (old == Old::dying) listener.reset();
    const TimePoint later = now + HandoverTaker::kDeathMax;
    if (old != Old::dead) {
      EXPECT_LT(taker.channel(), 0) << "nothing comes any more";
      EXPECT_EQ(taker.tick(later, true, why), old == Old::lives ? Outcome::lost : Outcome::yours);
    }
  }
}

TEST_F(Taking, SaysThatItLivesOnceASecondAndReadyOnce) {
  HandoverTaker taker(name);
  const auto state = configured();
  std::string why;
  ASSERT_EQ(ask(taker, *state,
                {make_record(HandoverStep::probes), make_record(HandoverStep::all, 1)}, why),
            Answer::taken);
  ::close(state->probes);
  TimePoint now = Clock::now();
  for (const bool ready : {false, false, true, true}) {
    EXPECT_EQ(taker.tick(now, ready, why), Outcome::waiting);
    EXPECT_EQ(taker.tick(now, ready, why), Outcome::waiting);
    now += 1s;
  }
  std::vector<HandoverStep> heard;
  for (;;) {
    const HandoverReceived got = receive_handover(peer.get());
    if (got.status != HandoverReceived::Status::ok) break;
    heard.push_back(got.record.step);
  }
  using enum HandoverStep;
  EXPECT_EQ(heard, (std::vector{claim, claim, ask, alive, alive, ready}));
  EXPECT_EQ(taker.tick(now + HandoverTaker::kAnswerMax, true, why), Outcome::yours)
      << "it serves, whatever the old one does";
}

// After it has given everything, an idle one learns that nobody serves any more.
TEST_F(Handover, IsOrphanedWhenWhoTookOverIsGoneAndNobodyComesBack) {
  UniqueFd channel = claim(*configured());
  turn();
  ASSERT_EQ(send(channel.get(), make_record(HandoverStep::ready)), feed::SendStatus::ok);
  turn();
  giver.give();
  const auto pass = [&](std::chrono::seconds time) {
    bool orphaned = false;
    for (auto left = time; left > 0s; left -= 1s) {
      turn();
      orphaned = giver.is_orphaned(now += 1s);
    }
    return orphaned;
  };
  EXPECT_FALSE(pass(2 * HandoverGiver::kOrphanMax)) << "it is there";
  channel.reset();
  HandoverGiver back(name);
  ASSERT_TRUE(back.open());
  EXPECT_FALSE(pass(2 * HandoverGiver::kOrphanMax)) << "it was started again";
  back.close();
  EXPECT_FALSE(pass(HandoverGiver::kOrphanMax - 1s));
  EXPECT_TRUE(pass(2s));
}

}  // namespace
}  // namespace bd::app
