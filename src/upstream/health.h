#pragma once
// What one worker has learned of an endpoint from its own requests (outlier detection), and how
// much of its share it gets: nothing while it is ejected, little at first when it is new.

#include <cstdint>

#include "rt/timer.h"

namespace bd::upstream {

class Health {
 public:
  static constexpr std::uint32_t kFull = 1024;

  [[nodiscard]] bool is_ejected(rt::Instant now) const noexcept { return now < ejected_until_; }
  /// From kFull / 10 to kFull.
  [[nodiscard]] std::uint32_t share(rt::Instant now) const noexcept;
  /// Until then share() or is_ejected() is less than it could be.
  [[nodiscard]] rt::Instant settled_at() const noexcept;

  void start_slowly(rt::Instant now) noexcept { warming_since_ = now; }
  void succeeded() noexcept { failures_ = 0; }
  /// True: too many in a row. The caller may eject it.
  [[nodiscard]] bool failed(rt::Instant now) noexcept;
  /// For the longer the more often it happens.
  void eject(rt::Instant now) noexcept;

 private:
  std::uint32_t failures_ = 0;  // In a row.
  std::uint32_t ejections_ = 0;
  rt::Instant failing_since_{};
  rt::Instant ejected_until_{};
  rt::Instant warming_since_{};
};

}  // namespace bd::upstream
