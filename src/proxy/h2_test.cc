// Clients that speak HTTP/2 to a door, without TLS. The upstreams speak HTTP/1.1.

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
using testing::head_is_there;
using testing::ManualUpstream;
using testing::Names;
using testing::ScriptedUpstream;
using testing::TestDoor;

std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

H2Peer connect(const TestDoor& door) {
  return {Client(door.port()).take(), http2::Role::client};
}

TEST(H2Door, CarriesABodyBothWaysHoweverItIsCut) {
  ScriptedUpstream upstream([](const std::string& request, bool&) {
    return ok(request.substr(request.find("\r\n\r\n") + 4));
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  H2Peer client = connect(door);
  for (const bool has_length : {true, false}) {
    for (const bool is_at_once : {true, false}) {
      SCOPED_TRACE(fmt::format("length {} at once {}", has_length, is_at_once));
      Names more;
      if (has_length) more.emplace_back("content-length", "5");
      const std::int32_t id = client.request(h2_request("POST", "/", more), false);
      if (!is_at_once) static_cast<void>(client.until([] { return true; }));
      EXPECT_EQ(client.connection.write(id, "hello"), 5u);
      client.finish(id);
      ASSERT_TRUE(client.until_closed(id));
      EXPECT_EQ(client.streams[id].status, 200);
      EXPECT_EQ(client.streams[id].closed, http2::kNoError);
      EXPECT_TRUE(contains(client.streams[id].body, "hello")) << client.streams[id].body;
    }
  }
  EXPECT_EQ(door.counter(Counter::http2_connections), 1u);
}

TEST(H2Door, EndsAResponseWithoutABodyWithItsHead) {
  struct Case {
    const char* method;
    const char* answer;
    int status;
  };
  constexpr Case cases[] = {
      {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200},
      {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204},
      {"GET", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", 304},
      {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.answer);
    ScriptedUpstream upstream([&](const std::string&, bool&) { return c.answer; });
    TestDoor door;
    door.route("a.test", {upstream.port()});
    H2Peer client = connect(door);
    const std::int32_t id = client.request(h2_request(c.method, "/"), true);
    ASSERT_TRUE(client.until_closed(id));
    EXPECT_EQ(client.streams[id].status, c.status);
    EXPECT_TRUE(client.streams[id].ended_with_head);
    EXPECT_EQ(client.streams[id].closed, http2::kNoError);
    if (c.method == std::string_view("HEAD")) {
      EXPECT_EQ(client.streams[id].fields["content-length"], "9");
    }
  }
}

TEST(H2Door, PassesTrailersOfAnHttp1Upstream) {
  ScriptedUpstream upstream([](const std::string&, bool&) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n"
           "Content-Length: 3\r\n\r\n";
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  H2Peer client = connect(door);
  const std::int32_t id = client.request(h2_request("GET", "/"), true);
  ASSERT_TRUE(client.until_closed(id));
  EXPECT_EQ(client.streams[id].body, "hi");
  EXPECT_EQ(client.streams[id].trailers, (std::map<std::string, std::string>{{"x-sum", "7"}}));
}

TEST(H2Door, NeverEndsATruncatedResponseWell) {
  for (const char* answer : {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfX"}) {
    SCOPED_TRACE(answer);
    ScriptedUpstream upstream([&](const std::string&, bool& close) {
      close = true;
      return answer;
    });
    TestDoor door;
    door.route("a.test", {upstream.port()});
    H2Peer client = connect(door);
    const std::int32_t id = client.request(h2_request("GET", "/"), true);
    ASSERT_TRUE(client.until_closed(id));
    EXPECT_FALSE(client.streams[id].ended);
    EXPECT_EQ(client.streams[id].closed, http2::kInternalError);
    // The others of the connection do not suffer.
    const std::int32_t other = client.request(h2_request("GET", "/-/healthz"), true);
    ASSERT_TRUE(client.until_closed(other));
    EXPECT_EQ(client.streams[other].closed, http2::kNoError);
  }
}

TEST(H2Door, ClosesTheUpstreamAtOnceWhenTheClientCancels) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  H2Peer client = connect(door);
  const std::int32_t id = client.request(h2_request("GET", "/"), true);
  static_cast<void>(client.until([] { return true; }));
  Client at_upstream = upstream.accept();
  EXPECT_TRUE(contains(at_upstream.receive_until(head_is_there), "GET / "));
  client.connection.reset(id, http2::kCancel);
  ASSERT_TRUE(client.until_closed(id));
  at_upstream.rest();
  EXPECT_TRUE(at_upstream.at_end() || at_upstream.was_reset());
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::client_aborts) == 1; }));
}

