#pragma once
// One request to one listener, for the tests of this room.

#include <initializer_list>
#include <utility>

#include "decide/decide.h"

namespace bd::decide::testing {

struct Route {
  std::string_view host;
  model::PathPattern path;
  model::Action action;
};

inline model::PathPattern exact(std::string path) {
  return {model::PathPattern::Kind::exact, std::move(path)};
}
inline model::PathPattern prefix(std::string path) {
  return {model::PathPattern::Kind::prefix, std::move(path)};
}

/// A listener of an exposure that balancers in 10.0.0.0/8 are trusted on, unless a test says
/// otherwise.
inline Listener listener(std::initializer_list<Route> routes,
                         model::Scheme scheme = model::Scheme::http) {
  std::map<std::string_view, model::VirtualHost> hosts;
  for (const Route& route : routes) {
    model::VirtualHost& host = hosts[route.host];
    host.host = model::HostPattern::parse(route.host).value();
    host.routes.push_back({route.path, route.action, "Ingress shop/web"});
  }
  std::vector<std::shared_ptr<const model::VirtualHost>> units;
  for (auto& [name, host] : hosts)
    units.push_back(std::make_shared<const model::VirtualHost>(std::move(host)));
  Listener out;
  out.exposure = "internal-http";
  out.facts =
      model::make_exposure("internal-http", model::Side::internal, scheme, 10000).listeners[0];
  out.facts.trusted_peers = {Cidr::parse("10.0.0.0/8").value()};
  out.table = route::Table::compile(std::move(units));
  return out;
}

struct Ask {
  http::Method method = http::Method::get;
  std::string_view target = "/";
  std::string_view host = "shop.example.com";
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  std::string_view peer = "192.0.2.7:4711";
};

/// The request that an Ask describes; views into the Ask.
struct Asked {
  explicit Asked(const Ask& ask) {
    for (const auto& [name, value] : ask.fields)
      fields.push_back({name, value, http::field_name(name)});
    request = {ask.method, ask.target, ask.host, &fields, SocketAddress::parse(ask.peer).value(),
               {}};
  }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;
  http::Fields fields;
  Request request;
};

inline Decision ask(const Listener& listener, const Ask& what, DoorState state = {}) {
  const Asked asked(what);
  return decide(listener, asked.request, state);
}

}  // namespace bd::decide::testing
