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

/// A server that is about to see its client's end of the handshake, and what follows it.
struct Almost : Talk {
  explicit Almost(bool has_asked) {
    client = peer->open(client_wire);
    server = context->accept(server_wire);
    EXPECT_EQ(client->handshake(), Session::Status::again);
    EXPECT_EQ(server->handshake(), Session::Status::again);
    EXPECT_EQ(client->handshake(), Session::Status::ok);
    if (has_asked) EXPECT_EQ(say(*client).status, Session::Status::ok);
    server_wire.sends = 0;
  }
  static Session::Moved say(Session& session) {
    const iovec part{const_cast<char*>(kWord.data()), kWord.size()};
    return session.write({&part, 1});
  }
  static constexpr std::string_view kWord = "hello";
  std::unique_ptr<ServerContext> context = make_server(with_tickets({ticket_key(1)}));
  std::unique_ptr<RawPeer> peer = std::make_unique<RawPeer>(RawOptions{});
};

TEST(Tickets, GoTogetherAndWithTheFirstAnswer) {
  Almost asked(true);
  ASSERT_EQ(asked.server->handshake(), Session::Status::ok);
  EXPECT_EQ(Talk::read_all(*asked.server).substr(0, 5), Almost::kWord);
  EXPECT_EQ(asked.server_wire.sends, 1);  // The read after the last byte: no answer is in sight.

  Almost answered(true);
  ASSERT_EQ(answered.server->handshake(), Session::Status::ok);
  EXPECT_EQ(Talk::send(*answered.server, *answered.client, "answer"), "answer");
  EXPECT_EQ(answered.server_wire.sends, 1);
  EXPECT_EQ(answered.peer->sessions.size(), 2u);

  Almost silent(false);
  ASSERT_EQ(silent.server->handshake(), Session::Status::ok);
  EXPECT_EQ(silent.server_wire.sends, 1);  // Nobody else would send them.
  EXPECT_EQ(Talk::read_all(*silent.client), "");
  EXPECT_EQ(silent.peer->sessions.size(), 2u);
}

TEST(Tickets, WaitForAWireThatIsFull) {
  for (const std::size_t room : {0uz, 1uz, 300uz}) {
    Almost silent(false);
    silent.to_client.room = room;
    EXPECT_EQ(silent.server->handshake(), Session::Status::again);
    EXPECT_TRUE(silent.server->wants_write());
    silent.to_client.room = 1 << 20;
    EXPECT_EQ(silent.server->handshake(), Session::Status::ok);
    EXPECT_FALSE(silent.server->wants_write());
    EXPECT_EQ(Talk::read_all(*silent.client), "");
    EXPECT_EQ(silent.peer->sessions.size(), 2u);

    Almost asked(true);
    asked.to_client.room = room;
    EXPECT_EQ(asked.server->handshake(), Session::Status::ok);
    EXPECT_EQ(Almost::say(*asked.server).status, Session::Status::again);
    asked.to_client.room = 1 << 20;
    EXPECT_EQ(Talk::send(*asked.server, *asked.client, Almost::kWord), Almost::kWord);
    EXPECT_EQ(asked.peer->sessions.size(), 2u);
  }
}

}  // namespace
}  // namespace bd::tls
