#include "config/config.h"

#include <fmt/format.h>

#include <tuple>

#include "config/field.h"
#include "config/schema.h"

namespace bd::config {
namespace {

/// What the supervisor binds: name and addresses of each listener.
using Bindings = std::vector<std::pair<std::string, SocketAddress>>;

std::map<std::string, Bindings> bindings(const Config& config) {
  std::map<std::string, Bindings> out;
  for (const model::Exposure& exposure : config.exposures) {
    Bindings& listeners = out[exposure.name];
    for (const model::Listener& listener : exposure.listeners)
      listeners.emplace_back(listener.name, listener.bind);
  }
  return out;
}

}  // namespace

bool Config::is_enabled(std::string_view exposure) const {
  return enabled.empty() || std::find(enabled.begin(), enabled.end(), exposure) != enabled.end();
}

std::string Mistake::text() const {
  std::string out = where;
  if (!key.empty()) out += fmt::format(": {}", key);
  out += fmt::format(": {}", what);
  if (!hint.empty()) out += fmt::format(" ({})", hint);
  return out;
}

bool needs_restart(const Config& a, const Config& b, std::vector<std::string>& keys) {
  keys.clear();
  const auto old_bindings = bindings(a);
  const auto new_bindings = bindings(b);
  for (const auto& [name, listeners] : old_bindings) {
    const auto found = new_bindings.find(name);
    if (found == new_bindings.end()) keys.push_back(fmt::format("exposures[{}]", name));
    if (found != new_bindings.end() && found->second != listeners) {
      keys.push_back(fmt::format("exposures[{}].listeners", name));
    }
  }
  for (const auto& [name, listeners] : new_bindings) {
    if (!old_bindings.contains(name)) keys.push_back(fmt::format("exposures[{}]", name));
  }
  const auto compare = [&](std::string_view key, auto Config::* member) {
    if (a.*member != b.*member) keys.emplace_back(key);
  };
  compare("enabled", &Config::enabled);
  compare("manifests", &Config::manifests);
  compare("kubeconfig", &Config::kubeconfig);
  compare("admin", &Config::admin);
  compare("probes", &Config::probes);
  compare("metrics", &Config::metrics);
  compare("stateDir", &Config::state_dir);
  compare("workers", &Config::workers);
  compare("logLevel", &Config::log_level);
  return !keys.empty();
}

}  // namespace bd::config
