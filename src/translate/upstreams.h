#pragma once
// Which upstreams does a door get, and how does it speak to them? Only those that its routes
// forward to. Where the door can't be given what a Service asks for, routes become tombstones.

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "config/config.h"
#include "snapshot/snapshot.h"
#include "translate/claims.h"
#include "translate/findings.h"
#include "translate/material.h"

namespace bd::translate {

/// The administrator lets the exposure use Secrets that its objects name (invariant 11).
[[nodiscard]] bool may_use_secrets(const model::Exposure& exposure);

/// Fills one door. Borrows all but `room`.
class Upstreams {
 public:
  Upstreams(const config::Config& config, const Targets& targets, Room room, Findings& findings,
            snapshot::Door& door)
      : config_(config), targets_(targets), room_(room), findings_(findings), door_(door) {}

  /// What a route that wants to forward does: it forwards, and the door has the upstream from now
  /// on, or it refuses.
  [[nodiscard]] model::Action answer(const model::Forward& forward);

 private:
  /// Adds the upstream to the door. Not empty: the cause why not.
  std::string add(const std::string& key, const Target& target);

  struct Needs {
    std::shared_ptr<const std::string> ca;
    std::shared_ptr<const model::Certificate> pair;
  };
  /// The upstream's CA bundle, and its client certificate. Not empty: the cause why not.
  std::string find_ca(const Target& target, const std::string& name, model::Upstream& upstream,
                      Needs& needs);
  std::string find_identity(const Target& target, const std::string& name,
                            model::Upstream& upstream, Needs& needs);
  std::string refuse(const Target& target, std::string_view code, std::string_view key,
                     std::string what, std::string hint);

  const config::Config& config_;
  const Targets& targets_;
  const Room room_;
  Findings& findings_;
  snapshot::Door& door_;
  std::map<std::string, std::string> refused_;  // Key to cause.
};

}  // namespace bd::translate
