#pragma once
// What one worker has in flight for an upstream, held against its circuit limits and its budget of
// retries.

#include <cstdint>

#include "model/route.h"

namespace bd::upstream {

class Load {
 public:
  /// The worker gets its part of the door's limits, at least one of each.
  void limit(const model::Circuit& circuit, unsigned workers) noexcept;

  [[nodiscard]] bool begin_request() noexcept;
  void end_request() noexcept { --requests_; }
  [[nodiscard]] bool begin_pending() noexcept;
  void end_pending() noexcept { --pending_; }
  [[nodiscard]] std::uint32_t connections_max() const noexcept { return limits_.connections; }

  /// A request was answered: a fifth of a retry is earned.
  void answered() noexcept;
  /// A request that was sent may be sent once more: a fifth of what is in flight may be at once, at
  /// least three, and what was earned before.
  [[nodiscard]] bool begin_retry() noexcept;
  void end_retry() noexcept { --retries_; }

 private:
  model::Circuit limits_;
  std::uint32_t requests_ = 0;
  std::uint32_t pending_ = 0;
  std::uint32_t retries_ = 0;
  std::uint32_t earned_ = 0;  // In percent of a retry.
};

/// Ends on destruction what was begun.
template <void (Load::*End)() noexcept>
class Held {
 public:
  explicit Held(Load& load) noexcept : load_(load) {}
  ~Held() { (load_.*End)(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  Load& load_;
};

}  // namespace bd::upstream
