// Who may shake hands with a server, and which certificate it shows.
#include <gtest/gtest.h>

#include "tls/material.h"
#include "tls/talk_for_test.h"

namespace bd::tls {
namespace {

std::string sha256_of(const std::shared_ptr<const KeyPair>& pair) {
  return inspect(*pair)->sha256;
}

// However the bytes are cut, the handshake and what follows are the same.
TEST(Handshake, WorksInEveryVersionWithEveryKeyInAnyPieces) {
  for (const char* key : {"P-256", "P-384", "P-521", "RSA-2048", "ED25519"}) {
    const auto server = make_server(server_options({pair_for("a.example", key)}));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      for (const std::size_t piece : {1uz, 7uz, 1uz << 20}) {
        SCOPED_TRACE(fmt::format("{} {:x} {}", key, version, piece));
        RawPeer peer({.max_version = version, .server_name = "a.example"});
        Talk talk(*server, peer, piece);
        ASSERT_TRUE(talk.handshake()) << talk.server->error() << talk.client->error();
        EXPECT_EQ(talk.server->version(),
                  version == TLS1_3_VERSION ? Version::tls13 : Version::tls12);
        EXPECT_EQ(talk.server->server_name(), "a.example");
        EXPECT_EQ(talk.server->cipher(), talk.client->cipher());
        EXPECT_FALSE(talk.server->resumed());
        EXPECT_EQ(talk.server->client_certificate(), nullptr);
        EXPECT_EQ(Talk::send(*talk.client, *talk.server, "request"), "request");
        EXPECT_EQ(Talk::send(*talk.server, *talk.client, "answer"), "answer");
      }
    }
  }
}

TEST(Handshake, RefusesWhatIsOldOrWeak) {
  ServerOptions options =
      server_options({pair_for("a.example"), pair_for("a.example", "RSA-2048")});
  struct Case {
    const char* why;
    RawOptions client;
    Version min;
    bool want;
  };
  const Case cases[] = {
      {"TLS 1.0", {.max_version = TLS1_VERSION}, Version::tls12, false},
      {"TLS 1.1", {.max_version = TLS1_1_VERSION}, Version::tls12, false},
      {"TLS 1.2", {.max_version = TLS1_2_VERSION}, Version::tls12, true},
      {"1.2 where 1.3 is needed", {.max_version = TLS1_2_VERSION}, Version::tls13, false},
      {"TLS 1.3", {}, Version::tls13, true},
      {"CBC",
       {.max_version = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-SHA256"},
       Version::tls12,
       false},
      {"no forward secrecy",
       {.max_version = TLS1_2_VERSION, .ciphers = "AES128-GCM-SHA256"},
       Version::tls12,
       false},
      {"ChaCha20",
       {.max_version = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-CHACHA20-POLY1305"},
       Version::tls12,
       true},
      {"P-521 only", {.groups = "P-521"}, Version::tls12, false},
      {"P-384 only", {.groups = "P-384"}, Version::tls12, true},
      {"P-521, P-384: a retry", {.groups = "P-521:P-384"}, Version::tls12, true},
      {"SHA-1 only",
       {.max_version = TLS1_2_VERSION, .signatures = "RSA+SHA1:ECDSA+SHA1"},
       Version::tls12,
       false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    options.min_version = c.min;
    const auto server = make_server(options);
    RawPeer peer(c.client);
    Talk talk(*server, peer);
    EXPECT_EQ(talk.handshake(), c.want) << talk.server->error();
    if (!c.want) EXPECT_STRNE(talk.server->error(), "");
  }
}

TEST(Handshake, ChoosesTheCertificateByName) {
  const auto first = pair_for("first.example");
  const auto exact = pair_for("a.wild.example");
  const auto wild = pair_for("*.wild.example");
  const auto server = make_server(server_options({first, exact, wild}));
  struct Case {
    std::string name;
    std::shared_ptr<const KeyPair> want;
    std::string covered;
    std::string uncovered;
  };
  const Case cases[] = {
      {"first.example", first, "first.example", "a.wild.example"},
      {"a.wild.example", exact, "a.wild.example", "b.wild.example"},
      {"A.Wild.Example", exact, "a.wild.example", "b.wild.example"},
      {"b.wild.example", wild, "c.wild.example", "first.example"},
      {"a.b.wild.example", first, "first.example", "a.b.wild.example"},
      {"wild.example", first, "first.example", "wild.example"},
      {"unknown", first, "first.example", "unknown"},
      {"", first, "first.example", ""},
  };
  for (const Case& c : cases) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      SCOPED_TRACE(c.name);
      RawPeer peer({.max_version = version, .server_name = c.name});
      Talk talk(*server, peer);
      ASSERT_TRUE(talk.handshake()) << talk.server->error();
      EXPECT_EQ(peer.peer_sha256(), sha256_of(c.want));
      EXPECT_TRUE(talk.server->covers(c.covered));
      EXPECT_FALSE(talk.server->covers(c.uncovered));
    }
  }
}

TEST(Handshake, LetsTheClientsAlgorithmsChooseTheKey) {
  const auto server = make_server(
      server_options({pair_for("a.example", "RSA-2048"), pair_for("a.example", "P-256")}));
  struct Case {
    const char* signatures;
    const char* ciphers;
    std::string want;
  };
  const Case cases[] = {
      {"ECDSA+SHA256", nullptr, "EC"},
      {"RSA-PSS+SHA256:RSA+SHA256", nullptr, "RSA"},
      {nullptr, "ECDHE-RSA-AES128-GCM-SHA256", "RSA"},
      {nullptr, "ECDHE-ECDSA-AES128-GCM-SHA256", "EC"},
  };
  for (const std::string name : {"a.example", "unknown.example", ""}) {
    for (const Case& c : cases) {
      for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        if (c.ciphers != nullptr && version == TLS1_3_VERSION) continue;
        RawPeer peer({.max_version = version,
                      .server_name = name,
                      .signatures = c.signatures,
                      .ciphers = c.ciphers});
        Talk talk(*server, peer);
        ASSERT_TRUE(talk.handshake()) << talk.server->error();
        EXPECT_EQ(peer.peer_key(), c.want);
      }
    }
  }
}

TEST(Handshake, ServesUnknownNamesSelfSigned) {
  ServerOptions options = server_options({pair_for("a.example")});
  options.self_signed = true;
  const auto server = make_server(options);
  for (const std::string name : {"a.example", "b.example", ""}) {
    RawPeer peer({.server_name = name});
    Talk talk(*server, peer);
    ASSERT_TRUE(talk.handshake());
    const bool own = name != "a.example";
    EXPECT_EQ(peer.peer_sha256() != sha256_of(pair_for("a.example")), own) << name;
    EXPECT_EQ(talk.server->covers("anything.example"), own) << name;
  }
  options.certificates.clear();
  RawPeer peer({});
  const auto alone = make_server(options);
  Talk talk(*alone, peer);
  EXPECT_TRUE(talk.handshake());
}

TEST(Handshake, AgreesOnAProtocol) {
  struct Case {
    const char* why;
    std::string offer;
    bool h2;
    bool good;
    std::string_view want;
  };
  const Case cases[] = {
      {"both", "\x02h2\x08http/1.1", true, true, "h2"},
      {"both, other order", "\x08http/1.1\x02h2", true, true, "h2"},
      {"h1 only", "\x08http/1.1", true, true, "http/1.1"},
      {"h2 is off", "\x02h2\x08http/1.1", false, true, "http/1.1"},
      {"h2 only, and off", "\x02h2", false, false, ""},
      {"none", "", true, true, ""},
      {"strange", "\x08http/0.9", true, false, ""},
      {"strange and known", "\x03xyz\x08http/1.1", true, true, "http/1.1"},
  };
  for (const Case& c : cases) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      SCOPED_TRACE(c.why);
      ServerOptions options = server_options({pair_for("a.example")});
      options.h2 = c.h2;
      const auto server = make_server(options);
      RawPeer peer({.max_version = version, .alpn = c.offer});
      Talk talk(*server, peer);
      ASSERT_EQ(talk.handshake(), c.good);
      EXPECT_EQ(talk.server->alpn(), c.want);
      if (c.good) EXPECT_EQ(talk.client->alpn(), c.want);
      if (!c.good) EXPECT_NE(std::string(talk.client->error()).find("alert"), std::string::npos);
    }
  }
}

