#include "rt/reactor.h"

#include <sys/socket.h>

#include <thread>

#include "rt/task.h"

namespace bd::rt {
namespace {

using namespace std::chrono_literals;
using Woken = Waiter::Woken;

struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    here.reset(ends[0]);
    there.reset(ends[1]);
  }
  void say(std::string_view bytes) const {
    EXPECT_EQ(::send(there.get(), bytes.data(), bytes.size(), 0), std::ssize(bytes));
  }
  [[nodiscard]] std::string hear() const {
    char buffer[64];
    const ssize_t got = ::recv(here.get(), buffer, sizeof buffer, 0);
    return got < 0 ? "" : std::string(buffer, static_cast<std::size_t>(got));
  }
  UniqueFd here, there;
};

/// Runs turns until `done`, within five seconds.
void run_until(Reactor& reactor, const std::function<bool()>& done) {
  const Instant end = std::chrono::steady_clock::now() + 5s;
  bool is_done = false;
  reactor.run(
      [&] {
        is_done = done();
        if (is_done || reactor.now() > end) reactor.stop();
      },
      10ms);
  EXPECT_TRUE(is_done);
}

struct Sink final : EventSink {
  std::function<void()> then;
  int events = 0;
  void on_event() override {
    ++events;
    if (then) then();
  }
};

/// Waits `times` times and notes what woke it.
Task<void> wait_often(Waiter& waiter, Instant deadline, int times, std::vector<Woken>& log) {
  for (int i = 0; i < times; ++i) {
    const Woken woken = co_await waiter.wait(deadline);
    log.push_back(woken);
  }
}

TEST(Reactor, CallsOnTurnAtLeastEveryIdleTurn) {
  Reactor reactor;
  int turns = 0;
  const Instant begin = std::chrono::steady_clock::now();
  reactor.run(
      [&] {
        if (++turns == 3) reactor.stop();
      },
      5ms);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 10ms);
}

TEST(Reactor, RunsMailInOrderOnItsOwnThread) {
  Reactor reactor;
  std::vector<int> got;
  const std::thread::id loop = std::this_thread::get_id();
  std::thread sender([&] {
    for (int i = 0; i < 1000; ++i) {
      reactor.post([&, i] {
        EXPECT_EQ(std::this_thread::get_id(), loop);
        got.push_back(i);
      });
    }
    reactor.post([&] { reactor.stop(); });
  });
  reactor.run([] {}, 5000ms);
  sender.join();
  ASSERT_EQ(got.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], i);
}

TEST(Reactor, MailMayPostMail) {
  Reactor reactor;
  int depth = 0;
  std::function<void()> again = [&] {
    if (++depth == 10) reactor.stop();
    reactor.post(again);
  };
  reactor.post(again);
  reactor.run([] {}, 5000ms);
  EXPECT_EQ(depth, 10);
}

TEST(Handle, FactsFollowTheDescriptor) {
  Reactor reactor;
  Pair pair;
  Handle handle;
  ASSERT_TRUE(handle.attach(reactor, pair.here.get()));
  handle.readable = false;  // As a read that met EAGAIN leaves it.
  pair.say("x");
  run_until(reactor, [&] { return handle.readable; });
  EXPECT_FALSE(handle.peer_closed);
  EXPECT_EQ(pair.hear(), "x");
}

TEST(Handle, TellsThatThePeerClosed) {
  Reactor reactor;
  Pair pair;
  Handle handle;
  ASSERT_TRUE(handle.attach(reactor, pair.here.get()));
  handle.readable = false;
  ::shutdown(pair.there.get(), SHUT_WR);
  run_until(reactor, [&] { return handle.peer_closed; });
  EXPECT_TRUE(handle.readable);
  EXPECT_FALSE(handle.broken) << "the peer may still read";
}

TEST(Handle, TellsThatTheConnectionIsBroken) {
  Reactor reactor;
  Pair pair;
  Handle handle;
  ASSERT_TRUE(handle.attach(reactor, pair.here.get()));
  pair.there.reset();
  run_until(reactor, [&] { return handle.broken; });
  EXPECT_TRUE(handle.peer_closed && handle.readable && handle.writable);
}

TEST(Handle, StartsAfreshWithEveryDescriptor) {
  Reactor reactor;
  Pair gone, fresh;
  Handle handle;
  ASSERT_TRUE(handle.attach(reactor, gone.here.get()));
  gone.there.reset();
  run_until(reactor, [&] { return handle.broken; });
  handle.detach();
  handle.readable = handle.writable = false;
  ASSERT_TRUE(handle.attach(reactor, fresh.here.get()));
  EXPECT_TRUE(handle.readable && handle.writable);
  EXPECT_FALSE(handle.peer_closed || handle.broken);
}

TEST(Handle, RefusesWhatEpollCannotWatch) {
  Reactor reactor;
  Handle handle;
  EXPECT_FALSE(handle.attach(reactor, -1));
  handle.detach();  // Harmless.
}

