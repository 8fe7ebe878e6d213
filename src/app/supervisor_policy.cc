#include "app/supervisor_policy.h"

#include <algorithm>

namespace bd::app {

milliseconds Backoff::after_death(TimePoint started, TimePoint now) {
  if (now - started >= kStable) reset();
  const milliseconds wait = next_;
  next_ = std::clamp(next_ * 2, kFirst, kLast);
  return wait;
}

bool CrashCounter::condemns(std::uint64_t generation, TimePoint now) {
  while (!deaths_.empty() && now - deaths_.front().first > kWindow) deaths_.pop_front();
  deaths_.emplace_back(now, generation);
  const auto of_it = [&](const auto& death) { return death.second == generation; };
  const auto count = std::count_if(deaths_.begin(), deaths_.end(), of_it);
  if (count < static_cast<std::ptrdiff_t>(model::kCrashesToQuarantine)) return false;
  deaths_.clear();
  return true;
}

}  // namespace bd::app
