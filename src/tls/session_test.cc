// What a session does with data, once hands are shaken.
#include "tls/session.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tls/talk_for_test.h"

namespace bd::tls {
namespace {

using enum Session::Status;

/// A connection that is ready for data.
struct Ready : Talk {
  explicit Ready(std::size_t piece = 1 << 20, int version = TLS1_3_VERSION)
      : Ready(std::make_unique<RawPeer>(RawOptions{.max_version = version}), piece) {}

  std::unique_ptr<ServerContext> context = make_server(server_options({pair_for("a.example")}));
  std::unique_ptr<RawPeer> peer;

 private:
  Ready(std::unique_ptr<RawPeer> by, std::size_t piece) : Talk(piece), peer(std::move(by)) {
    client = peer->open(client_wire);
    server = context->accept(server_wire);
    EXPECT_TRUE(handshake());
    server_wire.receives = server_wire.sends = client_wire.receives = client_wire.sends = 0;
  }
};

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 31 + i / 251);
  return out;
}

iovec part(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

Session::Moved write(Session& session, std::initializer_list<std::string_view> parts) {
  std::vector<iovec> all;
  for (const std::string_view one : parts) all.push_back(part(one));
  return session.write(all);
}

TEST(Session, MovesDataOfAnySizeInAnyPieces) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const std::size_t piece : {1uz, 7uz, 1uz << 20}) {
      Ready talk(piece, version);
      for (const std::size_t size : {1uz, 100uz, 16384uz, 16385uz, 100'000uz}) {
        const std::string data = pattern(size);
        EXPECT_EQ(Talk::send(*talk.client, *talk.server, data), data);
        EXPECT_EQ(Talk::send(*talk.server, *talk.client, data), data);
      }
    }
  }
}

TEST(Session, TellsAnEndFromATruncation) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool closes : {true, false}) {
      Ready talk(1 << 20, version);
      ASSERT_EQ(write(*talk.client, {"last"}).status, ok);
      if (closes) talk.client->close();
      talk.client->close();  // Once is enough.
      if (!closes) talk.to_server.bytes.resize(talk.to_server.bytes.size() / 2);
      talk.to_server.ended = true;
      Session::Status status = ok;
      EXPECT_EQ(Talk::read_all(*talk.server, &status), closes ? "last" : "");
      EXPECT_EQ(status, closes ? end : error);
      EXPECT_STREQ(talk.server->error(), closes ? "" : "truncated");
      char more[10];
      EXPECT_EQ(talk.server->read(more).status, status);  // It stays so.
      EXPECT_FALSE(talk.server->has_pending());
      // The other direction is open still: an answer can be sent.
      talk.to_client.bytes.clear();
      EXPECT_EQ(write(*talk.server, {"answer"}).status, ok);
      EXPECT_FALSE(talk.to_client.bytes.empty());
    }
  }
}

TEST(Session, IsTruncatedByABareEndToo) {
  Ready talk;
  ASSERT_EQ(write(*talk.client, {"whole"}).status, ok);
  talk.to_server.ended = true;
  Session::Status status = ok;
  EXPECT_EQ(Talk::read_all(*talk.server, &status), "whole");
  EXPECT_EQ(status, error);
  EXPECT_STREQ(talk.server->error(), "truncated");
}

TEST(Session, DeliversBytesBeforeTheEndThatCameWithThem) {
  Ready talk;
  ASSERT_EQ(write(*talk.client, {"last"}).status, ok);
  talk.client->close();
  char into[100];
  EXPECT_EQ(talk.server->read(into).bytes, 4u);
  EXPECT_TRUE(talk.server->has_pending());  // The wire is silent now, so somebody must say it.
  EXPECT_EQ(talk.server->read(into).status, end);
  EXPECT_FALSE(talk.server->has_pending());
}

TEST(Session, RefusesAForgedRecord) {
  Ready talk;
  ASSERT_EQ(write(*talk.client, {"data"}).status, ok);
  talk.to_server.bytes.back() ^= 1;
  Session::Status status = ok;
  EXPECT_EQ(Talk::read_all(*talk.server, &status), "");
  EXPECT_EQ(status, error);
  EXPECT_STREQ(talk.server->error(), "decryption failed or bad record mac");
  EXPECT_EQ(write(*talk.server, {"x"}).status, error);
}

TEST(Session, DiesWithItsWire) {
  Ready talk;
  talk.server_wire.broken = true;
  char into[10];
  EXPECT_EQ(talk.server->read(into).status, error);
  EXPECT_STREQ(talk.server->error(), "the connection is broken");
  EXPECT_EQ(write(*talk.server, {"x"}).status, error);
  const int sends = talk.server_wire.sends;
  talk.server->close();
  EXPECT_EQ(talk.server_wire.sends, sends);
}

TEST(Session, AsksTheWireOncePerRead) {
  Ready talk;
  for (int i = 0; i < 5; ++i) ASSERT_EQ(write(*talk.client, {"12345"}).status, ok);
  char into[16 << 10];
  const Session::Moved all = talk.server->read(into);
  EXPECT_EQ(all.bytes, 25u);  // Five records.
  EXPECT_EQ(talk.server_wire.receives, 1);
  EXPECT_FALSE(talk.server->has_pending());
  EXPECT_EQ(talk.server->read(into).status, again);
  EXPECT_EQ(talk.server_wire.receives, 2);
}

