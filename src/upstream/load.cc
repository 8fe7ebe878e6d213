#include "upstream/load.h"

#include <algorithm>

#include "model/limits.h"

namespace bd::upstream {

void Load::limit(const model::Circuit& circuit, unsigned workers) noexcept {
  const auto part = [workers](std::uint32_t all) { return std::max(all / workers, 1U); };
  limits_ = {part(circuit.connections), part(circuit.pending), part(circuit.requests)};
}

bool Load::begin_request() noexcept {
  if (requests_ >= limits_.requests) return false;
  ++requests_;
  return true;
}

bool Load::begin_pending() noexcept {
  if (pending_ >= limits_.pending) return false;
  ++pending_;
  return true;
}

void Load::answered() noexcept {
  earned_ = std::min(earned_ + model::kRetryPercent, model::kRetriesSavedMax * 100);
}

bool Load::begin_retry() noexcept {
  const std::uint32_t at_once =
      std::max(model::kRetriesMin, requests_ * model::kRetryPercent / 100);
  if (retries_ >= at_once) {
    if (earned_ < 100) return false;
    earned_ -= 100;
  }
  ++retries_;
  return true;
}

}  // namespace bd::upstream
