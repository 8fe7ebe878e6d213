// Sessions are resumed by whoever has the key, and only under what they were given for.
#include <gtest/gtest.h>

#include "tls/talk_for_test.h"

namespace bd::tls {
namespace {

constexpr int kVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

ServerOptions with_tickets(std::vector<TicketKey> keys) {
  ServerOptions options = server_options({pair_for("a.example"), pair_for("b.example")});
  options.tickets = std::move(keys);
  return options;
}

/// One connection of `peer`; was it resumed? Data goes both ways, and tickets arrive.
bool resumes(ServerContext& server, RawPeer& peer) {
  Talk talk(server, peer);
  EXPECT_TRUE(talk.handshake()) << talk.server->error() << talk.client->error();
  EXPECT_EQ(Talk::send(*talk.client, *talk.server, "request"), "request");
  EXPECT_EQ(Talk::send(*talk.server, *talk.client, "answer"), "answer");
  EXPECT_EQ(talk.server->resumed(), talk.client->resumed());
  // OpenSSL's client does not tell of a ticket that was renewed in TLS 1.2.
  if (talk.client->version() == Version::tls12) {
    peer.sessions.emplace_back(SSL_get1_session(peer.last()));
  }
  EXPECT_EQ(talk.server->server_name(), peer.options.server_name);
  return talk.server->resumed();
}

TEST(Tickets, ResumeHereAndWhereverTheKeysAreTheSame) {
  for (const int version : kVersions) {
    const auto server = make_server(with_tickets({ticket_key(1)}));
    const auto twin = make_server(with_tickets({ticket_key(1)}));
    const auto other = make_server(with_tickets({ticket_key(2)}));
    RawPeer peer({.max_version = version, .server_name = "a.example"});
    EXPECT_FALSE(resumes(*server, peer));
    EXPECT_TRUE(resumes(*server, peer));
    EXPECT_TRUE(resumes(*twin, peer));
    EXPECT_FALSE(resumes(*other, peer));
  }
}

TEST(Tickets, AreNotGivenWithoutKeys) {
  for (const int version : kVersions) {
    const auto server = make_server(with_tickets({}));
    RawPeer peer({.max_version = version, .server_name = "a.example"});
    EXPECT_FALSE(resumes(*server, peer));
    if (version == TLS1_3_VERSION) EXPECT_TRUE(peer.sessions.empty());
    EXPECT_FALSE(resumes(*server, peer));
    server->set_tickets({ticket_key(1)});
    EXPECT_FALSE(resumes(*server, peer));
    EXPECT_TRUE(resumes(*server, peer));
  }
}

TEST(Tickets, SurviveARotationAndAreRenewedByIt) {
  for (const int version : kVersions) {
    SCOPED_TRACE(version);
    const auto server = make_server(with_tickets({ticket_key(1)}));
    RawPeer peer({.max_version = version, .server_name = "a.example"});
    EXPECT_FALSE(resumes(*server, peer));
    server->set_tickets({ticket_key(2), ticket_key(1)});
    EXPECT_TRUE(resumes(*server, peer));  // The old key still decrypts; a new ticket comes.
    server->set_tickets({ticket_key(2)});
    EXPECT_TRUE(resumes(*server, peer));
    server->set_tickets({ticket_key(3)});
    EXPECT_FALSE(resumes(*server, peer));  // Dropped: a full handshake, and no failure.
    EXPECT_TRUE(resumes(*server, peer));
  }
}

TEST(Tickets, AreForOneName) {
  for (const int version : kVersions) {
    const auto server = make_server(with_tickets({ticket_key(1)}));
    RawPeer peer({.max_version = version, .server_name = "a.example"});
    EXPECT_FALSE(resumes(*server, peer));
    peer.options.server_name = "b.example";
    EXPECT_FALSE(resumes(*server, peer));
    peer.options.server_name = "";
    EXPECT_FALSE(resumes(*server, peer));
    EXPECT_TRUE(resumes(*server, peer));
  }
}

TEST(Tickets, OfAResumedSessionCoverOnlyWhatAllCertificatesCover) {
  const auto wide = std::make_shared<KeyPair>(
      authority().issue({.names = {"a.example", "wide.example"}, .key = "RSA-2048"}));
  ServerOptions options = with_tickets({ticket_key(1)});
  options.certificates.push_back(wide);
  const auto server = make_server(options);
  RawPeer peer({.server_name = "a.example", .signatures = "RSA-PSS+SHA256"});
  {
    Talk talk(*server, peer);
    ASSERT_TRUE(talk.handshake());
    EXPECT_TRUE(talk.server->covers("wide.example"));
    (void)Talk::send(*talk.server, *talk.client, "x");
  }
  Talk talk(*server, peer);
  ASSERT_TRUE(talk.handshake());
  ASSERT_TRUE(talk.server->resumed());
  EXPECT_TRUE(talk.server->covers("a.example"));
  EXPECT_FALSE(talk.server->covers("wide.example"));
}

}  // namespace
}  // namespace bd::tls
