#include "config/checks.h"

#include <fmt/format.h>

#include "config/tls.h"

namespace bd::config {
namespace {

using model::Exposure;
using model::Listener;
using model::Scheme;
using model::Side;
using namespace std::chrono_literals;

std::vector<std::string> exposure_names(const Config& config) {
  std::vector<std::string> out;
  for (const Exposure& exposure : config.exposures) out.push_back(exposure.name);
  return out;
}

bool name_is_known(const Config& config, const std::string& name) {
  const auto names = exposure_names(config);
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_all(const Exposure& exposure, Scheme scheme) {
  return std::all_of(exposure.listeners.begin(), exposure.listeners.end(),
                     [&](const Listener& listener) { return listener.public_scheme == scheme; });
}

void check_exposures(Draft& draft) {
  std::map<std::string, std::size_t> seen;
  const auto& exposures = draft.config.exposures;
  if (exposures.size() > model::kDoorsMax) {
    draft.reject("exposures", fmt::format("names {} exposures; at most {} are possible",
                                          exposures.size(), model::kDoorsMax));
  }
  for (std::size_t i = 0; i < exposures.size(); ++i) {
    const std::string path = exposure_path(i);
    const std::string& name = exposures[i].name;
    if (!draft.is_set(path + ".name") && name.empty()) draft.reject(path, "name is missing");
    if (!draft.is_set(path + ".side") && default_exposure(name) == nullptr) {
      draft.reject(path, "side is missing", "say `side: internal` or `side: external`");
    }
    if (name.empty()) continue;
    const auto [first, is_new] = seen.emplace(name, i);
    if (!is_new) {
      draft.reject(path + ".name",
                   fmt::format("{} is already the name of {}", name, exposure_path(first->second)));
    }
  }
}

void check_limits(Draft& draft, const std::string& path, const Listener& listener) {
  const model::Limits& limits = listener.limits;
  if (limits.request_line_max > limits.request_head_max) {
    draft.reject(path + ".limits.requestHeadMax", "is below requestLineMax, which is a part of it");
  }
  if (limits.response_head_max > model::Limits{}.response_head_max) {
    draft.warn(path + ".limits.responseHeadMax",
               "an ALB answers 502 to a response head above 32KiB");
  }
  const model::Timeouts& timeouts = listener.timeouts;
  if (timeouts.idle <= 65s) {
    draft.warn(path + ".timeouts.idle",
               "is not safely above the 60s after which an ALB lets go of a connection: clients "
               "will see 502");
  }
  if (timeouts.response_head >= 60s) {
    draft.warn(path + ".timeouts.responseHead",
               "an ALB answers 504 after 60s, unless its idle timeout is raised too");
  }
  if (timeouts.drain_delay + timeouts.drain > 85s) {
    draft.warn(path + ".timeouts.drain",
               "drainDelay and drain together exceed a grace period of 90s");
  }
  for (const Cidr& peers : listener.trusted_peers) {
    if (!peers.text().ends_with("/0")) continue;
    draft.warn(path + ".trustedPeers",
               "trusts everyone: any client can choose the address it is known by");
  }
}

void check_listeners(Draft& draft) {
  for (std::size_t i = 0; i < draft.config.exposures.size(); ++i) {
    const auto& listeners = draft.config.exposures[i].listeners;
    if (listeners.size() > model::kListenersPerDoorMax) {
      draft.reject(exposure_path(i) + ".listeners",
                   fmt::format("names {} listeners; at most {} are possible", listeners.size(),
                               model::kListenersPerDoorMax));
    }
    std::map<std::string, std::size_t> seen;
    for (std::size_t j = 0; j < listeners.size(); ++j) {
      const std::string path = listener_path(i, j);
      if (listeners[j].bind.port == 0 && !draft.is_set(path + ".port"))
        draft.reject(path, "port is missing");
      const auto [first, is_new] = seen.emplace(listeners[j].name, j);
      if (!is_new) {
        draft.reject(path + ".name", fmt::format("{} is already the name of {}", first->first,
                                                 listener_path(i, first->second)));
      }
      check_limits(draft, path, listeners[j]);
    }
  }
}

void check_enabled(Draft& draft) {
  const auto& enabled = draft.config.enabled;
  const auto known = exposure_names(draft.config);
  for (std::size_t i = 0; i < enabled.size(); ++i) {
    const auto at = enabled.begin() + static_cast<std::ptrdiff_t>(i);
    if (!name_is_known(draft.config, enabled[i])) {
      std::string hint = did_you_mean(enabled[i], known);
      if (hint.empty()) hint = "known are " + join(known, ", ");
      draft.reject("enabled", fmt::format("there is no exposure {}", enabled[i]), std::move(hint));
    } else if (std::find(enabled.begin(), at, enabled[i]) != at) {
      draft.reject("enabled", fmt::format("names {} twice", enabled[i]));
    }
  }
}

/// With several exposures it would make them one, on both sides of the blast door.
void check_label_selector(Draft& draft) {
  if (!draft.label_selector) return;
  const auto& exposures = draft.config.exposures;
  const auto count = std::count_if(
      exposures.begin(), exposures.end(),
      [&](const Exposure& exposure) { return draft.config.is_enabled(exposure.name); });
  if (count <= 1) return;  // None: check_enabled() has said why.
  draft.reject("labelSelector",
               fmt::format("is the selector of one exposure, and {} are enabled", count),
               "enable one with --exposures, or set `selector` of each exposure");
}

void check_selectors(Draft& draft) {
  const auto& exposures = draft.config.exposures;
  for (std::size_t i = 0; i < exposures.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (exposures[i].side == exposures[j].side || exposures[i].selector != exposures[j].selector)
        continue;
      draft.warn(
          exposure_path(i) + ".selector",
          fmt::format(
              "is also the selector of {}, on the other side: what it matches is served nowhere",
              exposures[j].name));
    }
  }
}

/// The https exposures of the same side that exposure `from` could redirect to.
std::vector<std::string> possible_twins(const Config& config, std::size_t from) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < config.exposures.size(); ++i) {
    const Exposure& twin = config.exposures[i];
    if (i == from || twin.side != config.exposures[from].side) continue;
    if (is_all(twin, Scheme::https) && !twin.redirect_twin) out.push_back(twin.name);
  }
  return out;
}

