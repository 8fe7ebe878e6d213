#pragma once
// What one controller state compiles to: for each door its units. A unit is what the feed carries
// and what a difference is counted in: one virtual host of one listener, one upstream, one endpoint
// list.
//
// Control and proxy meet here and nowhere else.

#include <compare>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/exposure.h"
#include "model/finding.h"
#include "model/route.h"

namespace bd::snapshot {

/// Which virtual host: listener name and host pattern.
struct VirtualHostKey {
  std::string listener;
  model::HostPattern host;
  auto operator<=>(const VirtualHostKey&) const = default;
};

/// Everything that one door holds. Units are shared, immutable values: an unchanged unit keeps its
/// pointer from one generation to the next where the compiler can tell cheaply; equality is by
/// value all the same.
struct Door {
  model::Exposure exposure;  ///< Facts of the listeners: scheme, limits, timeouts, trust.
  std::map<VirtualHostKey, std::shared_ptr<const model::VirtualHost>> hosts;
  std::map<std::string, model::Upstream>
      upstreams;  ///< By key; just those that a route forwards to.
  std::map<std::string, std::vector<model::Endpoint>>
      endpoints;  ///< By upstream key; sorted, unique.
  /// By key ("file NAME", "secret NAMESPACE/NAME"): what listeners serve, and what upstreams are
  /// shown.
  std::map<std::string, std::shared_ptr<const model::Certificate>> certificates;
  /// By listener name: the keys of the certificates that SNI chooses from; the first is for unknown
  /// names.
  std::map<std::string, std::vector<std::string>> served_certificates;
  /// PEM bundles of CA certificates by key ("file NAME", "system", "configmap NAMESPACE/NAME"). An
  /// empty one trusts nobody: it is there when the file of a policy can't be read.
  std::map<std::string, std::shared_ptr<const std::string>> bundles;
  /// Session ticket keys, 80 bytes each: the first encrypts, all decrypt. Rotated by the
  /// controller.
  std::vector<std::string> ticket_keys;
  /// Own addresses that must never be connected to (invariant 5): data, admin, probe and metrics
  /// addresses.
  std::vector<SocketAddress> denied;
  bool allow_loopback = false;  ///< Some manifests source allows loopback endpoints.
};

/// True if `address` is one of a door's `denied`. An own address on all interfaces (0.0.0.0:10000,
/// [::]:10000) also denies every loopback address with its port; the node's addresses are listed
/// one by one.
[[nodiscard]] bool is_denied(const std::vector<SocketAddress>& denied,
                             const SocketAddress& address);

struct Snapshot {
  std::uint64_t generation = 0;
  std::map<std::string, std::shared_ptr<const Door>>
      doors;  ///< By exposure name; enabled ones only.
  std::vector<model::Finding> findings;
};

/// What has to be sent to get from `before` to `after`.
struct Difference {
  bool exposure = false;
  bool denied = false;  ///< Or allow_loopback.
  std::vector<VirtualHostKey> put_hosts, drop_hosts;
  std::vector<std::string> put_upstreams, drop_upstreams;
  std::vector<std::string> put_endpoints;  ///< Also new, possibly empty, lists of new upstreams.
  std::vector<std::string> put_certificates, drop_certificates;
  std::vector<std::string> put_bundles, drop_bundles;
  std::vector<std::string> put_served;  ///< Listeners; also those that serve nothing any more.
  bool ticket_keys = false;
  [[nodiscard]] bool empty() const;
};
[[nodiscard]] Difference difference(const Door& before, const Door& after);

/// SHA-256 of `bytes` as 64 hex digits.
[[nodiscard]] std::string digest(std::string_view bytes);

/// Private keys are for memory only. `left_out`: without certificates, without what names one, and
/// without ticket keys, for the disk; CA bundles stay.
enum class Keys : std::uint8_t { kept, left_out };

/// A door's whole state as bytes (protobuf, snapshot.proto's DoorState) with a checksum: what the
/// supervisor keeps in a sealed memfd, and what the disk keeps per exposure. Equal states give
/// equal bytes.
[[nodiscard]] std::string encode(const Door& door, std::uint64_t generation,
                                 Keys keys = Keys::kept);
struct DecodedDoor {
  std::shared_ptr<const Door> door;
  std::uint64_t generation = 0;
  /// Keys were left out. Listeners that end TLS serve self-signed certificates, and upstreams are
  /// shown none, until the feed brings the real ones.
  bool without_keys = false;
};
/// The bytes are untrusted: a door that decodes keeps every rule that the compiler keeps (a known
/// upstream behind each route, an own listener under each host, …). The error says what is wrong.
[[nodiscard]] std::expected<DecodedDoor, std::string> decode(std::string_view bytes);

}  // namespace bd::snapshot
