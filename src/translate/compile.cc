#include "translate/compile.h"

#include <algorithm>

namespace bd::translate {
namespace {

using model::Scheme;

const model::Listener* find_listener(const model::Exposure& exposure, Scheme scheme) {
  const auto it = std::ranges::find(exposure.listeners, scheme, &model::Listener::public_scheme);
  return it == exposure.listeners.end() ? nullptr : &*it;
}

std::string origin(const Candidate& candidate) {
  const model::ObjectRef& ref = candidate.ingress->meta.ref;
  return fmt::format("Ingress {}/{}", ref.ns, ref.name);
}

class Compiler {
 public:
  Compiler(const config::Config& config, const snapshot::Door* previous, const Barred& barred,
           Upstreams& upstreams, snapshot::Door& door)
      : config_(config), previous_(previous), barred_(barred), upstreams_(upstreams), door_(door) {}

  void listener(const model::Listener& listener, const Settled& own, const Settled* twin) {
    hosts_.clear();
    for (const auto& [host, paths] : own) {
      for (const auto& [path, won] : paths)
        add(host, path, answer(listener, host, won), origin(*won.candidate));
    }
    if (twin != nullptr && listener.public_scheme == Scheme::http) add_twin(own, *twin);
    for (auto& [host, unit] : hosts_) put(listener.name, std::move(unit));
  }

 private:
  using Hosts = std::map<model::HostPattern, model::VirtualHost>;

  void add(const model::HostPattern& host, const model::PathPattern& path, model::Action action,
           std::string origin) {
    model::VirtualHost& unit = hosts_[host];
    unit.host = host;
    unit.routes.push_back({path, std::move(action), std::move(origin)});
  }

  void add_twin(const Settled& own, const Settled& twin) {
    const std::uint16_t port = redirect_port(config_, door_.exposure, {});
    for (const auto& [host, paths] : twin) {
      const auto mine = own.find(host);
      for (const auto& [path, won] : paths) {
        if (mine != own.end() && mine->second.contains(path)) continue;
        add(host, path, model::Redirect{port}, origin(*won.candidate));
      }
    }
  }

  model::Action answer(const model::Listener& listener, const model::HostPattern& host,
                       const Won& won) {
    if (const auto cause = barred_.find({listener.name, won.candidate, host});
        cause != barred_.end()) {
      return model::Refuse{cause->second};
    }
    if (won.claim->redirects && listener.public_scheme == Scheme::http) {
      return model::Redirect{redirect_port(config_, door_.exposure, won.candidate->exposures)};
    }
    if (const auto* forward = std::get_if<model::Forward>(&won.claim->action)) {
      return upstreams_.answer(*forward);
    }
    return won.claim->action;
  }

  void put(const std::string& listener, model::VirtualHost unit) {
    std::ranges::sort(unit.routes, model::matches_before);
    snapshot::VirtualHostKey key{listener, unit.host};
    if (previous_ != nullptr) {
      const auto before = previous_->hosts.find(key);
      if (before != previous_->hosts.end() && *before->second == unit) {
        door_.hosts.emplace(std::move(key), before->second);
        return;
      }
    }
    door_.hosts.emplace(std::move(key),
                        std::make_shared<const model::VirtualHost>(std::move(unit)));
  }

  const config::Config& config_;
  const snapshot::Door* previous_;
  const Barred& barred_;
  Upstreams& upstreams_;
  snapshot::Door& door_;
  Hosts hosts_;
};

}  // namespace

const model::Exposure* find_exposure(const config::Config& config, std::string_view name) {
  const auto it = std::ranges::find(config.exposures, name, &model::Exposure::name);
  return it == config.exposures.end() ? nullptr : &*it;
}

bool has_listener(const model::Exposure& exposure, Scheme scheme) {
  return find_listener(exposure, scheme) != nullptr;
}

std::uint16_t redirect_port(const config::Config& config, const model::Exposure& exposure,
                            const std::vector<std::string>& selected) {
  if (exposure.redirect_twin) {
    const model::Exposure* twin = find_exposure(config, *exposure.redirect_twin);
    const model::Listener* found = twin != nullptr ? find_listener(*twin, Scheme::https) : nullptr;
    if (found != nullptr) return found->public_port;
  }
  if (const auto* own = find_listener(exposure, Scheme::https)) return own->public_port;
  const model::Listener* any = nullptr;
  for (const model::Exposure& other : config.exposures) {
    const model::Listener* found =
        other.side == exposure.side ? find_listener(other, Scheme::https) : nullptr;
    if (found == nullptr) continue;
    if (std::ranges::find(selected, other.name) != selected.end()) return found->public_port;
    if (any == nullptr) any = found;
  }
  return any != nullptr ? any->public_port : model::default_port(Scheme::https);
}

void compile(const config::Config& config, const Settled& own, const Settled* twin,
             const snapshot::Door* previous, const Barred& barred, Upstreams& upstreams,
             snapshot::Door& door) {
  Compiler compiler(config, previous, barred, upstreams, door);
  for (const model::Listener& listener : door.exposure.listeners)
    compiler.listener(listener, own, twin);
}

}  // namespace bd::translate
