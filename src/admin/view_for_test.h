#pragma once
// A controller with something in every field, for the tests of this room.

#include <memory>

#include "admin/view.h"
#include "model/route.h"

namespace bd::admin::testing {

inline snapshot::Door sample_door(const model::Exposure& exposure, const std::string& upstream) {
  using enum model::PathPattern::Kind;
  snapshot::Door out;
  out.exposure = exposure;
  model::VirtualHost shop{model::HostPattern::parse("shop.example.com").value(),
                          {{{exact, "/cart"}, model::Forward{upstream}, "Ingress shop/cart"},
                           {{prefix, "/old"}, model::Refuse{"service-missing"}, "Ingress shop/old"},
                           {{prefix, "/"}, model::Redirect{8443}, "Ingress shop/web"}}};
  out.hosts[{"main", shop.host}] = std::make_shared<const model::VirtualHost>(shop);
  out.upstreams[upstream] = {upstream};
  out.endpoints[upstream] = {{SocketAddress::parse("10.0.0.1:8080").value()},
                             {SocketAddress::parse("[fd00::1]:8080").value()}};
  return out;
}

/// Four exposures, two of them served; one door with numbers, one that has not connected yet.
struct SampleView {
  SampleView() {
    view.exposures = model::default_exposures();
    model::Exposure& web = view.exposures[2];
    web.listeners[0].accept_from = {Cidr::parse("10.0.0.0/8").value()};
    web.listeners[0].trusted_peers = {Cidr::parse("10.1.0.0/16").value()};
    web.ingress_classes = {"public"};
    web.allow.wildcard = true;
    web.redirect_twin = "external-httpsecure";
    model::Tls& tls = web.listeners[0].tls;
    web.listeners[0].proxy_protocol_from = {Cidr::parse("10.2.0.0/16").value()};
    tls.mode = model::TlsMode::files;
    tls.policy.client = model::ClientCertificate::optional;
    tls.policy.client_ca = "file ca.pem";
    tls.hosts["admin.example.com"] = {model::TlsVersion::tls13, model::ClientCertificate::required,
                                      "file ca.pem"};
    view.certificates = {{"external-http",
                          "file shop.crt",
                          {"shop.example.com", "*.shop.example.com"},
                          "ecdsa-p256",
                          "CN=Test CA",
                          1700000000,
                          1700086400,
                          "00ff"}};
    view.enabled = {"internal-http", "external-http"};
    snapshot.generation = 7;
    snapshot.doors["internal-http"] =
        std::make_shared<const snapshot::Door>(sample_door(view.exposures[0], "shop/inner:80"));
    snapshot::Door outer = sample_door(web, "shop/outer:80");
    outer.certificates["file shop.crt"] =
        std::make_shared<const model::Certificate>("the chain", "the secret key");
    outer.served_certificates["main"] = {"file shop.crt"};
    outer.ticket_keys = {"the ticket key"};
    snapshot.doors["external-http"] = std::make_shared<const snapshot::Door>(outer);
    view.snapshot = std::make_shared<const snapshot::Snapshot>(snapshot);
    fill_stats();
    view.doors = {{"internal-http", &stats, true, 7, 0, ""},
                  {"external-http", nullptr, false, 0, 5, "no memory"}};
    const model::ObjectRef web_object{"Ingress", "shop", "web", "manifests:apps", "apps.yaml", 12};
    view.findings = {
        {model::Severity::refused,
         "unknown-exposure",
         web_object,
         "metadata.labels.expose",
         "there is no exposure `extrenal-http`",
         "did you mean `external-http`?",
         {"external-http"}},
        {model::Severity::served,
         "served",
         {"Ingress", "blog", "web", "kube", "", 0},
         "",
         "served",
         "",
         {"internal-http"}},
    };
    view.sources = {{"kube", true, false, "connection refused", 3, 2, 1},
                    {"manifests:a\"b\\c\nd\xff", false, true, "", 0, 0, 0}};
    view.generations = {{7, 1700000000123, 450, "compile", {"internal-http: +2 -1 hosts"}}};
    view.last_change_ms = 1700000000123;
    view.now_ms = 1700000002623;
    view.ready = true;
    view.version = "1.2.3";
  }
  SampleView(const SampleView&) = delete;
  SampleView& operator=(const SampleView&) = delete;

  void fill_stats() {
    stats.applied_generation = 7;
    stats.restarts = 2;
    stats.routes = 3;
    stats.virtual_hosts = 1;
    stats.sandbox = 5;
    for (const std::size_t worker : {0uz, 1uz}) {
      telemetry::WorkerStats& numbers = stats.workers[worker];
      numbers.add(telemetry::Counter::requests, 10);
      numbers.open_connections = 4;
      numbers.observe_duration(400);
      numbers.observe_duration(20'000'000);
    }
  }

  View view;
  snapshot::Snapshot snapshot;
  telemetry::DoorStats stats;
};

}  // namespace bd::admin::testing
