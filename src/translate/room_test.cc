// A door holds so many certificates and no more: what comes last is refused, and the rest goes on.

#include <gtest/gtest.h>

#include "snapshot/convert.h"
#include "translate/objects_for_test.h"

namespace bd::translate {
namespace {

constexpr std::size_t kMax = model::kCertificatesPerDoorMax;

/// One exposure with two listeners: files fill all of a door's places but `room`, and Secrets can
/// have the rest.
config::Config with_room(std::size_t room) {
  config::Config out;
  model::Exposure front =
      model::make_exposure("front", model::Side::internal, model::Scheme::https, 1);
  front.referenced_secrets = true;
  front.listeners.push_back(front.listeners[0]);
  front.listeners[0].tls.mode = model::TlsMode::secrets;
  front.listeners[1].name = "files";
  front.listeners[1].tls.mode = model::TlsMode::files;
  for (std::size_t i = room; i < kMax; ++i) {
    front.listeners[1].tls.files.push_back({fmt::format("/{}.crt", i), "/key"});
  }
  out.exposures = {front};
  return out;
}

/// A ConfigMap and a Secret, both of this name, for the host NAME.test.
void add_pair(kube::SourceObjects& to, const std::string& name) {
  kube::Secret& secret = to.secrets.emplace_back();
  secret.meta.ref = ref("Secret", "shop", name);
  secret.pair = std::make_shared<const model::Certificate>(name, "key");
  secret.names = {name + ".test"};
  kube::ConfigMap& map = to.config_maps.emplace_back();
  map.meta.ref = ref("ConfigMap", "shop", name);
  map.ca = std::make_shared<const std::string>(name);
}

/// An Ingress for NAME.test, whose Service has the same name.
void add_ingress(kube::SourceObjects& to, const std::string& name, std::int64_t created) {
  kube::Ingress& made = to.ingresses.emplace_back(ingress("shop", name, "front"));
  made.meta.created = created;
  made.rules.push_back({.host = name + ".test", .paths = {path("/", name)}});
  to.services.push_back(service("shop", name, {port(80)}));
}

kube::ObjectSet three_hosts(bool with_tls) {
  kube::ObjectSet out;
  kube::SourceObjects& source = out.sources.emplace_back();
  source.source = kSource;
  for (const auto& [name, created] : {std::pair("a", 3), std::pair("b", 1), std::pair("c", 2)}) {
    add_pair(source, name);
    add_ingress(source, name, created);
    if (with_tls) source.ingresses.back().tls.push_back({{fmt::format("{}.test", name)}, name});
  }
  return out;
}

/// "NAME CODE" of all findings that say that there is no room.
std::vector<std::string> without_room(const snapshot::Snapshot& snapshot) {
  std::vector<std::string> out;
  for (const model::Finding& finding : snapshot.findings) {
    if (finding.code != kTooManyCertificates) continue;
    EXPECT_EQ(finding.severity, model::Severity::refused);
    out.push_back(finding.object.kind + " " + finding.object.name + " " + finding.field);
  }
  return out;
}

TEST(Room, IsThatOfADoorWithoutWhatTheConfigurationNames) {
  const auto room = [](const config::Config& config) { return room_of(config.exposures[0]); };
  EXPECT_EQ(room(with_room(3)).certificates, 3u);
  EXPECT_EQ(room(with_room(0)).certificates, 0u);
  EXPECT_EQ(room(with_room(kMax)).certificates, kMax);
  config::Config trusts = with_room(kMax);
  EXPECT_EQ(room(trusts).bundles, kMax - 1) << "the system's";
  model::Tls& tls = trusts.exposures[0].listeners[1].tls;
  tls.policy.client_ca = "file /ca.pem";
  tls.hosts["same.test"].client_ca = "file /ca.pem";
  tls.hosts["other.test"].client_ca = "file /other.pem";
  EXPECT_EQ(room(trusts).bundles, kMax - 3);
  // A listener whose certificates are Secrets opens no file.
  config::Config secrets = with_room(1);
  secrets.exposures[0].listeners[1].tls.mode = model::TlsMode::secrets;
  EXPECT_EQ(room(secrets).certificates, kMax);
}

TEST(Room, IsForTheOldestIngresses) {
  config::Config config = with_room(2);
  model::TlsPolicy& must = config.exposures[0].listeners[0].tls.hosts["a.test"];
  must.client = model::ClientCertificate::required;
  must.client_ca = "file /ca.pem";
  kube::ObjectSet objects = three_hosts(true);
  // The same Secret again takes no place.
  objects.sources[0].ingresses[1].tls.push_back({{"b.test"}, "b"});
  const snapshot::Snapshot got = translate({&config, &objects, {}, nullptr});
  const snapshot::Door& door = *got.doors.at("front");
  EXPECT_EQ(door.served_certificates.at("main"),
            (std::vector<std::string>{"secret shop/b", "secret shop/c"}));
  EXPECT_EQ(door.certificates.size(), 2u);
  EXPECT_EQ(without_room(got), std::vector<std::string>{"Ingress a spec.tls[0].secretName"});
  EXPECT_FALSE(snapshot::find_broken_tls(door));
  // Where clients have to show a certificate, its host answers 503.
  const auto& host = *door.hosts.at({"main", {model::HostPattern::Kind::exact, "a.test"}});
  ASSERT_EQ(host.routes.size(), 1u);
  const auto* const refused = std::get_if<model::Refuse>(&host.routes[0].action);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->cause, kTooManyCertificates);
}

TEST(Room, IsTheSameForWhatUpstreamsAreShown) {
  config::Config config = with_room(2);
  kube::ObjectSet objects = three_hosts(false);
  kube::SourceObjects& source = objects.sources[0];
  for (kube::Service& service : source.services) {
    service.meta.annotations = {{"blastdoor.io/upstream-tls", "require"},
                                {"blastdoor.io/upstream-client-certificate",
                                 service.meta.ref.name == "c" ? "b" : service.meta.ref.name}};
  }
  const auto tombstones = [&] {
    const snapshot::Snapshot got = translate({&config, &objects, {}, nullptr});
    const snapshot::Door& door = *got.doors.at("front");
    EXPECT_FALSE(snapshot::find_broken_tls(door));
    EXPECT_EQ(without_room(got).size(), 3 - door.upstreams.size());
    std::set<std::string> out;
    for (const auto& [key, host] : door.hosts) {
      const auto* const refused = std::get_if<model::Refuse>(&host->routes.at(0).action);
      if (refused != nullptr && refused->cause == kTooManyCertificates) {
        out.insert(key.host.name);
      }
    }
    return out;
  };
  EXPECT_EQ(tombstones(), std::set<std::string>{}) << "two of them show the same one";
  source.services[2].meta.annotations["blastdoor.io/upstream-client-certificate"] = "c";
  EXPECT_EQ(tombstones(), std::set<std::string>{"c.test"});
}

}  // namespace
}  // namespace bd::translate
