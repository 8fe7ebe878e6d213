#pragma once
// What does a selected Ingress ask for? One claim per host and path, each with what will answer
// there: a backend, or a tombstone where the Ingress is wrong (invariant 4). Whether a claim is
// granted and wins is decided later, per exposure.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/objects.h"
#include "model/route.h"
#include "translate/annotations.h"
#include "translate/backends.h"
#include "translate/findings.h"

namespace bd::translate {

struct Claim {
  model::HostPattern host;
  model::PathPattern path;
  model::Action action;    ///< Forward or Refuse: the answer of a listener that does not redirect.
  bool redirects = false;  ///< A listener for http answers with a redirect instead.
  bool default_backend = false;  ///< Stands for spec.defaultBackend.
  std::string field;  ///< `spec.rules[0].http.paths[1]`; empty: of a rule that can't be read.
};

/// A selected Ingress. Borrows the Ingress and its source's index.
struct Candidate {
  const kube::Ingress* ingress = nullptr;
  const Backends* backends = nullptr;
  std::vector<std::string> exposures;  ///< Selected; disabled ones too.
  std::vector<std::string> served;     ///< The enabled ones of them: those that findings name.
  bool only_redirects_http = false;    ///< No listener of `served` is for https.
  std::vector<Claim> claims;           ///< Of two claims for one host and path the first counts.
};

/// The upstreams that claims forward to, by key.
using Targets = std::map<std::string, Target, std::less<>>;

/// Fills `claims`. Adds each upstream to `targets`.
void claim(Candidate& candidate, const Wishes& wishes, Targets& targets, Findings& findings);

/// Where a path that can't be served as written is refused: the narrowest pattern that every
/// request meant by `text` passes. Nothing: no request can have such a path.
[[nodiscard]] std::optional<model::PathPattern> tombstone(model::PathPattern::Kind kind,
                                                          std::string_view text);

}  // namespace bd::translate