TEST(H2Door, AsksForNoMoreOfARequestThatWasAnsweredEarly) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  H2Peer client = connect(door);
  const std::int32_t id = client.request(h2_request("POST", "/"), false);
  EXPECT_EQ(client.connection.write(id, "part"), 4u);
  static_cast<void>(client.until([] { return true; }));
  Client at_upstream = upstream.accept();
  at_upstream.receive_until([](std::string_view bytes) { return contains(bytes, "part"); });
  at_upstream.send(ok("no, thanks"));
  ASSERT_TRUE(client.until_closed(id));
  EXPECT_EQ(client.streams[id].body, "no, thanks");
  EXPECT_TRUE(client.streams[id].ended);
  EXPECT_EQ(client.streams[id].closed, http2::kNoError);
}

TEST(H2Door, SaysContinueOnlyWhenABodyIsMissing) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok("done"); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  H2Peer client = connect(door);
  const Names expect{{"expect", "100-continue"}, {"content-length", "2"}};
  const std::int32_t id = client.request(h2_request("POST", "/", expect), false);
  ASSERT_TRUE(client.until([&] { return !client.streams[id].interim.empty(); }));
  EXPECT_EQ(client.streams[id].interim, std::vector{100});
  EXPECT_EQ(client.connection.write(id, "ab"), 2u);
  client.finish(id);
  ASSERT_TRUE(client.until_closed(id));
  EXPECT_EQ(client.streams[id].body, "done");
}

TEST(H2Door, AnswersWhatItWillNotServe) {
  struct Case {
    const char* name;
    Names request;
    int status;
  };
  const Case cases[] = {
      {"no route",
       {{":method", "GET"}, {":scheme", "http"}, {":authority", "b.test"}, {":path", "/"}},
       404},
      {"unknown expectation", h2_request("GET", "/", {{"expect", "tea"}}), 417},
      {"too large a field", h2_request("GET", "/", {{"x", std::string(70 << 10, 'x')}}), 431},
      {"too long a path", h2_request("GET", "/" + std::string(20 << 10, 'x')), 414},
  };
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok("served"); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    H2Peer client = connect(door);
    const std::int32_t id = client.request(c.request, true);
    ASSERT_TRUE(client.until_closed(id));
    EXPECT_EQ(client.streams[id].status, c.status);
  }
  EXPECT_TRUE(upstream.requests().empty());
}

TEST(H2Door, ResetsAStreamWhoseHostAndAuthorityDisagree) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok("served"); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  H2Peer client = connect(door);
  const std::int32_t id = client.request(h2_request("GET", "/", {{"host", "b.test"}}), true);
  ASSERT_TRUE(client.until_closed(id));
  EXPECT_EQ(client.streams[id].closed, http2::kProtocolError);
  EXPECT_TRUE(upstream.requests().empty());
}

TEST(H2Door, SpeaksGrpcInItsOwnAnswers) {
  TestDoor door;
  door.route("a.test", {});
  H2Peer client = connect(door);
  const Names grpc{{"content-type", "application/grpc"}, {"te", "trailers"}};
  const std::int32_t id = client.request(h2_request("POST", "/pkg.Service/Call", grpc), true);
  ASSERT_TRUE(client.until_closed(id));
  EXPECT_EQ(client.streams[id].status, 200);
  EXPECT_EQ(client.streams[id].fields["content-type"], "application/grpc");
  EXPECT_EQ(client.streams[id].fields["grpc-status"], "14");  // UNAVAILABLE
  EXPECT_TRUE(client.streams[id].ended_with_head);
}

TEST(H2Door, EndsAConnectionThatResetsWithoutEnd) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  H2Peer client = connect(door);
  for (int i = 0; i < 5000 && !client.at_end(); ++i) {
    const std::int32_t id = client.request(h2_request("GET", "/"), true);
    if (id < 0) break;
    static_cast<void>(client.until([] { return true; }));
    client.connection.reset(id, http2::kCancel);
    static_cast<void>(client.until([] { return true; }));
  }
  EXPECT_TRUE(client.until([&] { return client.at_end(); }));
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::http2_abuse) == 1; }));
}

}  // namespace
}  // namespace bd::proxy
