// WebSockets through a door: RFC 6455 from HTTP/1.1, RFC 8441 from HTTP/2. The upstream speaks
// HTTP/1.1.

#include <gtest/gtest.h>

#include <atomic>

#include "base/ascii.h"
#include "proxy/door_for_test.h"
#include "proxy/h2_peer_for_test.h"
#include "websocket/handshake.h"

namespace bd::proxy {
namespace {

using telemetry::Counter;
using testing::Client;
using testing::contains;
using testing::eventually;
using testing::H2Peer;
using testing::head_is_there;
using testing::ManualUpstream;
using testing::Names;
using testing::TestDoor;

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kHello = "\x81\x05hello";  // One text frame of a server.

std::string upgrade_to(std::string_view token) {
  return fmt::format(
      "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: {}\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
      token, kKey);
}

std::string switching(std::string_view key) {
  return fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: {}\r\n\r\n",
      websocket::accept_key(key));
}

/// The value of a field of a head, whose names may be in any case.
std::string value_of(const std::string& head, const std::string& name) {
  const std::string lower = ascii::to_lower(head);
  const std::size_t at = lower.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find('\r', begin) - begin);
}

struct WebSocket : ::testing::Test {
  WebSocket() { door.route("a.test", {upstream.port()}); }
  ManualUpstream upstream;
  TestDoor door;
};

TEST_F(WebSocket, CarriesBytesBothWaysAfterTheSwitch) {
  Client client(door.port());
  client.send(upgrade_to("websocket"));
  Client server = upstream.accept();
  const std::string asked = server.receive_until(head_is_there);
  EXPECT_EQ(value_of(asked, "sec-websocket-key"), kKey);
  EXPECT_EQ(ascii::to_lower(value_of(asked, "upgrade")), "websocket");
  server.send(switching(kKey) + std::string(kHello));  // Not a byte of the tunnel is lost.
  const std::string got =
      client.receive_until([](std::string_view bytes) { return bytes.ends_with(kHello); });
  EXPECT_TRUE(got.starts_with("HTTP/1.1 101 ")) << got;
  EXPECT_TRUE(got.ends_with(kHello));
  const std::string masked("\x81\x82\0\0\0\0hi", 8);
  client.send(masked);
  EXPECT_EQ(server.receive_until([&](std::string_view bytes) { return bytes.size() >= 8; }),
            masked);
  EXPECT_EQ(door.counter(Counter::websockets), 1u);
  server.finish_sending();
  client.finish_sending();
  EXPECT_EQ(client.rest(), "");
  EXPECT_TRUE(client.at_end());
}

TEST_F(WebSocket, RefusesASwitchThatNobodyAskedFor) {
  const std::string other_key = "AAAAAAAAAAAAAAAAAAAAAA==";
  const struct {
    const char* name;
    std::string request;
    std::string answer;
  } cases[] = {
      {"wrong accept", upgrade_to("websocket"), switching(other_key)},
      {"no accept", upgrade_to("websocket"),
       "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
      {"other protocol", upgrade_to("websocket"),
       "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
      {"no upgrade asked", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", switching(kKey)},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    Client client(door.port());
    client.send(c.request);
    Client server = upstream.accept();
    server.receive_until(head_is_there);
    server.send(c.answer);
    EXPECT_TRUE(client.response().starts_with("HTTP/1.1 502"));
  }
  EXPECT_EQ(door.counter(Counter::websockets), 0u);
}

TEST_F(WebSocket, DropsOtherTokensOfUpgrade) {
  for (const char* token : {"h2c", "TLS/1.0", "foo"}) {
    SCOPED_TRACE(token);
    Client client(door.port());
    client.send(upgrade_to(token));
    Client server = upstream.accept();
    const std::string asked = server.receive_until(head_is_there);
    EXPECT_EQ(value_of(asked, "upgrade"), "");
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    EXPECT_TRUE(client.response().starts_with("HTTP/1.1 200"));
  }
}

TEST_F(WebSocket, PassesARefusalOn) {
  Client client(door.port());
  client.send(upgrade_to("websocket"));
  Client server = upstream.accept();
  server.receive_until(head_is_there);
  server.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  const std::string response = client.response();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 403")) << response;
  EXPECT_TRUE(response.ends_with("no"));
}

TEST_F(WebSocket, SaysGoodbyeBetweenTwoFramesWhenTheDoorDrains) {
  Client client(door.port());
  client.send(upgrade_to("websocket"));
  Client server = upstream.accept();
  server.receive_until(head_is_there);
  server.send(switching(kKey) + std::string(kHello));
  client.receive_until([](std::string_view bytes) { return bytes.ends_with(kHello); });
  std::atomic<bool> drained{false};
  door.server().drain([&] { drained = true; });
  // Both hear 1001, going away; what goes to the server is masked.
  const std::string_view close("\x88\x02\x03\xe9", 4);
  EXPECT_EQ(client.receive_until([&](std::string_view bytes) { return bytes.size() >= 4; }), close);
  const std::string masked =
      server.receive_until([](std::string_view bytes) { return bytes.size() >= 8; });
  ASSERT_EQ(masked.size(), 8u);
  EXPECT_EQ(masked.substr(0, 2), "\x88\x82");
  EXPECT_EQ(masked[6] ^ masked[2], 0x03);
  EXPECT_EQ(static_cast<unsigned char>(masked[7] ^ masked[3]), 0xe9);
  client.finish_sending();
  server.finish_sending();
  EXPECT_TRUE(eventually([&] { return drained.load(); }));
}

TEST_F(WebSocket, ComesOverHttp2ByExtendedConnect) {
  H2Peer client(Client(door.port()).take(), http2::Role::client);
  const Names names{{":method", "CONNECT"}, {":protocol", "websocket"},
                    {":scheme", "http"},    {":authority", "a.test"},
                    {":path", "/chat"},     {"sec-websocket-version", "13"}};
  // Not before the door's settings allow it (RFC 8441 §3): those come with a first answer.
  const std::int32_t probe = client.request(testing::h2_request("GET", "/-/healthz"), true);
  ASSERT_TRUE(client.until_closed(probe));
  const std::int32_t id = client.request(names, false);
  static_cast<void>(client.until([] { return true; }));
  Client server = upstream.accept();
  const std::string asked = server.receive_until(head_is_there);
  EXPECT_TRUE(asked.starts_with("GET /chat HTTP/1.1\r\n")) << asked;
  server.send(switching(value_of(asked, "sec-websocket-key")) + std::string(kHello));
  ASSERT_TRUE(client.until([&] { return client.streams[id].body == kHello; }));
  EXPECT_EQ(client.streams[id].status, 200);
  EXPECT_EQ(client.streams[id].fields.count("sec-websocket-accept"), 0u);
  EXPECT_EQ(client.connection.write(id, "up"), 2u);
  client.finish(id);
  static_cast<void>(client.until([] { return true; }));
  EXPECT_EQ(server.rest(), "up");
  EXPECT_TRUE(server.at_end());
}

}  // namespace
}  // namespace bd::proxy
