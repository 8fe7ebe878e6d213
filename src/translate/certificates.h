#pragma once
// Which certificates does a listener serve whose certificates are Secrets (tls.mode `secrets`)?
// Those that spec.tls of its Ingresses names, as long as the Ingress gets a host there. A bad one
// leaves its hosts to the default certificate, which every client sees; only where clients have to
// show a certificate themselves is nothing served.

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "config/config.h"
#include "snapshot/snapshot.h"
#include "translate/conflicts.h"
#include "translate/findings.h"

namespace bd::translate {

/// Some listener of the exposure serves what spec.tls names.
[[nodiscard]] bool serves_secrets(const model::Exposure& exposure);

/// Listener, Ingress and host whose routes are refused, to the cause.
using Barred = std::map<std::tuple<std::string, const Candidate*, model::HostPattern>, std::string>;

/// Gives the door its certificates, at most `room`. `settled`: what its exposure serves;
/// `candidates`: oldest first.
[[nodiscard]] Barred serve_certificates(const Settled& settled,
                                        const std::vector<const Candidate*>& candidates,
                                        std::size_t room, Findings& findings, snapshot::Door& door);

/// Says of an Ingress where its spec.tls has no effect.
void say_tls_ignored(const Candidate& candidate, const config::Config& config, Findings& findings);

}  // namespace bd::translate