/// What keeps the named exposure from being the twin of `exposure`; empty: nothing.
std::string twin_refusal(const Config& config, const Exposure& exposure, const std::string& name) {
  if (name == exposure.name) return "an exposure can't redirect to itself";
  const auto twin = std::find_if(config.exposures.begin(), config.exposures.end(),
                                 [&](const Exposure& other) { return other.name == name; });
  if (twin == config.exposures.end()) return fmt::format("there is no exposure {}", name);
  if (twin->side != exposure.side)
    return fmt::format("{} is on side {}", name, model::name(twin->side));
  if (!is_all(*twin, Scheme::https)) return fmt::format("{} is not https", name);
  return twin->redirect_twin ? fmt::format("{} redirects itself", name) : "";
}

void check_redirect(Draft& draft, std::size_t index) {
  Config& config = draft.config;
  Exposure& exposure = config.exposures[index];
  const std::string path = exposure_path(index) + ".redirect";
  const std::vector<std::string> twins = possible_twins(config, index);
  if (!is_all(exposure, Scheme::http)) {
    return draft.reject(
        path,
        fmt::format("only an http exposure can redirect to https, and {} is https", exposure.name));
  }
  if (!exposure.redirect_twin->empty()) {
    const std::string refusal = twin_refusal(config, exposure, *exposure.redirect_twin);
    if (refusal.empty()) return;
    const bool is_known = name_is_known(config, *exposure.redirect_twin);
    std::string hint = is_known ? "" : did_you_mean(*exposure.redirect_twin, twins);
    if (hint.empty() && !twins.empty()) hint = "possible twins are " + join(twins, ", ");
    return draft.reject(path, refusal, std::move(hint));
  }
  if (twins.size() == 1) {
    exposure.redirect_twin = twins[0];
  } else if (twins.empty()) {
    draft.reject(path, fmt::format("there is no https exposure on side {} to redirect to",
                                   model::name(exposure.side)));
  } else {
    draft.reject(path,
                 fmt::format("side {} has several https exposures: {}", model::name(exposure.side),
                             join(twins, ", ")),
                 fmt::format("name one: `redirect: {{twin: {}}}`", twins[0]));
  }
}

