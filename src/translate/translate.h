#pragma once
// Objects and configuration in, snapshot and findings out: ordered, pure passes. Always everything.
//
//   select     which exposures does an Ingress select?            select.h
//   claim      which hosts and paths does it ask for, and what    claims.h, backends.h,
//              answers there: a backend, a redirect, a tombstone?  annotations.h
//   settle     per exposure: what is granted, who owns a host,    conflicts.h, grant.h
//              who wins a path?
//   certify    per exposure: the certificates of its listeners    certificates.h
//   compile    per listener: virtual hosts in matching order;     compile.h, upstreams.h,
//              how what they forward to is spoken to              contact.h
//   endpoints  the addresses of what is forwarded to              endpoints.h
//
// Every known exposure is settled, also one that is not served here: a redirect twin needs its
// hosts.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/config.h"
#include "kube/objects.h"
#include "snapshot/snapshot.h"
#include "translate/material.h"

namespace bd::translate {

struct Input {
  const config::Config* config = nullptr;
  const kube::ObjectSet* objects = nullptr;
  std::vector<IpAddress> node_addresses;  ///< Of this node: refused as endpoints on exposure ports.
  const snapshot::Snapshot* previous =
      nullptr;                         ///< To keep pointers of unchanged units; may be null.
  const Material* material = nullptr;  ///< Null: none of it is there.
};

/// generation is left 0: control numbers it. `findings` has those of the sources, and of each
/// selected Ingress, too; it is sorted by object.
[[nodiscard]] snapshot::Snapshot translate(const Input& input);

/// A Service of one source.
struct ServiceName {
  std::string source, ns, name;
  auto operator<=>(const ServiceName&) const = default;
};

/// Only the endpoint lists, for the bypass: upstream key → endpoints for every port of `services`,
/// by the same rules as in translate(). A Service that is gone has none: that is for translate().
[[nodiscard]] std::map<std::string, std::vector<model::Endpoint>> endpoints_of(
    const Input& input, const std::set<ServiceName>& services);

}  // namespace bd::translate
