#pragma once
// Which addresses may be connected to for a Service port? Those of its ready EndpointSlice entries
// that are none of our own and nothing that only this machine can reach (invariant 5: doors cannot
// be chained).

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "snapshot/snapshot.h"
#include "translate/backends.h"
#include "translate/findings.h"

namespace bd::translate {

/// Our own addresses, sorted: data, admin, probes and metrics, and the node's addresses with each
/// exposure port. Disabled exposures count: another process of this node serves them.
[[nodiscard]] std::vector<SocketAddress> own_addresses(
    const config::Config& config, const std::vector<IpAddress>& node_addresses);

/// Why no request may go to this address; empty: it may.
struct AddressProblem {
  std::string code;
  std::string what;
  std::string hint;
};
[[nodiscard]] std::optional<AddressProblem> refuse_address(const SocketAddress& address,
                                                           bool allow_loopback,
                                                           const std::vector<SocketAddress>& own);

/// The endpoints of one Service port: sorted, unique, bounded. Ready ones; if there is none, those
/// that still serve while they terminate.
[[nodiscard]] std::vector<model::Endpoint> endpoints(const Target& target,
                                                     const std::vector<SocketAddress>& own,
                                                     Findings& findings);

}  // namespace bd::translate
