// Who must show a certificate, for which host, and what no trick gets around.
#include <gtest/gtest.h>

#include "tls/talk_for_test.h"

namespace bd::tls {
namespace {

constexpr int kVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

std::shared_ptr<const KeyPair> client_pair(const Authority& by, int to_days = 30) {
  return std::make_shared<KeyPair>(
      by.issue({.names = {}, .common_name = "client", .from_days = -20, .to_days = to_days}));
}

/// open.example asks for nothing, optional.example and *.must.example for a certificate of ours,
/// other.example for one of another authority, new.example for TLS 1.3.
ServerOptions hosts() {
  using enum ClientAuth;
  ServerOptions options;
  options.self_signed = true;
  options.tickets = {ticket_key(1)};
  options.hosts = {
      {"optional.example", Version::tls12, optional, authority().pem()},
      {"*.must.example", Version::tls12, required, authority().pem()},
      {"other.example", Version::tls12, required, stranger().pem()},
      {"New.example", Version::tls13, none, ""},
  };
  return options;
}

TEST(ClientAuth, IsAskedPerHost) {
  enum Kind { nothing, ours, theirs, expired };
  const std::shared_ptr<const KeyPair> pairs[] = {
      nullptr, client_pair(authority()), client_pair(stranger()), client_pair(authority(), -1)};
  struct Case {
    std::string host;
    Kind shown;
    bool good;
    bool present;
    std::string error;
  };
  const Case cases[] = {
      {"open.example", nothing, true, false, ""},
      {"open.example", theirs, true, false, ""},
      {"", nothing, true, false, ""},
      {"optional.example", nothing, true, false, ""},
      {"optional.example", ours, true, true, ""},
      {"optional.example", theirs, false, false, "certificate verify failed: unable to get local"},
      {"optional.example", expired, false, false,
       "certificate verify failed: certificate has expired"},
      {"a.must.example", nothing, false, false, "peer did not return a certificate"},
      {"A.MUST.example", nothing, false, false, "peer did not return a certificate"},
      {"a.must.example", ours, true, true, ""},
      {"a.must.example", theirs, false, false, "certificate verify failed"},
      {"a.must.example", expired, false, false, "certificate verify failed"},
      {"must.example", nothing, true, false, ""},
      {"other.example", ours, false, false, "certificate verify failed"},
      {"other.example", theirs, true, true, ""},
  };
  const auto server = make_server(hosts());
  for (const Case& c : cases) {
    for (const int version : kVersions) {
      SCOPED_TRACE(fmt::format("{} {} {:x}", c.host, static_cast<int>(c.shown), version));
      RawPeer peer({.max_version = version, .server_name = c.host, .certificate = pairs[c.shown]});
      Talk talk(*server, peer);
      ASSERT_EQ(talk.handshake(), c.good) << talk.server->error();
      EXPECT_TRUE(std::string_view(talk.server->error()).starts_with(c.error))
          << talk.server->error();
      EXPECT_EQ(talk.server->client_certificate() != nullptr, c.present);
      if (!c.good) {
        (void)Talk::read_all(*talk.client);
        EXPECT_NE(std::string(talk.client->error()).find("alert"), std::string::npos);
      }
    }
  }
}

TEST(ClientAuth, DescribesTheCertificate) {
  const auto pair = client_pair(authority());
  const Facts facts = *inspect(*pair);
  const auto server = make_server(hosts());
  RawPeer peer({.server_name = "a.must.example", .certificate = pair});
  Talk talk(*server, peer);
  ASSERT_TRUE(talk.handshake());
  const Peer* const shown = talk.server->client_certificate();
  ASSERT_NE(shown, nullptr);
  EXPECT_TRUE(shown->present);
  EXPECT_TRUE(shown->verified);
  EXPECT_EQ(shown->subject, "CN=client");
  EXPECT_EQ(shown->issuer, "CN=test authority");
  EXPECT_EQ(shown->sha256, facts.sha256);
  EXPECT_EQ(shown->pem, pair->chain);
  EXPECT_TRUE(shown->serial.starts_with("10")) << shown->serial;  // They count from 0x1001.
  EXPECT_EQ(talk.client->client_certificate(), nullptr);
}

// 421 where the name in the request asks for more than the name in the handshake did.
TEST(ClientAuth, SatisfiesWhatWasNegotiated) {
  struct Case {
    std::string asked;
    bool shows;
    int version;
    std::string host;
    bool want;
  };
  const Case cases[] = {
      {"open.example", false, TLS1_3_VERSION, "open.example", true},
      {"open.example", false, TLS1_3_VERSION, "else.example", true},
      {"open.example", false, TLS1_3_VERSION, "optional.example", false},
      {"open.example", true, TLS1_3_VERSION, "a.must.example", false},
      {"open.example", false, TLS1_3_VERSION, "new.example", true},
      {"open.example", false, TLS1_2_VERSION, "new.example", false},
      {"open.example", false, TLS1_2_VERSION, "NEW.example.", false},
      {"optional.example", false, TLS1_3_VERSION, "open.example", true},
      {"optional.example", false, TLS1_3_VERSION, "a.must.example", false},
      {"optional.example", true, TLS1_3_VERSION, "a.must.example", true},
      {"optional.example", true, TLS1_2_VERSION, "A.Must.Example", true},
      {"optional.example", true, TLS1_3_VERSION, "other.example", false},
      {"a.must.example", true, TLS1_3_VERSION, "b.must.example", true},
      {"a.must.example", true, TLS1_3_VERSION, "optional.example", true},
      {"a.must.example", true, TLS1_3_VERSION, "other.example", false},
      {"", true, TLS1_3_VERSION, "a.must.example", false},
  };
  const auto server = make_server(hosts());
  for (const Case& c : cases) {
    SCOPED_TRACE(c.asked + " " + c.host);
    RawPeer peer({.max_version = c.version, .server_name = c.asked});
    if (c.shows) {
      peer = RawPeer({.max_version = c.version,
                      .server_name = c.asked,
                      .certificate = client_pair(authority())});
    }
    Talk talk(*server, peer);
    ASSERT_TRUE(talk.handshake()) << talk.server->error();
    EXPECT_EQ(talk.server->satisfies(c.host), c.want);
  }
}

// A client gets a ticket where nothing is asked, and shows it where a certificate is.
TEST(ClientAuth, IsNotBypassedByATicket) {
  const auto server = make_server(hosts());
  for (const int version : kVersions) {
    for (const std::string first : {"open.example", "optional.example", ""}) {
      SCOPED_TRACE(first);
      RawPeer peer({.max_version = version, .server_name = first});
      Talk talk(*server, peer);
      ASSERT_TRUE(talk.handshake());
      (void)Talk::send(*talk.server, *talk.client, "x");
      ASSERT_FALSE(peer.sessions.empty());
      peer.options.server_name = "a.must.example";
      Talk trick(*server, peer);
      EXPECT_FALSE(trick.handshake());
      EXPECT_STREQ(trick.server->error(), "peer did not return a certificate");
    }
  }
}

TEST(ClientAuth, GoesOnInAResumedSession) {
  const auto server = make_server(hosts());
  for (const int version : kVersions) {
    RawPeer peer({.max_version = version,
                  .server_name = "a.must.example",
                  .certificate = client_pair(authority())});
    for (const bool resumed : {false, true}) {
      Talk talk(*server, peer);
      ASSERT_TRUE(talk.handshake());
      (void)Talk::send(*talk.server, *talk.client, "x");
      EXPECT_EQ(talk.server->resumed(), resumed);
      ASSERT_NE(talk.server->client_certificate(), nullptr);
      EXPECT_TRUE(talk.server->client_certificate()->verified);
      EXPECT_TRUE(talk.server->satisfies("b.must.example"));
    }
  }
}

// The same host under another CA, or under a stricter policy: what was proved before is void.
TEST(ClientAuth, EndsTicketsWhenThePolicyChanges) {
  for (const int version : kVersions) {
    RawPeer peer({.max_version = version,
                  .server_name = "a.example",
                  .certificate = client_pair(authority())});
    ServerOptions options = hosts();
    const auto resumes = [&] {
      Talk talk(*make_server(options), peer);
      const bool good = talk.handshake();
      if (good) (void)Talk::send(*talk.server, *talk.client, "x");
      return good && talk.server->resumed();
    };
    const std::string both = authority().pem() + stranger().pem();
    options.hosts = {{"a.example", Version::tls12, ClientAuth::optional, authority().pem()}};
    EXPECT_FALSE(resumes());
    EXPECT_TRUE(resumes());
    options.hosts = {{"a.example", Version::tls12, ClientAuth::required, authority().pem()}};
    EXPECT_FALSE(resumes());
    EXPECT_TRUE(resumes());
    options.hosts = {{"a.example", Version::tls12, ClientAuth::required, both}};
    EXPECT_FALSE(resumes());
    EXPECT_TRUE(resumes());
    options.hosts.clear();
    EXPECT_FALSE(resumes());
  }
}

TEST(ClientAuth, RefusesACertificateForAnotherPurpose) {
  const auto server = make_server(hosts());
  for (const auto& [usage, good] : {std::pair{"clientAuth", true}, {"serverAuth", false}}) {
    const auto pair = std::make_shared<KeyPair>(authority().issue({.names = {}, .usage = usage}));
    RawPeer peer({.server_name = "a.must.example", .certificate = pair});
    Talk talk(*server, peer);
    EXPECT_EQ(talk.handshake(), good);
    EXPECT_STREQ(talk.server->error(),
                 good ? "" : "certificate verify failed: unsuitable certificate purpose");
  }
}

// The names of a large bundle would not fit into the request: it then names none.
TEST(ClientAuth, WorksWithALargeBundle) {
  std::string bundle = authority().pem();
  for (int i = 0; i < 400; ++i) {
    bundle += Authority(fmt::format("an authority with quite a long name, number {}", i)).pem();
  }
  ServerOptions options = hosts();
  options.hosts = {{"a.example", Version::tls12, ClientAuth::required, bundle}};
  const auto server = make_server(options);
  for (const int version : kVersions) {
    RawPeer peer({.max_version = version,
                  .server_name = "a.example",
                  .certificate = client_pair(authority())});
    Talk talk(*server, peer);
    ASSERT_TRUE(talk.handshake()) << talk.server->error();
    EXPECT_LT(talk.client_wire.receives, 100);
    const STACK_OF(X509_NAME)* const asked = SSL_get0_peer_CA_list(peer.last());
    EXPECT_LE(asked == nullptr ? 0 : sk_X509_NAME_num(asked), 0);
  }
}

TEST(ClientAuth, MayBeAskedOfAllWithExceptions) {
  ServerOptions options;
  options.self_signed = true;
  options.client_auth = ClientAuth::required;
  options.client_ca = authority().pem();
  options.hosts = {{"open.example", Version::tls12, ClientAuth::none, ""}};
  const auto server = make_server(options);
  for (const std::string name : {"open.example", "a.example", ""}) {
    RawPeer peer({.server_name = name});
    Talk talk(*server, peer);
    EXPECT_EQ(talk.handshake(), name == "open.example");
    if (talk.server->done()) EXPECT_FALSE(talk.server->satisfies("a.example"));
  }
}

}  // namespace
}  // namespace bd::tls
