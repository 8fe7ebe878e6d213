#include "tls/certificate.h"

#include <gtest/gtest.h>

#include <ctime>

#include "tls/pki_for_test.h"

namespace bd::tls {
namespace {

TEST(Inspect, TellsWhatACertificateSays) {
  const KeyPair pair = authority().issue(
      {.names = {"A.example", "*.b.example", "10.0.0.1", "::1"}, .common_name = "someone"});
  const auto facts = inspect(pair);
  ASSERT_TRUE(facts) << facts.error();
  EXPECT_EQ(facts->names,
            (std::vector<std::string>{"a.example", "*.b.example", "10.0.0.1", "::1"}));
  EXPECT_EQ(facts->subject, "CN=someone");
  EXPECT_EQ(facts->issuer, "CN=test authority");
  EXPECT_EQ(facts->key, "ecdsa-p256");
  EXPECT_EQ(facts->sha256.size(), 64u);
  const std::int64_t now = std::time(nullptr);
  EXPECT_NEAR(static_cast<double>(facts->not_before), static_cast<double>(now - 86400), 60);
  EXPECT_NEAR(static_cast<double>(facts->not_after), static_cast<double>(now + 30 * 86400), 60);
}

TEST(Inspect, TakesTheCommonNameOnlyWithoutAlternatives) {
  const auto facts = inspect(authority().issue({.names = {}, .common_name = "Old.Example"}));
  ASSERT_TRUE(facts) << facts.error();
  EXPECT_EQ(facts->names, std::vector<std::string>{"old.example"});
}

TEST(Inspect, JudgesKeys) {
  struct Case {
    std::string key;
    std::string want;  // Kind of the key, or the error.
    bool good;
  };
  const Case cases[] = {
      {"P-256", "ecdsa-p256", true},
      {"P-384", "ecdsa-p384", true},
      {"P-521", "ecdsa-p521", true},
      {"ED25519", "ed25519", true},
      {"RSA-2048", "rsa-2048", true},
      {"RSA-1024", "RSA 1024 bit: at least 2048 are needed", false},
      {"secp256k1", "EC key on secp256k1: P-256, P-384 or P-521 is needed", false},
      {"ED448", "key type ED448: RSA, EC or Ed25519 is needed", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.key);
    const auto facts = inspect(authority().issue({.names = {"a"}, .key = c.key}));
    ASSERT_EQ(facts.has_value(), c.good);
    EXPECT_EQ(facts ? facts->key : facts.error(), c.want);
  }
}

TEST(Inspect, SaysWhatIsWrong) {
  const KeyPair one = authority().issue({.names = {"one"}});
  const KeyPair two = authority().issue({.names = {"two"}});
  const KeyPair weak = authority().issue({.names = {"weak"}, .digest = "SHA1"});
  constexpr const char* broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  constexpr const char* encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
  struct Case {
    const char* why;
    KeyPair pair;
    std::string want;
  };
  const Case cases[] = {
      {"other key", {one.chain, two.key}, "the key does not belong to the leaf certificate"},
      {"wrong order",
       {authority().pem() + one.chain, one.key},
       "the chain is in the wrong order: the leaf must come first"},
      {"no chain", {"", one.key}, "the chain holds no certificate"},
      {"a key for a chain", {one.key, one.key}, "the chain holds no certificate"},
      {"broken chain", {one.chain + broken, one.key}, "the chain: certificate 2 can't be read"},
      {"no key", {one.chain, ""}, "the key holds no private key"},
      {"a chain for a key", {one.chain, one.chain}, "the key holds no private key"},
      {"encrypted", {one.chain, encrypted}, "the key is encrypted"},
      {"cut key", {one.chain, one.key.substr(0, one.key.size() / 2)}, "the key can't be read"},
      {"SHA-1", weak, "the leaf certificate is signed with SHA1: SHA-256 or better is needed"},
      {"huge", {std::string(kPemMax + 1, 'x'), one.key}, "the chain is larger than 4 MiB"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto facts = inspect(c.pair);
    ASSERT_FALSE(facts);
    EXPECT_TRUE(facts.error().starts_with(c.want)) << facts.error();
  }
  std::string chain = one.chain;
  for (std::size_t i = 1; i < kChainMax; ++i) chain += authority().pem();
  EXPECT_TRUE(inspect({chain, one.key}));
  EXPECT_EQ(inspect({chain + authority().pem(), one.key}).error(),
            "the chain holds more than 16 certificates");
}

TEST(InspectBundle, CountsCertificates) {
  EXPECT_EQ(inspect_bundle(authority().pem()), 1u);
  EXPECT_EQ(inspect_bundle("# ours\n" + authority().pem() + "\n\n" + stranger().pem()), 2u);
  EXPECT_TRUE(inspect_bundle("").error().starts_with("the CA bundle holds no certificate"));
  const std::string cut = authority().pem().substr(0, 200);
  EXPECT_TRUE(inspect_bundle(stranger().pem() + cut)
                  .error()
                  .starts_with("the CA bundle: certificate 2 can't be read"));
}

TEST(Covers, KnowsNamesAndWildcards) {
  const std::vector<std::string> names = {"a.example", "*.b.example", "10.0.0.1", "::1", "*.0.0.2"};
  struct Case {
    std::string_view host;
    bool want;
  };
  constexpr Case cases[] = {
      {"a.example", true},       {"A.Example.", true},  {"b.example", false},
      {"x.b.example", true},     {"X.B.EXAMPLE", true}, {"x.y.b.example", false},
      {".b.example", false},     {"*.b.example", true}, {"xb.example", false},
      {"x.a.example", false},    {"", false},           {".", false},
      {"10.0.0.1", true},        {"[::1]", true},       {"::1", true},
      {"0:0:0:0:0:0:0:1", true}, {"10.0.0.2", false},
  };
  for (const Case& c : cases) EXPECT_EQ(covers(names, c.host), c.want) << c.host;
}

TEST(SelfSigned, MakesWhatInspectAccepts) {
  const std::string names[] = {"a.example", "10.1.2.3", "fd00::1", "x,DNS:evil.example"};
  const auto pair = self_signed(std::span(names).first(3), 7);
  ASSERT_TRUE(pair) << pair.error();
  const auto facts = inspect(*pair);
  ASSERT_TRUE(facts) << facts.error();
  EXPECT_EQ(facts->names, std::vector<std::string>(names, names + 3));
  EXPECT_EQ(facts->key, "ecdsa-p256");
  EXPECT_EQ(facts->subject, facts->issuer);
  EXPECT_EQ(facts->not_after - facts->not_before, 7 * 86400);
  EXPECT_LT(facts->not_before, std::time(nullptr) - 3000);
  EXPECT_NE(self_signed(names, 7)->key, pair->key);

  const auto odd = self_signed(std::span(names).last(1), 7);
  ASSERT_TRUE(odd);
  EXPECT_FALSE(covers(inspect(*odd)->names, "evil.example"));
  EXPECT_FALSE(self_signed(names, 0));
  EXPECT_TRUE(inspect(*self_signed({}, 1)));
}

}  // namespace
}  // namespace bd::tls
