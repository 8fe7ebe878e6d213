// PROXY protocol headers: in front of what clients send, and in front of what upstreams get.

#include <gtest/gtest.h>

#include "base/ascii.h"
#include "proxy/door_for_test.h"
#include "proxyprotocol/header.h"
#include "proxyprotocol/write.h"

namespace bd::proxy {
namespace {

using telemetry::Counter;
using testing::Client;
using testing::contains;
using testing::eventually;
using testing::kOk;
using testing::ManualUpstream;
using testing::ScriptedUpstream;
using testing::TestDoor;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kV1 = "PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\n";

SocketAddress address(std::string_view text) {
  return SocketAddress::parse(text).value();
}

void from_loopback(model::Listener& listener) {
  listener.proxy_protocol_from = {Cidr::parse("127.0.0.0/8").value()};
}
void from_elsewhere(model::Listener& listener) {
  listener.proxy_protocol_from = {Cidr::parse("198.51.100.0/24").value()};
}

TEST(ProxyHeaderIn, TellsWhoTheClientIs) {
  const struct {
    std::string header;
    const char* client;
  } cases[] = {
      {std::string(kV1), "192.0.2.7"},
      {"PROXY TCP6 2001:db8::7 2001:db8::1 5000 80\r\n", "2001:db8::7"},
      {"PROXY UNKNOWN\r\n", "127.0.0.1"},
      {proxyprotocol::write_v2(address("192.0.2.8:5000"), address("192.0.2.1:80")), "192.0.2.8"},
  };
  ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(kOk); });
  TestDoor door(from_loopback);
  door.route("a.test", {upstream.port()});
  for (const auto& c : cases) {
    SCOPED_TRACE(c.client);
    Client client(door.port());
    client.send(c.header + std::string(kGet));
    EXPECT_TRUE(contains(client.response(), "200 OK"));
    ASSERT_FALSE(upstream.requests().empty());
    const std::string got = ascii::to_lower(upstream.requests().back());
    EXPECT_TRUE(contains(got, fmt::format("x-forwarded-for: {}\r\n", c.client))) << got;
  }
  EXPECT_EQ(door.counter(Counter::proxy_headers), std::size(cases));
}

TEST(ProxyHeaderIn, ComesInPiecesToo) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(kOk); });
  TestDoor door(from_loopback);
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  for (const char byte : kV1) client.send({&byte, 1});
  client.send(kGet);
  EXPECT_TRUE(contains(client.response(), "200 OK"));
}

TEST(ProxyHeaderIn, IsWhatABalancerMustSend) {
  TestDoor door(from_loopback);
  door.route("a.test", {});
  for (const std::string_view bytes : {kGet, std::string_view("PROXY TCP4 x\r\n")}) {
    Client client(door.port());
    client.send(bytes);
    EXPECT_EQ(client.rest(), "");
    EXPECT_TRUE(client.at_end() || client.was_reset());
  }
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::proxy_header_failures) == 2; }));
}

TEST(ProxyHeaderIn, IsRefusedFromAStranger) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(kOk); });
  TestDoor door(from_elsewhere);
  door.route("a.test", {upstream.port()});
  const std::string v2 =
      proxyprotocol::write_v2(address("192.0.2.8:5000"), address("192.0.2.1:80"));
  for (const std::string& header : {std::string(kV1), v2}) {
    Client client(door.port());
    client.send(header + std::string(kGet));
    EXPECT_TRUE(client.rest().starts_with("HTTP/1.1 400"));
  }
  EXPECT_TRUE(upstream.requests().empty());
  EXPECT_EQ(door.counter(Counter::proxy_headers), 0u);
}

TEST(ProxyHeaderOut, NamesTheClientInFrontOfEachConnection) {
  for (const auto kind : {model::ProxyHeader::v1, model::ProxyHeader::v2}) {
    ManualUpstream upstream;
    TestDoor door(from_loopback);
    door.route("a.test", {upstream.port()});
    door.door.upstreams["default/a.test:80"].proxy_header = kind;
    door.apply();
    Client client(door.port());
    client.send(std::string(kV1) + std::string(kGet));
    Client server = upstream.accept();
    const std::string got =
        server.receive_until([](std::string_view bytes) { return bytes.ends_with("\r\n\r\n"); });
    const auto header = proxyprotocol::parse(got);
    ASSERT_TRUE(header && *header) << got;
    EXPECT_EQ((*header)->version, kind == model::ProxyHeader::v1 ? 1 : 2);
    EXPECT_EQ((*header)->source, address("192.0.2.7:5000"));
    EXPECT_TRUE(std::string_view(got).substr((*header)->size).starts_with("GET / HTTP/1.1"));
    server.send(kOk);
    EXPECT_TRUE(contains(client.response(), "200 OK"));
  }
}

TEST(ProxyHeaderOut, LetsNoTwoClientsShareAConnection) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  door.door.upstreams["default/a.test:80"].proxy_header = model::ProxyHeader::v1;
  door.apply();
  for (int i = 0; i < 2; ++i) {
    Client client(door.port());
    client.send(kGet);
    Client server = upstream.accept();  // Each has its own.
    const std::string got =
        server.receive_until([](std::string_view bytes) { return bytes.ends_with("\r\n\r\n"); });
    EXPECT_TRUE(got.starts_with("PROXY TCP4 127.0.0.1 ")) << got;
    server.send(kOk);
    EXPECT_TRUE(contains(client.response(), "200 OK"));
  }
  EXPECT_EQ(door.counter(Counter::upstream_connects), 2u);
}

}  // namespace
}  // namespace bd::proxy