TEST(Handshake, FailsOnNonsenseAndOnAnEarlyEnd) {
  const auto server = make_server(server_options({pair_for("a.example")}));
  Talk plain;
  plain.server = server->accept(plain.server_wire);
  plain.to_server.bytes = "GET / HTTP/1.1\r\n\r\n";
  EXPECT_EQ(plain.server->handshake(), Session::Status::error);
  EXPECT_STREQ(plain.server->error(), "http request");
  EXPECT_EQ(plain.server->handshake(), Session::Status::error);

  Talk gone;
  gone.server = server->accept(gone.server_wire);
  EXPECT_EQ(gone.server->handshake(), Session::Status::again);
  EXPECT_FALSE(gone.server->wants_write());
  gone.to_server.ended = true;
  EXPECT_EQ(gone.server->handshake(), Session::Status::error);
  EXPECT_STREQ(gone.server->error(), "the peer left during the handshake");
}

TEST(Handshake, WaitsForTheWireToTakeBytes) {
  const auto server = make_server(server_options({pair_for("a.example")}));
  RawPeer peer({});
  Talk talk(*server, peer);
  talk.to_client.room = 0;
  ASSERT_EQ(talk.client->handshake(), Session::Status::again);
  EXPECT_FALSE(talk.client->wants_write());
  ASSERT_EQ(talk.server->handshake(), Session::Status::again);
  EXPECT_TRUE(talk.server->wants_write());
  talk.to_client.room = 1 << 20;
  EXPECT_TRUE(talk.handshake());
}

