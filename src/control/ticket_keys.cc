#include "control/ticket_keys.h"

#include <sys/random.h>

#include "base/check.h"
#include "model/limits.h"
#include "translate/material.h"

namespace bd::control {
namespace {

std::string new_key() {
  std::string out(model::kTicketKeyBytes, '\0');
  // At most 256 bytes are never cut short.
  const ssize_t got = ::getrandom(out.data(), out.size(), 0);
  BD_ASSERT(got == static_cast<ssize_t>(out.size()));
  return out;
}

}  // namespace

bool TicketKeys::refresh(const config::Config& config, rt::Instant now) {
  bool changed = false;
  std::map<std::string, Keys> next;
  for (const model::Exposure& exposure : config.exposures) {
    if (!config.is_enabled(exposure.name) || !translate::ends_tls(exposure)) continue;
    Keys& keys = next[exposure.name];
    const auto known = by_exposure_.find(exposure.name);
    if (known != by_exposure_.end()) keys = std::move(known->second);
    if (!keys.keys.empty() && now - keys.made < model::kTicketKeyRotation) continue;
    keys.keys.insert(keys.keys.begin(), new_key());
    if (keys.keys.size() > model::kTicketKeysMax) keys.keys.resize(model::kTicketKeysMax);
    keys.made = now;
    changed = true;
  }
  changed |= next.size() != by_exposure_.size();
  by_exposure_ = std::move(next);
  return changed;
}

std::map<std::string, std::vector<std::string>> TicketKeys::all() const {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& [exposure, keys] : by_exposure_) out.emplace(exposure, keys.keys);
  return out;
}

}  // namespace bd::control
