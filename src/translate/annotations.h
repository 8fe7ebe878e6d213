#pragma once
// Annotations of a selected Ingress as typed values (invariant 9): each one that is ours is
// understood or said.

#include "kube/objects.h"
#include "translate/findings.h"

namespace bd::translate {

/// What blastdoor.io/redirect asks for. `broken`: it is there and can't be understood; it decides
/// whether plain-text requests reach a backend, so what it stands on is refused and never guessed.
enum class RedirectWish { none, https, broken };

struct Wishes {
  RedirectWish redirect = RedirectWish::none;
  bool operator==(const Wishes&) const = default;
};

[[nodiscard]] Wishes read_annotations(const kube::Meta& meta,
                                      const std::vector<std::string>& exposures,
                                      Findings& findings);

}  // namespace bd::translate
