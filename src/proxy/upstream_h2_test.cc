// Upstreams that speak HTTP/2 without TLS; the clients speak HTTP/1.1 and HTTP/2.

#include <gtest/gtest.h>

#include "proxy/door_for_test.h"
#include "proxy/h2_peer_for_test.h"

namespace bd::proxy {
namespace {

using telemetry::Counter;
using testing::Client;
using testing::contains;
using testing::eventually;
using testing::h2_request;
using testing::H2Peer;
using testing::ManualUpstream;
using testing::TestDoor;

struct UpstreamH2 : ::testing::Test {
  UpstreamH2() {
    door.route("a.test", {upstream.port()});
    door.door.upstreams["default/a.test:80"].protocol = model::UpstreamProtocol::h2;
    door.apply();
  }
  H2Peer accept() const { return {upstream.accept().take(), http2::Role::server}; }
  static bool until_asked(H2Peer& peer, std::int32_t stream) {
    return peer.until([&] { return !peer.streams[stream].method.empty(); });
  }
  static void answer(H2Peer& peer, std::int32_t stream, std::string_view body) {
    peer.respond(stream, 200, {}, false);
    static_cast<void>(peer.connection.write(stream, body));
    peer.finish(stream);
    static_cast<void>(peer.until([] { return true; }));
  }

