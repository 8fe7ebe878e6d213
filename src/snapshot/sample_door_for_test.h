#pragma once
// A door with something in every field, for the tests of this room.

#include "snapshot/snapshot.h"

namespace bd::snapshot {

inline model::Route route(model::PathPattern::Kind kind, std::string path, model::Action action) {
  return {{kind, std::move(path)}, std::move(action), "Ingress shop/web"};
}

inline std::shared_ptr<const model::VirtualHost> host(std::string_view name,
                                                      std::vector<model::Route> routes) {
  model::VirtualHost out;
  if (name != "*") out.host = model::HostPattern::parse(name).value();
  out.routes = std::move(routes);
  return std::make_shared<const model::VirtualHost>(std::move(out));
}

inline void add(Door& door, std::string listener, std::shared_ptr<const model::VirtualHost> host) {
  VirtualHostKey key{std::move(listener), host->host};
  door.hosts[std::move(key)] = std::move(host);
}

inline SocketAddress socket(std::string_view text) {
  return SocketAddress::parse(text).value();
}

inline model::Exposure sample_exposure() {
  using namespace std::chrono_literals;
  model::Exposure out =
      model::make_exposure("external-http", model::Side::external, model::Scheme::http, 10002);
  out.selector = model::Selector::parse("expose in (a, b),!legacy").value();
  out.custom_selector = true;
  out.any_class = true;
  out.ingress_classes = {"public", "other"};
  out.allow = {.wildcard = true, .empty_host = false, .default_backend = true};
  out.redirect_twin = "external-httpsecure";
  out.referenced_secrets = true;
  model::Listener& main = out.listeners.front();
  main.accept_from = {Cidr::parse("10.0.0.0/8").value()};
  main.trusted_peers = {Cidr::parse("fd00::/8").value(), Cidr::parse("192.0.2.1").value()};
  main.health_path = "/healthy";
  main.limits = {1000, 2000, 3, 4000, 5, 6};
  main.timeouts = {1ms, 2ms, 3ms, 4ms, 5ms, 6ms, 7ms, 8ms, 9ms};
  model::Listener second = main;
  second.name = "second";
  second.bind = socket("[::1]:444");
  second.public_scheme = model::Scheme::https;
  second.public_port = 8443;
  second.proxy_protocol_from = {Cidr::parse("10.0.0.0/8").value()};
  second.tls = {
      .mode = model::TlsMode::files,
      .policy = {},
      .hosts = {{"*.example.com",
                 {.min_version = model::TlsVersion::tls13,
                  .client = model::ClientCertificate::required,
                  .client_ca = "file ca.pem"}},
                {"shop.example.com",
                 {.client = model::ClientCertificate::optional, .client_ca = "file ca.pem"}}}};
  out.listeners.push_back(std::move(second));
  return out;
}

inline std::shared_ptr<const model::Certificate> certificate(std::string chain, std::string key) {
  return std::make_shared<const model::Certificate>(std::move(chain), std::move(key));
}

/// Certificates, bundles and ticket keys, and an upstream that needs some.
inline void add_tls(Door& out) {
  using namespace std::chrono_literals;
  out.certificates["file a.crt"] = certificate("chain a", "key a");
  out.certificates["secret shop/client"] = certificate("chain of the client", "key of the client");
  out.served_certificates["second"] = {"file a.crt"};
  out.bundles["file ca.pem"] = std::make_shared<const std::string>("some CAs");
  out.bundles["system"] = std::make_shared<const std::string>("");
  out.ticket_keys = {std::string(model::kTicketKeyBytes, 'n'),
                     std::string(model::kTicketKeyBytes, 'o')};
  out.upstreams["shop/cart:http"] = {.key = "shop/cart:http",
                                     .protocol = model::UpstreamProtocol::h2,
                                     .tls = model::UpstreamTls::verify,
                                     .server_name = "cart.shop.svc",
                                     .ca = "system",
                                     .client_certificate = "secret shop/client",
                                     .proxy_header = model::ProxyHeader::v2,
                                     .balance = {.policy = model::BalancePolicy::hash,
                                                 .key = model::HashKey::header,
                                                 .key_name = "x-user",
                                                 .sticky_cookie = "sid"},
                                     .circuit = {10, 20, 30},
                                     .patience = {1s, 2s, 3s, 4s}};
}

inline Door sample_door() {
  using enum model::PathPattern::Kind;
  Door out;
  out.exposure = sample_exposure();
  add(out, "main",
      host("shop.example.com", {route(exact, "/cart", model::Forward{"shop/cart:http"}),
                                route(prefix, "/cart", model::Refuse{"service-missing"}),
                                route(prefix, "/", model::Redirect{8443})}));
  add(out, "main", host("*.example.com", {route(prefix, "/", model::Forward{"shop/web:80"})}));
  add(out, "second", host("*", {route(prefix, "/", model::Forward{"shop/web:80"})}));
  out.upstreams["shop/web:80"].key = "shop/web:80";
  add_tls(out);
  out.endpoints["shop/cart:http"] = {};
  out.endpoints["shop/web:80"] = {{socket("10.0.0.1:80"), 4711, 2}, {socket("[fd00::1]:80")}};
  out.denied = {socket("0.0.0.0:10002"), socket("127.0.0.1:9900")};
  out.allow_loopback = true;
  return out;
}

}  // namespace bd::snapshot
