#pragma once
// Objects and configuration in, snapshot and findings out: ordered, pure passes. Always everything.
//
//   select_exposure  -> resolve_backends -> refuse_conflicts -> order -> compile

#include <string>
#include <vector>

#include "config/config.h"
#include "kube/objects.h"
#include "snapshot/snapshot.h"

namespace bd::translate {

struct Input {
  const config::Config* config = nullptr;
  const kube::ObjectSet* objects = nullptr;
  std::vector<IpAddress> node_addresses;  ///< Of this node: refused as endpoints on exposure ports.
  const snapshot::Snapshot* previous =
      nullptr;  ///< To keep pointers of unchanged units; may be null.
};

/// generation is left 0: control numbers it.
[[nodiscard]] snapshot::Snapshot translate(const Input& input);

/// Only the endpoint lists, for the bypass: upstream key → endpoints of `door`'s upstreams as the
/// slices and services say now. Same rules as in translate().
[[nodiscard]] std::map<std::string, std::vector<model::Endpoint>> endpoints_of(
    const Input& input, const snapshot::Door& door);

}  // namespace bd::translate
