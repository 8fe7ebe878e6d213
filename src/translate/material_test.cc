#include "translate/material.h"

#include <gtest/gtest.h>

#include "snapshot/convert.h"

namespace bd::translate {
namespace {

std::shared_ptr<const model::Certificate> certificate(std::string chain) {
  return std::make_shared<const model::Certificate>(std::move(chain), "key");
}
std::shared_ptr<const std::string> bundle(std::string pem) {
  return std::make_shared<const std::string>(std::move(pem));
}

model::Exposure with_files() {
  model::Exposure out =
      model::make_exposure("front", model::Side::internal, model::Scheme::https, 1);
  model::Tls& tls = out.listeners[0].tls;
  tls.mode = model::TlsMode::files;
  tls.files = {{"/a.crt", "/a.key"}, {"/b.crt", "/b.key"}};
  tls.policy.client = model::ClientCertificate::required;
  tls.policy.client_ca = "file /ca.pem";
  tls.hosts["open.test"] = {};
  return out;
}

Material all() {
  Material out;
  out.certificates = {{"file /a.crt", certificate("a")},
                      {"file /b.crt", certificate("b")},
                      {"file /c.crt", certificate("c")}};
  out.bundles = {{"file /ca.pem", bundle("ca")}, {"system", bundle("system")}};
  out.ticket_keys["front"] = {std::string(model::kTicketKeyBytes, 't')};
  return out;
}

std::string names_of(const auto& units) {
  std::string out;
  for (const auto& [name, unit] : units) out += name + ",";
  return out;
}

TEST(AddMaterial, GivesADoorWhatItNamesAndNothingElse) {
  const model::Exposure exposure = with_files();
  snapshot::Door door;
  door.exposure = for_door(exposure);
  const Material material = all();
  add_material(exposure, material, door);
  EXPECT_EQ(names_of(door.certificates), "file /a.crt,file /b.crt,");
  EXPECT_EQ(door.certificates["file /a.crt"], material.certificates.at("file /a.crt"))
      << "the unit keeps its pointer";
  EXPECT_EQ(door.served_certificates["main"],
            (std::vector<std::string>{"file /a.crt", "file /b.crt"}));
  EXPECT_EQ(names_of(door.bundles), "file /ca.pem,");
  EXPECT_EQ(door.ticket_keys.size(), 1u);
  EXPECT_TRUE(door.exposure.listeners[0].tls.files.empty()) << "a door opens no file";
  EXPECT_FALSE(snapshot::find_broken_tls(door));
}

TEST(AddMaterial, WhatIsMissingIsNotServedAndTrustsNobody) {
  const model::Exposure exposure = with_files();
  snapshot::Door door;
  door.exposure = for_door(exposure);
  door.upstreams["a"] = {.key = "a",
                         .protocol = {},
                         .tls = model::UpstreamTls::verify,
                         .server_name = "a.test",
                         .ca = "system",
                         .client_certificate = {},
                         .proxy_header = {}};
  Material material = all();
  material.certificates.erase("file /a.crt");
  material.bundles.clear();
  add_material(exposure, material, door);
  EXPECT_EQ(door.served_certificates["main"], std::vector<std::string>{"file /b.crt"});
  EXPECT_EQ(names_of(door.bundles), "file /ca.pem,system,");
  for (const auto& [name, pem] : door.bundles) EXPECT_EQ(*pem, "") << name;
  EXPECT_FALSE(snapshot::find_broken_tls(door));
  add_material(exposure, {}, door);
  EXPECT_TRUE(door.served_certificates.empty());
  EXPECT_TRUE(door.certificates.empty());
  EXPECT_FALSE(snapshot::find_broken_tls(door));
}

TEST(AddMaterial, TakesBackWhatIsNamedNoMoreAndLeavesOtherKindsAlone) {
  model::Exposure exposure = with_files();
  snapshot::Door door;
  door.exposure = for_door(exposure);
  door.certificates["secret a/b"] = certificate("s");
  door.bundles["configmap a/b"] = bundle("c");
  add_material(exposure, all(), door);
  exposure.listeners[0].tls = {};
  door.exposure = for_door(exposure);
  add_material(exposure, all(), door);
  EXPECT_EQ(names_of(door.certificates), "secret a/b,");
  EXPECT_EQ(names_of(door.bundles), "configmap a/b,");
  EXPECT_TRUE(door.served_certificates.empty());
  EXPECT_TRUE(door.ticket_keys.empty()) << "nothing ends TLS here any more";

  exposure.listeners[0].tls.mode = model::TlsMode::secrets;
  door.served_certificates["main"] = {"secret a/b"};
  add_material(exposure, all(), door);
  EXPECT_EQ(door.served_certificates["main"], std::vector<std::string>{"secret a/b"});
  EXPECT_EQ(door.ticket_keys.size(), 1u);
}

}  // namespace
}  // namespace bd::translate
