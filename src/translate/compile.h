#pragma once
// Settled claims as the virtual hosts of each listener. The listener's scheme decides what a claim
// with a redirect becomes; the redirect twin's hosts and paths fill what the exposure's own
// Ingresses leave free.

#include <string_view>

#include "config/config.h"
#include "snapshot/snapshot.h"
#include "translate/certificates.h"
#include "translate/conflicts.h"
#include "translate/upstreams.h"

namespace bd::translate {

[[nodiscard]] const model::Exposure* find_exposure(const config::Config& config,
                                                   std::string_view name);
[[nodiscard]] bool has_listener(const model::Exposure& exposure, model::Scheme scheme);

/// The declared public port that a redirect from `exposure` leads to: that of the twin; without
/// one, of an https listener of the exposure itself, of another exposure of its side in `selected`,
/// of any of its side; else 443.
[[nodiscard]] std::uint16_t redirect_port(const config::Config& config,
                                          const model::Exposure& exposure,
                                          const std::vector<std::string>& selected);

/// The door's hosts, and those of `upstreams` that they forward to. What is in `barred` is refused.
/// `twin`: what the redirect twin serves, or null. Units equal to those of `previous` (may be null)
/// keep their pointers.
void compile(const config::Config& config, const Settled& own, const Settled* twin,
             const snapshot::Door* previous, const Barred& barred, Upstreams& upstreams,
             snapshot::Door& door);

}  // namespace bd::translate