TEST(ServerContext, SaysWhatIsWrongWithItsOptions) {
  const auto good = pair_for("a.example");
  const auto bad = std::make_shared<KeyPair>(good->chain, pair_for("b.example")->key);
  const auto error = [](const ServerOptions& options) {
    const auto made = ServerContext::create(options);
    return made ? "" : made.error();
  };
  EXPECT_EQ(error({}), "no certificate: one is needed, or a self-signed one");
  EXPECT_EQ(error(server_options({good, bad})),
            "certificate 2: the key does not belong to the leaf certificate");
  ServerOptions options = server_options({good});
  options.client_auth = ClientAuth::required;
  EXPECT_TRUE(
      error(options).starts_with("client certificates: the CA bundle holds no certificate"));
  options.client_auth = ClientAuth::none;
  options.hosts = {{"a.example", Version::tls12, ClientAuth::optional, "x"}};
  EXPECT_TRUE(error(options).starts_with("host a.example: client certificates: the CA bundle"));
  options.hosts.clear();
  EXPECT_EQ(error(options), "");
}

// Thousands of certificates and one change: what did not change is not parsed again.
TEST(ServerContext, TakesWhatDidNotChangeFromTheOneBefore) {
  const ServerOptions options = server_options({pair_for("a.example"), pair_for("b.example")});
  const auto before = make_server(options);
  auto after = ServerContext::create(options, before.get());
  ASSERT_TRUE(after);
  RawPeer peer({.server_name = "b.example"});
  Talk talk(**after, peer);
  after->reset();  // A session needs its context no longer.
  ASSERT_TRUE(talk.handshake());
  EXPECT_EQ(peer.peer_sha256(), sha256_of(pair_for("b.example")));
  EXPECT_TRUE(talk.server->satisfies("a.example"));
}

}  // namespace
}  // namespace bd::tls
