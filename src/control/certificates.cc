#include "control/certificates.h"

#include <ctime>
#include <set>

namespace bd::control {
namespace {

constexpr std::int64_t kDay = std::int64_t{24} * 60 * 60;

std::string date(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr) return fmt::format("{}", seconds);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return {text, size};
}

/// "file NAME" and "secret NAMESPACE/NAME" as the objects that they are.
model::ObjectRef object_of(const std::string& name) {
  constexpr std::string_view kSecret = "secret ";
  if (name.starts_with(kSecret)) {
    const std::string rest = name.substr(kSecret.size());
    const std::size_t slash = rest.find('/');
    if (slash != std::string::npos) {
      return {"Secret", rest.substr(0, slash), rest.substr(slash + 1), "", "", 0};
    }
  }
  if (name.starts_with(model::kFileUnit)) {
    return {"File", "", name.substr(model::kFileUnit.size()), "", "", 0};
  }
  return {"Certificate", "", name, "", "", 0};
}

}  // namespace

void Certificates::update(const snapshot::Snapshot& snapshot) {
  std::map<std::shared_ptr<const model::Certificate>, Known> known;
  by_exposure_.clear();
  for (const auto& [exposure, door] : snapshot.doors) {
    for (const auto& [name, certificate] : door->certificates) {
      auto slot = known.find(certificate);
      if (slot == known.end()) {
        Known facts;
        if (const auto before = known_.find(certificate); before != known_.end()) {
          facts = before->second;
        } else if (auto read = tls::inspect({certificate->chain, certificate->key})) {
          facts = std::make_shared<const tls::Facts>(*std::move(read));
        }
        slot = known.emplace(certificate, std::move(facts)).first;
      }
      if (slot->second != nullptr) by_exposure_[exposure].emplace(name, slot->second);
    }
  }
  known_ = std::move(known);
}

std::string say_dates(const tls::Facts& facts, std::int64_t now) {
  if (now < facts.not_before) {
    return fmt::format("It is not valid before {}.", date(facts.not_before));
  }
  if (now >= facts.not_after) return fmt::format("It expired on {}.", date(facts.not_after));
  for (const std::int64_t days : {1, 3, 14}) {
    if (facts.not_after - now >= days * kDay) continue;
    return fmt::format("It expires on {}, in less than {}.", date(facts.not_after),
                       days == 1 ? "a day" : fmt::format("{} days", days));
  }
  return {};
}

std::vector<model::Finding> Certificates::findings(std::int64_t now) const {
  std::map<std::string, std::pair<std::string, std::set<std::string>>> said;
  for (const auto& [exposure, certificates] : by_exposure_) {
    for (const auto& [name, facts] : certificates) {
      std::string what = say_dates(*facts, now);
      if (what.empty()) continue;
      auto& [sentence, exposures] = said[name];
      sentence = std::move(what);
      exposures.insert(exposure);
    }
  }
  std::vector<model::Finding> out;
  for (auto& [name, finding] : said) {
    out.push_back({model::Severity::warning,
                   "certificate-expiring",
                   object_of(name),
                   "",
                   std::move(finding.first),
                   "It is served all the same, until a new one is there; that one is served at "
                   "once.",
                   {finding.second.begin(), finding.second.end()}});
  }
  return out;
}

}  // namespace bd::control