TEST(Session, KnowsWhatIsPending) {
  Ready talk;
  EXPECT_FALSE(talk.server->has_pending());
  ASSERT_EQ(write(*talk.client, {"0123456789"}).status, ok);
  ASSERT_EQ(write(*talk.client, {"abc"}).status, ok);
  EXPECT_FALSE(talk.server->has_pending());  // On the wire, not here.
  char into[4];
  std::string got;
  do {
    const Session::Moved moved = talk.server->read(into);
    ASSERT_EQ(moved.status, ok);
    got.append(into, moved.bytes);
  } while (talk.server->has_pending());
  EXPECT_EQ(got, "0123456789abc");
  EXPECT_EQ(talk.server_wire.receives, 1);

  // Half a record is nothing to read.
  ASSERT_EQ(write(*talk.client, {"xyz"}).status, ok);
  const std::string rest = talk.to_server.bytes.substr(10);
  talk.to_server.bytes.resize(10);
  EXPECT_EQ(talk.server->read(into).status, again);
  EXPECT_FALSE(talk.server->wants_write());
  EXPECT_FALSE(talk.server->has_pending());
  talk.to_server.bytes = rest;
  EXPECT_EQ(talk.server->read(into).bytes, 3u);
}

TEST(Session, GathersSmallPartsIntoOneRecord) {
  Ready talk;
  const std::string big = pattern(40'000);
  const Session::Moved moved = write(*talk.server, {"head ", "", "and ", big, "tail"});
  EXPECT_EQ(moved.status, ok);
  EXPECT_EQ(moved.bytes, 9 + big.size() + 4);
  EXPECT_EQ(talk.server_wire.sends, 3);  // 40,013 bytes in records of 16 KiB.
  EXPECT_EQ(Talk::read_all(*talk.client), "head and " + big + "tail");
  EXPECT_EQ(write(*talk.server, {}).bytes, 0u);
  EXPECT_EQ(write(*talk.server, {"", ""}).bytes, 0u);
  EXPECT_EQ(talk.server_wire.sends, 3);
}

// The wire takes little; each next call presents the rest, divided anew.
TEST(Session, GoesOnWhereTheWireStopped) {
  for (const std::size_t room : {1uz, 100uz, 20'000uz}) {
    SCOPED_TRACE(room);
    Ready talk;
    const std::string data = pattern(50'000);
    std::string got;
    std::size_t sent = 0;
    int agains = 0;
    talk.to_client.room = room;
    for (std::size_t cut = 1; sent < data.size(); cut = cut * 3 % 30'011) {
      const std::string_view rest = std::string_view(data).substr(sent);
      const std::size_t first = std::min(cut, rest.size());
      const Session::Moved moved = write(*talk.server, {rest.substr(0, first), rest.substr(first)});
      ASSERT_NE(moved.status, error) << talk.server->error();
      if (moved.status == again) {
        EXPECT_EQ(moved.bytes, 0u);
        ++agains;
      } else {
        EXPECT_GT(moved.bytes, 0u);
      }
      sent += moved.bytes;
      got += Talk::read_all(*talk.client);
    }
    EXPECT_EQ(sent, data.size());
    EXPECT_EQ(got, data);
    EXPECT_EQ(agains > 0, room < 16'384);
  }
}

TEST(Session, DoesNotLetAWaitingWriteSpeakForARead) {
  Ready talk;
  talk.to_client.room = 0;
  EXPECT_EQ(write(*talk.server, {"x"}).status, again);
  char into[10];
  EXPECT_EQ(talk.server->read(into).status, again);
  EXPECT_FALSE(talk.server->wants_write());
  ASSERT_EQ(write(*talk.client, {"y"}).status, ok);
  EXPECT_EQ(talk.server->read(into).bytes, 1u);
}

// Each KeyUpdate costs its sender nothing and us two derivations.
TEST(Session, EndsAFloodOfKeyUpdates) {
  Ready talk;
  char into[10];
  const auto updates = [&](int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(SSL_key_update(talk.peer->last(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      ASSERT_EQ(SSL_do_handshake(talk.peer->last()), 1);
    }
  };
  for (int i = 0; i < 5; ++i) {
    updates(20);
    ASSERT_EQ(write(*talk.client, {"data"}).status, ok);
    EXPECT_EQ(talk.server->read(into).bytes, 4u);
  }
  updates(40);
  EXPECT_EQ(talk.server->read(into).status, error);
  EXPECT_STREQ(talk.server->error(), "the peer sends records without data");
}

TEST(Session, RefusesToRenegotiate) {
  Ready talk(1 << 20, TLS1_2_VERSION);
  ASSERT_EQ(SSL_renegotiate(talk.peer->last()), 1);
  (void)SSL_do_handshake(talk.peer->last());
  char into[10];
  EXPECT_EQ(talk.server->read(into).status, again);
  EXPECT_NE(SSL_do_handshake(talk.peer->last()), 1);
  EXPECT_STREQ(talk.server->error(), "");
}

}  // namespace
}  // namespace bd::tls
