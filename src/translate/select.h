#pragma once
// Which exposures does this Ingress select? A pure function of one object, the classes of its
// source and the configuration (invariant 2). It fails closed: whatever is contradictory, mistyped
// or unknown selects nothing.
//
//   class        absent -> go on;  ours -> the exposures that list it bound the choice;
//                foreign or unknown -> only exposures with `class: any`
//   label        the exposures whose selector matches; without a match, those that list our class
//   annotation   blastdoor.io/expose adds exposures of the same side, within the class's bounds

#include <string>
#include <vector>

#include "config/config.h"
#include "kube/objects.h"

namespace bd::translate {

inline constexpr std::string_view kClassAnnotation = "kubernetes.io/ingress.class";

struct Selection {
  std::vector<std::string>
      exposures;  ///< In configuration order, disabled ones too. Empty: served nowhere.
  std::vector<model::Finding> findings;  ///< Why nowhere, if so.
};

/// `classes`: of the same source.
[[nodiscard]] Selection select(const kube::Ingress& ingress,
                               const std::vector<kube::IngressClass>& classes,
                               const config::Config& config);

}  // namespace bd::translate
