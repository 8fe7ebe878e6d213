// What a running Blastdoor may take from a new configuration, and what waits for its next start.

#include <algorithm>

#include "config/config.h"

namespace bd::config {
namespace {

template <class List>
auto find_named(List& list, const std::string& name) {
  return std::find_if(list.begin(), list.end(),
                      [&](const auto& entry) { return entry.name == name; });
}

/// The listeners of `to` with the addresses of `from`; those of `from` if they are not the same
/// ones.
void keep_listeners(const model::Exposure& from, model::Exposure& to) {
  const bool same =
      from.listeners.size() == to.listeners.size() &&
      std::all_of(from.listeners.begin(), from.listeners.end(),
                  [&](const model::Listener& listener) {
                    return find_named(to.listeners, listener.name) != to.listeners.end();
                  });
  if (!same) {
    to.listeners = from.listeners;
    return;
  }
  for (const model::Listener& listener : from.listeners)
    find_named(to.listeners, listener.name)->bind = listener.bind;
}

}  // namespace

void keep_restart_keys(const Config& from, Config& to) {
  std::vector<model::Exposure> exposures;
  for (const model::Exposure& old : from.exposures) {
    const auto changed = find_named(to.exposures, old.name);
    exposures.push_back(changed == to.exposures.end() ? old : *changed);
    keep_listeners(old, exposures.back());
  }
  to.exposures = std::move(exposures);
  to.enabled = from.enabled;
  to.manifests = from.manifests;
  to.kubeconfig = from.kubeconfig;
  to.kubernetes = from.kubernetes;
  to.admin = from.admin;
  to.probes = from.probes;
  to.metrics = from.metrics;
  to.state_dir = from.state_dir;
  to.handover = from.handover;
  to.workers = from.workers;
  to.log_level = from.log_level;
}

}  // namespace bd::config
