#include "upstream/health.h"

#include <algorithm>

#include "model/limits.h"

namespace bd::upstream {

std::uint32_t Health::share(rt::Instant now) const noexcept {
  constexpr std::uint32_t first = kFull / 10;
  const rt::Duration age = now - warming_since_;
  if (age >= model::kSlowStart) return kFull;
  const auto more = (kFull - first) * (age / std::chrono::milliseconds(1)) /
                    (model::kSlowStart / std::chrono::milliseconds(1));
  return first + static_cast<std::uint32_t>(std::max<std::int64_t>(more, 0));
}

rt::Instant Health::settled_at() const noexcept {
  if (warming_since_ == rt::Instant{}) return ejected_until_;
  return std::max(ejected_until_, warming_since_ + model::kSlowStart);
}

bool Health::failed(rt::Instant now) noexcept {
  if (failures_ == 0 || now - failing_since_ > model::kFailureWindow) {
    failures_ = 0;
    failing_since_ = now;
  }
  return ++failures_ >= model::kFailuresToEject;
}

void Health::eject(rt::Instant now) noexcept {
  if (now - ejected_until_ > model::kEjectionMax) ejections_ = 0;
  ++ejections_;
  failures_ = 0;
  const rt::Duration time =
      std::min<rt::Duration>(model::kEjection * ejections_, model::kEjectionMax);
  ejected_until_ = now + time;
  warming_since_ = ejected_until_;
}

}  // namespace bd::upstream
