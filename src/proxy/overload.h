#pragma once
// What does a door do when its memory budget runs out? One Overload is shared by its workers: it
// counts what the process holds and says which step that is; the workers act on it.
//
//   from 80 %  shed    connections are not kept: answers announce the close, what is idle goes
//        90 %  refuse  requests get 503 `overloaded`; health probes are answered as before; if that
//                      lasts a second, the connections that hold the most are reset
//        95 %  stop    nothing is accepted, and they are reset at once
//
// Whoever works looks, and nobody is woken for it: a door at rest grows no memory.

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "rt/timer.h"
#include "telemetry/stats.h"

namespace bd::proxy {

enum class OverloadStep : std::uint8_t { none, shed, refuse, stop };

/// A step ends a little below where it begins. Without a budget there is none.
[[nodiscard]] OverloadStep overload_step(std::uint64_t used, std::uint64_t budget,
                                         OverloadStep before) noexcept;

/// Bytes that this process has for itself.
using MemoryReader = std::function<std::uint64_t()>;
/// Its anonymous memory, from the kernel. Opens its file now: a sandbox forbids that later.
[[nodiscard]] MemoryReader read_own_memory();

/// What the kernel holds for one socket, itself included; 0 if `fd` is none.
[[nodiscard]] std::uint64_t socket_memory(int fd) noexcept;

/// What the kernel holds for all sockets and pipes of the process. Descriptors are small numbers
/// without large gaps, so that it needs no list of them.
class SocketCensus {
 public:
  /// Looks at the next kOverloadCensus descriptors; of the others it knows what was seen before.
  std::uint64_t count();

 private:
  std::vector<std::uint64_t> windows_;  // Bytes by run of kOverloadCensus descriptors.
  std::size_t next_ = 0;
};

class Overload {
 public:
  /// `budget` 0: nothing is counted, and no step ever begins.
  Overload(std::uint64_t budget, MemoryReader reader, telemetry::DoorStats& stats);
  Overload(const Overload&) = delete;
  Overload& operator=(const Overload&) = delete;

  /// From any worker, once a turn: counts if it is time to. True: the step has changed.
  bool look(rt::Instant now);
  [[nodiscard]] OverloadStep step() const noexcept { return step_.load(std::memory_order_acquire); }
  /// Grows with every count.
  [[nodiscard]] std::uint64_t counts() const noexcept {
    return counts_.load(std::memory_order_acquire);
  }
  /// Bytes above where the step ends.
  [[nodiscard]] std::uint64_t excess() const noexcept;
  /// Under a budget the kernel's buffers are bounded too. For listening and connecting sockets.
  void bound_buffers(int fd) const noexcept;

 private:
  [[nodiscard]] std::uint64_t count(rt::Instant now);
  void tell(OverloadStep before, OverloadStep step, rt::Instant now);

  const std::uint64_t budget_;
  const MemoryReader reader_;
  telemetry::DoorStats& stats_;
  std::atomic<OverloadStep> step_{OverloadStep::none};
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> counts_{0};
  std::atomic<rt::Instant> due_{rt::Instant::min()};
  std::mutex counting_;  // The others go on meanwhile. Guards what follows.
  SocketCensus sockets_;
  rt::Instant trim_due_ = rt::Instant::min();
  rt::Instant tell_due_ = rt::Instant::min();
  bool told_ = false;
};

}  // namespace bd::proxy
