#include "rt/timer.h"

#include <functional>
#include <memory>
#include <random>

namespace bd::rt {
namespace {

using namespace std::chrono_literals;

/// A timer that notes when it fired, by a clock that the test moves.
class Alarm final : public Timer {
 public:
  explicit Alarm(const Instant& now) : now_(now) {}
  ~Alarm() = default;
  std::vector<Instant> fired;
  std::function<void()> then;

 private:
  void on_timer() override {
    fired.push_back(now_);
    if (then) then();
  }
  const Instant& now_;
};

struct Wheel : ::testing::Test {
  const Instant start = Instant{} + 1'000'000h;
  Instant now = start;
  TimerWheel wheel{start};

  void advance_to(Instant when) {
    now = when;
    wheel.advance(now);
  }
  /// As a loop does: sleeps until next(), again and again. Returns how often it woke.
  int live_until(Instant end) {
    int turns = 0;
    while (wheel.next() <= end) {
      advance_to(std::max(wheel.next(), now));
      ++turns;
    }
    advance_to(end);
    return turns;
  }
};

using TimerWheelTest = Wheel;

TEST_F(TimerWheelTest, FiresOnceNeverEarlyAndAtMostATickLate) {
  for (const Duration after :
       std::initializer_list<Duration>{0ms, 1ns, 1ms, 15ms, 16ms, 17ms, 100ms, 1s, 16367ms, 16368ms,
                                       16384ms, 16385ms, 17s, 33s, 60s, 75s, 10min}) {
    for (const Duration step : std::initializer_list<Duration>{700us, 16ms, 50ms}) {
      Alarm alarm(now);
      const Instant begin = now;
      wheel.arm(alarm, begin + after);
      while (now < begin + after + 100ms) advance_to(now + step);
      ASSERT_EQ(alarm.fired.size(), 1u) << after.count();
      EXPECT_GE(alarm.fired[0], begin + after);
      EXPECT_LE(alarm.fired[0], begin + after + TimerWheel::kTick + step) << after.count();
    }
  }
}

TEST_F(TimerWheelTest, NextIsSoonEnoughForEveryDeadline) {
  for (const Duration after :
       std::initializer_list<Duration>{0ms, 1ms, 16ms, 31ms, 32ms, 16367ms, 16384ms, 16385ms, 1h}) {
    Alarm alarm(now);
    const Instant begin = now;
    wheel.arm(alarm, begin + after);
    const int turns = live_until(begin + after + TimerWheel::kTick);
    ASSERT_EQ(alarm.fired.size(), 1u) << after.count();
    EXPECT_GE(alarm.fired[0], begin + after);
    EXPECT_LE(turns, 2 + after / 16s) << "a far deadline costs a look per round, no more";
    live_until(now + 1h);
  }
}

TEST_F(TimerWheelTest, AnEmptyWheelNeedsNobody) {
  EXPECT_EQ(wheel.next(), kNever);
  Alarm alarm(now);
  wheel.arm(alarm, now + 1s);
  EXPECT_LE(wheel.next(), now + 1s + TimerWheel::kTick);
  live_until(now + 2s);
  EXPECT_EQ(wheel.next(), kNever);
}

TEST_F(TimerWheelTest, MovingADeadlineMovesTheAlarm) {
  struct Case {
    Duration first, second;
  };
  for (const auto& [first, second] :
       {Case{1s, 2s}, {2s, 1s}, {1s, 60s}, {60s, 1s}, {100ms, 100ms}, {20s, 21s}}) {
    Alarm alarm(now);
    const Instant begin = now;
    wheel.arm(alarm, begin + first);
    wheel.arm(alarm, begin + second);
    live_until(begin + 70s);
    ASSERT_EQ(alarm.fired.size(), 1u);
    EXPECT_GE(alarm.fired[0], begin + second);
    EXPECT_LE(alarm.fired[0], begin + second + TimerWheel::kTick);
  }
}

TEST_F(TimerWheelTest, ADeadlineThatMovesWithEveryRequestNeverFires) {
  Alarm alarm(now);
  for (int i = 0; i < 10'000; ++i) {
    wheel.arm(alarm, now + 75s);
    advance_to(now + 50ms);
  }
  EXPECT_TRUE(alarm.fired.empty());
  live_until(now + 76s);
  EXPECT_EQ(alarm.fired.size(), 1u);
}

TEST_F(TimerWheelTest, DisarmedTimersStaySilentAndCanBeArmedAgain) {
  Alarm alarm(now);
  wheel.arm(alarm, now + 1s);
  wheel.disarm(alarm);
  live_until(now + 5s);
  EXPECT_TRUE(alarm.fired.empty());
  wheel.arm(alarm, now + 1s);
  wheel.arm(alarm, kNever);
  live_until(now + 5s);
  EXPECT_TRUE(alarm.fired.empty());
  wheel.arm(alarm, now + 1s);
  live_until(now + 5s);
  EXPECT_EQ(alarm.fired.size(), 1u);
}

TEST_F(TimerWheelTest, TimersMayArmThemselvesAgainWhenTheyFire) {
  Alarm alarm(now);
  alarm.then = [&] {
    if (alarm.fired.size() < 10) wheel.arm(alarm, now + 100ms);
  };
  wheel.arm(alarm, now + 100ms);
  live_until(now + 10s);
  ASSERT_EQ(alarm.fired.size(), 10u);
  for (std::size_t i = 1; i < 10; ++i) EXPECT_GE(alarm.fired[i] - alarm.fired[i - 1], 100ms);
}

TEST_F(TimerWheelTest, OneThatFiresMayEndAnyOther) {
  // All in one slot, whatever the order in which it is walked: the first to fire ends the rest.
  std::vector<std::unique_ptr<Alarm>> alarms;
  int fired = 0;
  for (int i = 0; i < 5; ++i) {
    alarms.push_back(std::make_unique<Alarm>(now));
    Alarm* const self = alarms.back().get();
    self->then = [&, self] {
      ++fired;
      std::erase_if(alarms, [&](const auto& other) { return other.get() != self; });
    };
    wheel.arm(*self, now + 100ms);
  }
  live_until(now + 1s);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(alarms.size(), 1u);
}

TEST_F(TimerWheelTest, OneThatFiresMayMoveItsNeighbours) {
  Alarm first(now), second(now);
  const auto move_other = [&](Alarm& other) {
    return [&] {
      if (other.fired.empty()) wheel.arm(other, now + 1s);
    };
  };
  first.then = move_other(second);
  second.then = move_other(first);
  const Instant begin = now;
  wheel.arm(first, now + 100ms);
  wheel.arm(second, now + 100ms);
  live_until(now + 5s);
  ASSERT_EQ(first.fired.size() + second.fired.size(), 2u);
  EXPECT_GE(std::max(first.fired[0], second.fired[0]), begin + 1100ms);
}

TEST_F(TimerWheelTest, ALongSleepMissesNothing) {
  for (const Duration sleep : std::initializer_list<Duration>{16s, 17s, 1min, 24h, 24h * 365}) {
    std::vector<std::unique_ptr<Alarm>> due, later;
    const Instant begin = now;
    for (int i = 0; i < 2000; ++i) {
      due.push_back(std::make_unique<Alarm>(now));
      wheel.arm(*due.back(), begin + i * (sleep / 2000));
      later.push_back(std::make_unique<Alarm>(now));
      wheel.arm(*later.back(), begin + sleep + 20ms + i * 20ms);
    }
    // A wall of one sleep: the machine was suspended.
    advance_to(begin + sleep + TimerWheel::kTick);
    for (const auto& alarm : due) ASSERT_EQ(alarm->fired.size(), 1u);
    for (const auto& alarm : later) ASSERT_TRUE(alarm->fired.empty());
    live_until(begin + sleep + 41s);
    for (const auto& alarm : later) ASSERT_EQ(alarm->fired.size(), 1u);
  }
}

TEST(TimerWheel, MayGoBeforeItsTimers) {
  const Instant now{};
  Alarm alarm(now);
  {
    TimerWheel wheel(now);
    wheel.arm(alarm, now + 1s);
  }
  TimerWheel other(now);
  other.arm(alarm, now + 1s);
  other.advance(now + 2s);
  EXPECT_EQ(alarm.fired.size(), 1u);
}

/// The wheel against a list of deadlines. Steps of all sizes; a loop that sleeps until next() or
/// wakes before.
class RandomRun {
 public:
  explicit RandomRun(std::uint32_t seed) : random_(seed) {
    for (int i = 0; i < 40; ++i) timers_.push_back(std::make_unique<Alarm>(now_));
    deadlines_.assign(timers_.size(), kNever);
  }
  void step() {
    for (std::uint32_t i = pick(4); i > 0; --i)
      change(pick(static_cast<std::uint32_t>(timers_.size())));
    const Instant next = wheel_.next();
    for (const Instant deadline : deadlines_) {
      if (deadline == kNever) continue;
      ASSERT_LE(next, std::max(deadline, now_) + TimerWheel::kTick)
          << "sleeping until next() would be too long";
    }
    now_ = pick(2) == 0 && next != kNever ? std::max(next, now_) : now_ + random_duration(1'000);
    wheel_.advance(now_);
    for (std::size_t i = 0; i < timers_.size(); ++i) check(*timers_[i], deadlines_[i]);
  }

 private:
  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(random_()) % n; }
  /// From nothing to far beyond a round, small ones more often.
  Duration random_duration(std::uint32_t scale) {
    return std::chrono::microseconds(pick(scale) * (std::uint64_t{1} << pick(16)));
  }
  void change(std::uint32_t i) {
    if (pick(4) == 0) {
      wheel_.disarm(*timers_[i]);
      deadlines_[i] = kNever;
      return;
    }
    deadlines_[i] = now_ + random_duration(2'000) - std::chrono::milliseconds(pick(20));
    armed_at_ = now_;
    wheel_.arm(*timers_[i], deadlines_[i]);
  }
  void check(Alarm& timer, Instant& deadline) {
    ASSERT_LE(timer.fired.size(), 1u);
    if (timer.fired.empty()) {
      // At a turn that is a tick past the deadline, and past the arming, it must have fired.
      ASSERT_TRUE(deadline == kNever || std::max(deadline, armed_at_) + TimerWheel::kTick > now_);
      return;
    }
    ASSERT_LE(deadline, now_);
    timer.fired.clear();
    deadline = kNever;
  }

  std::mt19937 random_;
  Instant now_ = Instant{} + 5h;
  Instant armed_at_ = now_;
  TimerWheel wheel_{now_};
  std::vector<std::unique_ptr<Alarm>> timers_;
  std::vector<Instant> deadlines_;
};

TEST(TimerWheel, AgreesWithAListOfDeadlines) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    RandomRun run(seed);
    for (int i = 0; i < 2000 && !::testing::Test::HasFatalFailure(); ++i) run.step();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace bd::rt
