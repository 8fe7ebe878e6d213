#pragma once
// What can only be said when all keys are read: what follows from other keys, and what must hold
// between them.

#include "config/field.h"

namespace bd::config {

/// exposures[2], exposures[2].listeners[0]: the paths that mistakes and origins use.
[[nodiscard]] std::string exposure_path(std::size_t exposure);
[[nodiscard]] std::string listener_path(std::size_t exposure, std::size_t listener);
[[nodiscard]] const model::Exposure* default_exposure(std::string_view name);

/// Fills in what depends on other keys, unless it was set: public ports, host ownership, selectors,
/// twins.
void derive(Draft& draft);
/// Leaves a mistake for every rule that does not hold, and a warning for what is allowed and
/// probably not meant.
void check(Draft& draft);

}  // namespace bd::config
