#include "translate/conflicts.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "translate/grant.h"

namespace bd::translate {
namespace {

using model::Severity;

class Settler {
 public:
  Settler(const model::Exposure& exposure, Findings& findings)
      : exposure_(exposure), findings_(findings) {}

  void take(const Candidate& candidate) {
    for (const Claim& claim : candidate.claims) {
      if (is_granted(candidate, claim) && is_owner(candidate, claim)) take_path(candidate, claim);
    }
  }

  Settled settled;

 private:
  void refuse(const Candidate& candidate, std::string code, std::string field, std::string what,
              std::string hint, Severity severity = Severity::refused) {
    findings_.add({severity,
                   std::move(code),
                   candidate.ingress->meta.ref,
                   std::move(field),
                   std::move(what),
                   std::move(hint),
                   {exposure_.name}});
  }

  /// The rule that a claim stands in: one finding for all its paths.
  static std::string rule_of(const Claim& claim) {
    return claim.field.substr(0, claim.field.find(".http"));
  }

  bool is_granted(const Candidate& candidate, const Claim& claim) {
    const auto denial = grant(asks(claim.host, claim.default_backend), exposure_.allow);
    if (!denial) return true;
    refuse(
        candidate, std::string(denial->code), rule_of(claim),
        fmt::format("The exposure does not allow {}.", denial->asked),
        fmt::format("Name an exact host, or put `{}` into the exposure's key allow.", denial->key));
    return false;
  }

  /// A host belongs to the namespace of the oldest Ingress that asks for it. Namespaces of
  /// different sources are different.
  bool is_owner(const Candidate& candidate, const Claim& claim) {
    if (exposure_.hosts == model::HostOwnership::shared) return true;
    const model::ObjectRef& self = candidate.ingress->meta.ref;
    const model::ObjectRef& owner =
        owners_.try_emplace(claim.host, &candidate).first->second->ingress->meta.ref;
    if (owner.ns == self.ns && owner.source == self.source) return true;
    const std::string source =
        owner.source == self.source ? "" : fmt::format(" of {}", owner.source);
    refuse(
        candidate, "host-owned", rule_of(claim),
        fmt::format("The host `{}` belongs to namespace `{}`{}: {} is the oldest that asks for it.",
                    claim.host.text(), owner.ns, source, owner.text()),
        "Set the exposure's key hosts to `shared` to let namespaces share hosts.");
    return false;
  }

  void take_path(const Candidate& candidate, const Claim& claim) {
    const auto [at, is_new] = settled[claim.host].try_emplace(claim.path, Won{&candidate, &claim});
    if (is_new) return;
    const bool exact = claim.path.kind == model::PathPattern::Kind::exact;
    const std::string place =
        fmt::format("`{}` {} `{}`", claim.host.text(), exact ? "Exact" : "Prefix", claim.path.path);
    const Won& winner = at->second;
    if (winner.candidate != &candidate) {
      refuse(candidate, "path-taken", claim.field,
             fmt::format("{} is served by {}, which is older.", place,
                         winner.candidate->ingress->meta.ref.text()),
             "Remove one of the two.");
      return;
    }
    if (winner.claim->field.empty()) {
      refuse(candidate, "path-covered", claim.field,
             fmt::format("{} is covered by a rule of this Ingress that can't be read.", place),
             "Mend that rule: until then requests are answered with 503.");
      return;
    }
    const bool same =
        winner.claim->action == claim.action && winner.claim->redirects == claim.redirects;
    refuse(candidate, "path-repeated", claim.field,
           fmt::format("{} stands in this Ingress before, at {}, which counts.", place,
                       winner.claim->field),
           "Remove one of the two.", same ? Severity::warning : Severity::refused);
  }

  const model::Exposure& exposure_;
  Findings& findings_;
  std::map<model::HostPattern, const Candidate*> owners_;
};

}  // namespace

bool is_older(const kube::Ingress& a, const kube::Ingress& b) {
  const auto age = [](const kube::Ingress& ingress) {
    const std::int64_t created = ingress.meta.created;
    const model::ObjectRef& ref = ingress.meta.ref;
    return std::tuple(created != 0 ? created : std::numeric_limits<std::int64_t>::max(),
                      std::string_view(ref.ns), std::string_view(ref.name),
                      std::string_view(ref.source), std::string_view(ref.file), ref.line);
  };
  return age(a) < age(b);
}

Settled settle(const model::Exposure& exposure, const std::vector<const Candidate*>& candidates,
               Findings& findings) {
  Settler settler(exposure, findings);
  for (const Candidate* candidate : candidates) {
    const bool selected =
        std::ranges::find(candidate->exposures, exposure.name) != candidate->exposures.end();
    if (selected) settler.take(*candidate);
  }
  return std::move(settler.settled);
}

}  // namespace bd::translate