TEST(Handle, AnEventOfTheSameBatchIsForgottenWithItsDescriptor) {
  // Both are ready in one batch. Whichever comes first gives the other's handle to a quiet
  // descriptor, which must not get the event that still waits in the batch.
  Reactor reactor;
  Pair pairs[2], quiet;
  Handle handles[2];
  Sink sinks[2];
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(handles[i].attach(reactor, pairs[i].here.get()));
    handles[i].set_sink(&sinks[i]);
    sinks[i].then = [&, i] {
      Handle& other = handles[1 - i];
      other.detach();
      EXPECT_TRUE(other.attach(reactor, quiet.here.get()));
      other.set_sink(&sinks[1 - i]);
    };
    pairs[i].say("x");
  }
  run_until(reactor, [&] { return sinks[0].events + sinks[1].events > 0; });
  EXPECT_EQ(sinks[0].events + sinks[1].events, 1);
}

TEST(Waiter, WakesForAnEventOfAnyOfItsHandles) {
  Reactor reactor;
  Pair client, upstream;
  Handle handles[2];
  Waiter waiter(reactor);
  Scope scope;
  std::vector<Woken> log;
  ASSERT_TRUE(handles[0].attach(reactor, client.here.get()));
  ASSERT_TRUE(handles[1].attach(reactor, upstream.here.get()));
  scope.spawn(wait_often(waiter, kNever, 1, log));
  upstream.say("x");
  handles[1].set_sink(&waiter);
  run_until(reactor, [&] { return !log.empty(); });
  EXPECT_EQ(log, (std::vector{Woken::event}));
}

TEST(Waiter, ADeadlineEndsAWait) {
  Reactor reactor;
  Waiter waiter(reactor);
  Scope scope;
  std::vector<Woken> log;
  const Instant begin = std::chrono::steady_clock::now();
  scope.spawn(wait_often(waiter, begin + 30ms, 1, log));
  run_until(reactor, [&] { return !log.empty(); });
  EXPECT_EQ(log, (std::vector{Woken::deadline}));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 30ms);
}

TEST(Waiter, AnEventBetweenTwoWaitsIsNotLostAndCountsOnce) {
  Reactor reactor;
  Waiter waiter(reactor);
  Scope scope;
  std::vector<Woken> log;
  waiter.wake();
  waiter.wake();
  scope.spawn(wait_often(waiter, reactor.now() + 20ms, 2, log));
  EXPECT_EQ(log, (std::vector{Woken::event}));
  run_until(reactor, [&] { return log.size() == 2; });
  EXPECT_EQ(log, (std::vector{Woken::event, Woken::deadline}));
}

TEST(Waiter, AfterADeadlineAnEventIsAnEvent) {
  Reactor reactor;
  Waiter waiter(reactor);
  Scope scope;
  std::vector<Woken> log;
  scope.spawn(wait_often(waiter, reactor.now() + 1ms, 1, log));
  run_until(reactor, [&] { return log.size() == 1; });
  scope.spawn(wait_often(waiter, kNever, 1, log));
  waiter.wake();
  EXPECT_EQ(log, (std::vector{Woken::deadline, Woken::event}));
}

TEST(Waiter, AWokenWaitLeavesNoDeadlineBehind) {
  Reactor reactor;
  Waiter waiter(reactor);
  Scope scope;
  std::vector<Woken> log;
  scope.spawn(wait_often(waiter, reactor.now() + 20ms, 1, log));
  waiter.wake();
  scope.spawn(wait_often(waiter, reactor.now() + 200ms, 1, log));
  const Instant begin = reactor.now();
  run_until(reactor, [&] { return log.size() == 2; });
  EXPECT_EQ(log, (std::vector{Woken::event, Woken::deadline}));
  EXPECT_GE(reactor.now() - begin, 200ms) << "the first wait's deadline ended the second";
}

TEST(Waiter, CancelEndsEveryWaitAtOnce) {
  Reactor reactor;
  Waiter waiter(reactor);
  Scope scope;
  std::vector<Woken> log;
  scope.spawn(wait_often(waiter, kNever, 3, log));
  EXPECT_TRUE(log.empty());
  reactor.cancel();
  waiter.wake();  // The first wait has to be woken; the others never suspend.
  EXPECT_EQ(log, (std::vector{Woken::deadline, Woken::deadline, Woken::deadline}));
  EXPECT_EQ(scope.running(), 0u);
}

Task<void> count_turns(Waiter& waiter, int turns, std::string& order, char name) {
  for (int i = 0; i < turns; ++i) {
    order.push_back(name);
    co_await waiter.yield();
  }
}

TEST(Waiter, YieldLetsTheOthersRun) {
  Reactor reactor;
  Waiter a(reactor), b(reactor);
  Scope scope;
  std::string order;
  scope.spawn(count_turns(a, 3, order, 'a'));
  scope.spawn(count_turns(b, 3, order, 'b'));
  run_until(reactor, [&] { return scope.running() == 0; });
  EXPECT_EQ(order, "ababab");
}

TEST(Waiter, AYieldIsNotCutShortByEvents) {
  Reactor reactor;
  Waiter a(reactor), b(reactor);
  Scope scope;
  std::string order;
  scope.spawn(count_turns(a, 2, order, 'a'));
  a.wake();
  EXPECT_EQ(order, "a");
  scope.spawn(count_turns(b, 1, order, 'b'));
  run_until(reactor, [&] { return scope.running() == 0; });
  EXPECT_EQ(order, "aba");
}

}  // namespace
}  // namespace bd::rt
