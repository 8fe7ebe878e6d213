#pragma once
// Collects what the passes have to say. The same remark for several exposures becomes one finding
// that names them all, and the result does not depend on the order in which passes ran.

#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "kube/names.h"
#include "model/finding.h"

namespace bd::translate {

using kube::backquoted;

class Findings {
 public:
  void add(model::Finding finding);
  /// Sorted by object, then severity, field and code.
  [[nodiscard]] std::vector<model::Finding> take() &&;

 private:
  using Key = std::tuple<model::ObjectRef, model::Severity, std::string, std::string, std::string,
                         std::string>;
  std::map<Key, std::vector<std::string>> exposures_;
};

/// `a`, `a and b`, `a, b and c`; at most `max` names, then `and 7 more`.
[[nodiscard]] std::string listed(const std::vector<std::string>& names, std::size_t max = 8);
/// "Did you mean `x`?", or `otherwise` if no candidate is near.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& candidates,
                                       std::string otherwise);

}  // namespace bd::translate