  ManualUpstream upstream;
  TestDoor door;
};

constexpr std::string_view kGet = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";

TEST_F(UpstreamH2, AnswersAnHttp1ClientWithChunks) {
  Client client(door.port());
  client.send("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
  H2Peer peer = accept();
  ASSERT_TRUE(peer.until([&] { return peer.streams[1].ended; }));
  EXPECT_EQ(peer.streams[1].method, "POST");
  EXPECT_EQ(peer.streams[1].authority, "a.test");
  EXPECT_EQ(peer.streams[1].path, "/x");
  EXPECT_EQ(peer.streams[1].body, "hello");
  EXPECT_EQ(peer.streams[1].fields["content-length"], "5");
  answer(peer, 1, "there");
  const std::string response = client.response();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200")) << response;
  EXPECT_TRUE(contains(response, "5\r\nthere\r\n0\r\n\r\n")) << response;
}

TEST_F(UpstreamH2, LetsOneConnectAndTheOthersShare) {
  Client first(door.port());
  Client second(door.port());
  first.send(kGet);
  second.send(kGet);
  H2Peer peer = accept();
  ASSERT_TRUE(until_asked(peer, 1));
  ASSERT_TRUE(until_asked(peer, 3));
  answer(peer, 3, "three");  // In another order than that of the streams.
  answer(peer, 1, "one");
  const std::string both = first.response() + second.response();
  EXPECT_TRUE(contains(both, "three"));
  EXPECT_TRUE(contains(both, "one"));
  EXPECT_EQ(door.counter(Counter::upstream_connects), 1u);
}

TEST_F(UpstreamH2, RepeatsWhatWasRefusedUnprocessed) {
  Client client(door.port());
  client.send("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
  H2Peer peer = accept();
  ASSERT_TRUE(until_asked(peer, 1));
  peer.connection.reset(1, http2::kRefusedStream);
  ASSERT_TRUE(until_asked(peer, 3));
  answer(peer, 3, "second");
  EXPECT_TRUE(contains(client.response(), "second"));
  EXPECT_EQ(door.counter(Counter::retries), 1u);
}

TEST_F(UpstreamH2, NeverRepeatsWhatMayHaveBeenDone) {
  Client client(door.port());
  client.send("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
  {
    H2Peer peer = accept();
    ASSERT_TRUE(until_asked(peer, 1));
    peer.connection.reset(1, http2::kInternalError);
    static_cast<void>(peer.until([] { return true; }));
    EXPECT_TRUE(client.response().starts_with("HTTP/1.1 502"));
  }
  EXPECT_EQ(door.counter(Counter::retries), 0u);
}

TEST_F(UpstreamH2, CancelsTheStreamAtOnceWhenTheClientCancels) {
  H2Peer client(Client(door.port()).take(), http2::Role::client);
  const std::int32_t id = client.request(h2_request("GET", "/"), true);
  static_cast<void>(client.until([] { return true; }));
  H2Peer peer = accept();
  ASSERT_TRUE(until_asked(peer, 1));
  client.connection.reset(id, http2::kCancel);
  static_cast<void>(client.until([] { return true; }));
  ASSERT_TRUE(peer.until_closed(1));
  EXPECT_EQ(peer.streams[1].closed, http2::kCancel);
  // The connection goes on.
  const std::int32_t next = client.request(h2_request("GET", "/"), true);
  static_cast<void>(client.until([] { return true; }));
  ASSERT_TRUE(until_asked(peer, 3));
  answer(peer, 3, "next");
  ASSERT_TRUE(client.until_closed(next));
  EXPECT_EQ(client.streams[next].body, "next");
  EXPECT_EQ(door.counter(Counter::upstream_connects), 1u);
}

TEST_F(UpstreamH2, PassesAnAbortInTheMiddleOn) {
  H2Peer client(Client(door.port()).take(), http2::Role::client);
  const std::int32_t id = client.request(h2_request("GET", "/"), true);
  static_cast<void>(client.until([] { return true; }));
  H2Peer peer = accept();
  ASSERT_TRUE(until_asked(peer, 1));
  peer.respond(1, 200, {}, false);
  EXPECT_EQ(peer.connection.write(1, "half"), 4u);
  static_cast<void>(peer.until([] { return true; }));
  ASSERT_TRUE(client.until([&] { return client.streams[id].body == "half"; }));
  peer.connection.reset(1, http2::kInternalError);
  static_cast<void>(peer.until([] { return true; }));
  ASSERT_TRUE(client.until_closed(id));
  EXPECT_FALSE(client.streams[id].ended);
  EXPECT_NE(client.streams[id].closed, http2::kNoError);
}

TEST_F(UpstreamH2, PassesTrailersBothWays) {
  H2Peer client(Client(door.port()).take(), http2::Role::client);
  const std::int32_t id = client.request(h2_request("POST", "/", {{"te", "trailers"}}), false);
  EXPECT_EQ(client.connection.write(id, "ask"), 3u);
  client.finish(id, {{"x-ask", "1"}});
  static_cast<void>(client.until([] { return true; }));
  H2Peer peer = accept();
  ASSERT_TRUE(peer.until([&] { return peer.streams[1].ended; }));
  EXPECT_EQ(peer.streams[1].body, "ask");
  EXPECT_EQ(peer.streams[1].trailers["x-ask"], "1");
  peer.respond(1, 200, {}, false);
  peer.finish(1, {{"grpc-status", "0"}, {"authorization", "no"}});
  static_cast<void>(peer.until([] { return true; }));
  ASSERT_TRUE(client.until_closed(id));
  EXPECT_EQ(client.streams[id].trailers,
            (std::map<std::string, std::string>{{"grpc-status", "0"}}));
}

TEST_F(UpstreamH2, TakesAnotherConnectionAfterAGoodbye) {
  Client client(door.port());
  client.send(kGet);
  H2Peer old = accept();
  ASSERT_TRUE(until_asked(old, 1));
  old.connection.shutdown();
  answer(old, 1, "last");
  EXPECT_TRUE(contains(client.response(), "last"));
  EXPECT_TRUE(old.until([&] { return old.at_end(); }));
  client.send(kGet);
  H2Peer young = accept();
  ASSERT_TRUE(until_asked(young, 1));
  answer(young, 1, "first");
  EXPECT_TRUE(contains(client.response(), "first"));
  EXPECT_EQ(door.counter(Counter::upstream_connects), 2u);
}

TEST_F(UpstreamH2, FinishesAStreamWhoseEndpointWasRemoved) {
  Client client(door.port());
  client.send(kGet);
  H2Peer peer = accept();
  ASSERT_TRUE(until_asked(peer, 1));
  door.endpoints("default/a.test:80", {});
  door.apply();
  Client other(door.port());
  EXPECT_TRUE(eventually([&] {
    other.send(kGet);
    return other.response().starts_with("HTTP/1.1 503");
  }));
  answer(peer, 1, "still here");
  EXPECT_TRUE(contains(client.response(), "still here"));
  EXPECT_TRUE(peer.until([&] { return peer.at_end(); }));
}

}  // namespace
}  // namespace bd::proxy