void check_redirects(Draft& draft) {
  for (std::size_t i = 0; i < draft.config.exposures.size(); ++i) {
    if (draft.config.exposures[i].redirect_twin) check_redirect(draft, i);
  }
}

struct Socket {
  std::string path;
  std::string owner;
  SocketAddress address;
};

/// Every socket that this process would bind: exposures that are not enabled may share ports with
/// others.
std::vector<Socket> sockets(const Config& config) {
  std::vector<Socket> out = {{"admin", "admin", config.admin},
                             {"probes", "probes", config.probes},
                             {"metrics", "metrics", config.metrics}};
  for (std::size_t i = 0; i < config.exposures.size(); ++i) {
    const Exposure& exposure = config.exposures[i];
    if (!config.is_enabled(exposure.name)) continue;
    for (std::size_t j = 0; j < exposure.listeners.size(); ++j) {
      const Listener& listener = exposure.listeners[j];
      out.push_back({listener_path(i, j) + ".port",
                     fmt::format("listener {} of {}", listener.name, exposure.name),
                     listener.bind});
    }
  }
  return out;
}

/// A wildcard takes the port on all addresses of its family. IPv6 sockets are IPv6 only, so
/// families do not meet.
bool overlap(const SocketAddress& a, const SocketAddress& b) {
  if (a.port == 0 || a.port != b.port || a.ip.is_v4() != b.ip.is_v4()) return false;
  return a.ip == b.ip || a.ip.is_unspecified() || b.ip.is_unspecified();
}

void check_sockets(Draft& draft) {
  if (!draft.config.admin.ip.is_loopback()) {
    draft.reject(
        "admin", fmt::format("expected a loopback address, found {}", draft.config.admin.text()),
        "the admin API knows no users: listen on 127.0.0.1 and reach it with kubectl port-forward");
  }
  const std::vector<Socket> all = sockets(draft.config);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (!overlap(all[i].address, all[j].address)) continue;
      // Blame the one that somebody wrote: the other may be a default.
      const bool later = draft.is_set(all[i].path) || !draft.is_set(all[j].path);
      const Socket& blamed = later ? all[i] : all[j];
      const Socket& other = later ? all[j] : all[i];
      draft.reject(blamed.path,
                   fmt::format("{} overlaps with {}, the address of {}", blamed.address.text(),
                               other.address.text(), other.owner),
                   "give one of them another port");
    }
  }
}

}  // namespace

std::string exposure_path(std::size_t exposure) {
  return fmt::format("exposures[{}]", exposure);
}

std::string listener_path(std::size_t exposure, std::size_t listener) {
  return fmt::format("exposures[{}].listeners[{}]", exposure, listener);
}

const Exposure* default_exposure(std::string_view name) {
  static const std::vector<Exposure> defaults = model::default_exposures();
  for (const Exposure& exposure : defaults) {
    if (exposure.name == name) return &exposure;
  }
  return nullptr;
}

void derive(Draft& draft) {
  for (std::size_t i = 0; i < draft.config.exposures.size(); ++i) {
    Exposure& exposure = draft.config.exposures[i];
    const std::string path = exposure_path(i);
    const Exposure plain = model::make_exposure(exposure.name, exposure.side, Scheme::http, 0);
    if (!draft.is_set(path + ".hosts")) exposure.hosts = plain.hosts;
    if (!draft.is_set(path + ".allow")) exposure.allow = plain.allow;
    if (!draft.is_set(path + ".selector")) exposure.selector = plain.selector;
    if (draft.label_selector && draft.config.is_enabled(exposure.name))
      exposure.selector = *draft.label_selector;
    exposure.custom_selector = exposure.selector != plain.selector;
    for (std::size_t j = 0; j < exposure.listeners.size(); ++j) {
      Listener& listener = exposure.listeners[j];
      if (draft.is_set(listener_path(i, j) + ".publicPort")) continue;
      listener.public_port = model::default_port(listener.public_scheme);
    }
  }
  derive_tls(draft);
}

void check(Draft& draft) {
  check_exposures(draft);
  check_listeners(draft);
  check_tls(draft);
  check_enabled(draft);
  check_label_selector(draft);
  check_selectors(draft);
  check_redirects(draft);
  check_sockets(draft);
}

}  // namespace bd::config
