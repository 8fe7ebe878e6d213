#pragma once
// When to start a child again, and when to stop believing in what it was given. No I/O, no clock.

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

#include "model/limits.h"

namespace bd::app {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using std::chrono::milliseconds;

/// A child that died is started again at once the first time; one that keeps dying waits longer and
/// longer.
class Backoff {
 public:
  static constexpr milliseconds kFirst{100};
  static constexpr milliseconds kLast{5000};
  /// A child that lived this long had died of something else.
  static constexpr milliseconds kStable{10000};

  [[nodiscard]] milliseconds after_death(TimePoint started, TimePoint now);
  void reset() { next_ = milliseconds(0); }

 private:
  milliseconds next_{0};
};

/// Counts the deaths of one door by the generation that it was working on.
class CrashCounter {
 public:
  static constexpr std::chrono::seconds kWindow{60};

  /// True if `generation` has now killed the door too often; it starts from zero then.
  [[nodiscard]] bool condemns(std::uint64_t generation, TimePoint now);

 private:
  std::deque<std::pair<TimePoint, std::uint64_t>> deaths_;
};

}  // namespace bd::app
