#pragma once
// Who gets which host and path of one exposure? Claims that are not granted go first; then, oldest
// Ingress first, hosts find their owners and paths their winners. What loses leaves nothing: the
// winner answers there.

#include <map>
#include <vector>

#include "model/exposure.h"
#include "translate/claims.h"
#include "translate/findings.h"

namespace bd::translate {

/// Oldest first: by creation (objects without one after the dated), then namespace, name, source,
/// file and line.
[[nodiscard]] bool is_older(const kube::Ingress& a, const kube::Ingress& b);

struct Won {
  const Candidate* candidate = nullptr;
  const Claim* claim = nullptr;
};
/// What one exposure serves.
using Settled = std::map<model::HostPattern, std::map<model::PathPattern, Won>>;

/// `candidates`: oldest first; those that did not select the exposure are passed over. Borrows the
/// claims.
[[nodiscard]] Settled settle(const model::Exposure& exposure,
                             const std::vector<const Candidate*>& candidates, Findings& findings);

}  // namespace bd::translate
