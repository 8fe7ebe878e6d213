#pragma once
// A lazy timer wheel: moving a deadline is one store. A timer stays where it is linked and, when
// its slot comes round, either fires, moves on, or is dropped.

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace bd::rt {

using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
inline constexpr Instant kNever = Instant::max();

class TimerWheel;

/// One deadline. Derive from it, or use Waiter. Not copied, not moved: the wheel links to it.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 protected:
  ~Timer() { unlink(); }
  virtual void on_timer() = 0;

 private:
  friend class TimerWheel;
  void unlink() noexcept;
  Timer* next_ = nullptr;
  Timer** link_ = nullptr;  // What points at us; null: not linked.
  Instant deadline_ = kNever;
  std::int64_t slot_tick_ = 0;  // When our slot comes round.
};

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{16};

  explicit TimerWheel(Instant start) : start_(start) {}
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();

  /// Fires once at `deadline`, up to one tick late, never early. kNever disarms.
  void arm(Timer& timer, Instant deadline);
  void disarm(Timer& timer) noexcept { timer.deadline_ = kNever; }
  /// Fires what is due.
  void advance(Instant now);
  /// When advance() has something to do at the earliest; kNever if nothing is linked.
  [[nodiscard]] Instant next() const;

 private:
  static constexpr std::size_t kSlots = 1024;  // 16 s round; further deadlines go round again.
  void link(Timer& timer, std::int64_t tick);
  void run_slot(std::int64_t tick, Instant now);
  [[nodiscard]] std::int64_t tick_of(Instant when) const { return (when - start_) / kTick; }

  Instant start_;
  std::int64_t current_ = 0;  // The last tick that was run.
  std::array<Timer*, kSlots> slots_{};
  std::array<std::uint64_t, kSlots / 64> occupied_{};  // A set bit: the slot may hold timers.
};

}  // namespace bd::rt
