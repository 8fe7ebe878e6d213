#pragma once
// Which upstreams does a door get, and how does it speak to them? Only those that its routes
// forward to. Where the door can't be given what a Service asks for, routes become tombstones.

#include <map>
#include <string>

#include "snapshot/snapshot.h"
#include "translate/claims.h"
#include "translate/findings.h"

namespace bd::translate {

/// Fills one door. Borrows all three.
class Upstreams {
 public:
  Upstreams(const Targets& targets, Findings& findings, snapshot::Door& door)
      : targets_(targets), findings_(findings), door_(door) {}

  /// What a route that wants to forward does: it forwards, and the door has the upstream from now
  /// on, or it refuses.
  [[nodiscard]] model::Action answer(const model::Forward& forward);

 private:
  /// Adds the upstream to the door. Not empty: the cause why not.
  std::string add(const std::string& key, const Target& target);

  const Targets& targets_;
  Findings& findings_;
  snapshot::Door& door_;
  std::map<std::string, std::string> refused_;  // Key to cause.
};

}  // namespace bd::translate
