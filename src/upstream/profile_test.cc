// How upstreams are spoken to, and which of them may share connections.

#include "upstream/profile.h"

#include <gtest/gtest.h>

namespace bd::upstream {
namespace {

using model::UpstreamTls;

struct Profiles : ::testing::Test {
  Profiles() {
    const tls::KeyPair pair = tls::self_signed({}, 1).value();
    for (const char* name : {"one", "two"}) {
      door.certificates[name] = std::make_shared<model::Certificate>(pair.chain, pair.key);
      door.bundles[name] = std::make_shared<std::string>(pair.chain);
    }
    door.certificates["broken"] = std::make_shared<model::Certificate>("no PEM", pair.key);
    door.bundles["broken"] = std::make_shared<std::string>("no PEM");
    door.bundles["empty"] = std::make_shared<std::string>();
  }
  snapshot::Door door;
};

model::Upstream verified() {
  return {.key = "a",
          .protocol = model::UpstreamProtocol::http1,
          .tls = UpstreamTls::verify,
          .server_name = "a.test",
          .ca = "one",
          .client_certificate = "one",
          .proxy_header = model::ProxyHeader::none};
}

// The key says which endpoints may share connections: one that forgot a fact would lend a session
// that was verified in another way.
TEST_F(Profiles, KeyIsOfAllThatMattersToAConnection) {
  const std::string base = Profile::key(verified(), door);
  const auto key_with = [&](auto change) {
    model::Upstream upstream = verified();
    change(upstream);
    return Profile::key(upstream, door);
  };
  using U = model::Upstream;
  EXPECT_EQ(key_with([](U& u) { u.key = "b"; }), base) << "whose it is does not matter";
  const std::string others[] = {
      key_with([](U& u) { u.protocol = model::UpstreamProtocol::h2; }),
      key_with([](U& u) { u.tls = UpstreamTls::require; }),
      key_with([](U& u) { u.tls = UpstreamTls::prefer; }),
      key_with([](U& u) { u.tls = UpstreamTls::off; }),
      key_with([](U& u) { u.server_name = "b.test"; }),
      key_with([](U& u) { u.ca = "two"; }),  // The same text, but another unit.
      key_with([](U& u) { u.ca = "gone"; }),
      key_with([](U& u) { u.client_certificate = "two"; }),
      key_with([](U& u) { u.client_certificate = ""; }),
      key_with([](U& u) { u.proxy_header = model::ProxyHeader::v1; }),
      key_with([](U& u) { u.proxy_header = model::ProxyHeader::v2; }),
  };
  std::set<std::string> all = {base};
  for (const std::string& other : others) EXPECT_TRUE(all.insert(other).second) << other;
}

TEST_F(Profiles, KeyChangesWithTheMaterialButNotWithoutTls) {
  model::Upstream plain = verified();
  plain.tls = UpstreamTls::off;
  const std::string before = Profile::key(verified(), door);
  const std::string plain_before = Profile::key(plain, door);
  EXPECT_EQ(Profile::key(verified(), snapshot::Door(door)), before);
  snapshot::Door renewed = door;
  renewed.bundles["one"] = std::make_shared<std::string>(*door.bundles["one"]);
  EXPECT_NE(Profile::key(verified(), renewed), before);
  renewed = door;
  renewed.certificates["one"] = std::make_shared<model::Certificate>(*door.certificates["one"]);
  EXPECT_NE(Profile::key(verified(), renewed), before);
  EXPECT_EQ(Profile::key(plain, renewed), plain_before);
}

TEST_F(Profiles, HaveAContextOrSayWhatIsWrong) {
  struct Case {
    const char* why;
    UpstreamTls mode;
    const char* ca;
    const char* certificate;
    bool is_good;
  };
  constexpr Case cases[] = {
      {"all is well", UpstreamTls::verify, "one", "one", true},
      {"nothing to show", UpstreamTls::verify, "one", "", true},
      {"one to show that is not there", UpstreamTls::verify, "one", "gone", true},
      {"an empty bundle trusts nobody", UpstreamTls::verify, "empty", "", true},
      {"so does one that is not there", UpstreamTls::verify, "gone", "", true},
      {"nobody is verified", UpstreamTls::require, "", "", true},
      {"a broken bundle", UpstreamTls::verify, "broken", "", false},
      {"a broken certificate", UpstreamTls::verify, "one", "broken", false},
      {"a broken certificate, nobody verified", UpstreamTls::require, "", "broken", false},
      {"the same where TLS is only tried", UpstreamTls::prefer, "", "broken", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    model::Upstream upstream = verified();
    upstream.tls = c.mode;
    upstream.ca = c.ca;
    upstream.client_certificate = c.certificate;
    const Profile profile(upstream, door);
    EXPECT_EQ(profile.tls() != nullptr, c.is_good) << profile.problem();
    EXPECT_EQ(profile.problem().empty(), c.is_good);
    EXPECT_EQ(profile.problem().find("PRIVATE"), std::string::npos);
    EXPECT_EQ(profile.tls_mode(), c.mode);
  }
}

TEST_F(Profiles, WithoutTlsLookAtNoMaterial) {
  model::Upstream upstream = verified();
  upstream.tls = UpstreamTls::off;
  upstream.client_certificate = "broken";
  upstream.protocol = model::UpstreamProtocol::h2;
  upstream.proxy_header = model::ProxyHeader::v2;
  const Profile profile(upstream, door);
  EXPECT_EQ(profile.tls(), nullptr);
  EXPECT_EQ(profile.problem(), "");
  EXPECT_TRUE(profile.is_h2());
  EXPECT_EQ(profile.proxy_header(), model::ProxyHeader::v2);
}

}  // namespace
}  // namespace bd::upstream
