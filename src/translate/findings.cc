#include "translate/findings.h"

#include <algorithm>

namespace bd::translate {

void Findings::add(model::Finding finding) {
  std::vector<std::string>& known =
      exposures_[Key(std::move(finding.object), finding.severity, std::move(finding.field),
                     std::move(finding.code), std::move(finding.what), std::move(finding.hint))];
  for (std::string& name : finding.exposures) {
    if (std::ranges::find(known, name) == known.end()) known.push_back(std::move(name));
  }
}

std::vector<model::Finding> Findings::take() && {
  std::vector<model::Finding> out;
  out.reserve(exposures_.size());
  for (auto& [key, exposures] : exposures_) {
    const auto& [object, severity, field, code, what, hint] = key;
    out.push_back({severity, code, object, field, what, hint, std::move(exposures)});
  }
  exposures_.clear();
  return out;
}

std::string listed(const std::vector<std::string>& names, std::size_t max) {
  std::string out;
  const std::size_t shown = names.size() > max ? max : names.size();
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  if (shown < names.size()) out += fmt::format(" and {} more", names.size() - shown);
  return out;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                         std::string otherwise) {
  const std::string near = model::nearest(word, candidates);
  return near.empty() ? std::move(otherwise) : fmt::format("Did you mean `{}`?", near);
}

}  // namespace bd::translate
