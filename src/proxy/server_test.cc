#include "proxy/server.h"

#include <gtest/gtest.h>

#include "proxy/door_for_test.h"

namespace bd::proxy {
namespace {

using namespace std::chrono_literals;
using telemetry::Counter;
using testing::Client;
using testing::contains;
using testing::eventually;
using testing::ScriptedUpstream;
using testing::TestDoor;

std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-App: yes\r\n\r\n{}", body.size(),
                     body);
}

std::string get(std::string_view path, std::string_view more = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: a.test\r\n{}\r\n", path, more);
}

TEST(Door, ForwardsWhatWasMatchedAndAddsTheListenersFacts) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok("hello"); });
  TestDoor door([](model::Listener& l) {
    l.public_scheme = model::Scheme::https;
    l.public_port = 443;
  });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(
      "GET http://A.TEST:8443/x/./%7ey?q=1 HTTP/1.1\r\nHost: a.test.:8443\r\nX-Forwarded-For: "
      "6.6.6.6\r\n"
      "X_Forwarded_Proto: http\r\nX-Forwarded-Host: evil\r\nForwarded: for=x\r\nConnection: "
      "Cookie\r\n"
      "Cookie: c=1\r\nX-Amzn-Oidc-Identity: root\r\nX-Request-Id: mine\r\n\r\n");
  const std::string response = client.response();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n")) << response;
  EXPECT_TRUE(contains(response, "X-App: yes"));
  EXPECT_TRUE(response.ends_with("hello"));
  const std::string seen = upstream.requests().at(0);
  EXPECT_TRUE(seen.starts_with("GET /x/~y?q=1 HTTP/1.1\r\nHost: a.test:8443\r\n")) << seen;
  EXPECT_TRUE(contains(seen, "X-Forwarded-For: 127.0.0.1\r\n"));
  EXPECT_TRUE(contains(seen, "X-Forwarded-Proto: https\r\n"));
  EXPECT_TRUE(contains(seen, "X-Forwarded-Port: 443\r\n"));
  EXPECT_TRUE(contains(seen, "X-Forwarded-Host: a.test:8443\r\n"));
  EXPECT_TRUE(contains(seen, "X-Blastdoor-Hop: 1\r\n"));
  EXPECT_TRUE(contains(seen, "Cookie: c=1\r\n"));
  for (const char* gone :
       {"6.6.6.6", "X_Forwarded", "evil", "for=x", "Connection", "root", "mine"}) {
    EXPECT_FALSE(contains(seen, gone)) << gone;
  }
  EXPECT_EQ(door.counter(Counter::forwarded_for_ignored), 1U);
  EXPECT_EQ(door.counter(Counter::forwarded_proto_mismatch), 1U);
}

TEST(Door, TrustsTheLastForwardedForOfATrustedPeer) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok(""); });
  TestDoor door([](model::Listener& l) { l.trusted_peers = {*Cidr::parse("127.0.0.0/8")}; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/", "X-Forwarded-For: 6.6.6.6, 9.9.9.9:1234\r\nX-Amzn-Trace-Id: Root=1\r\n"));
  (void)client.response();
  const std::string seen = upstream.requests().at(0);
  EXPECT_TRUE(contains(seen, "X-Forwarded-For: 9.9.9.9, 127.0.0.1\r\n")) << seen;
  EXPECT_TRUE(contains(seen, "X-Amzn-Trace-Id: Root=1\r\n"));
}

TEST(Door, KeepsBothConnectionsAndAnswersPipelinedRequestsInOrder) {
  ScriptedUpstream upstream(
      [](const std::string& request, bool&) { return ok(request.substr(4, 2)); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/1") + get("/2") + get("/3"));
  for (const char* want : {"/1", "/2", "/3"})
    EXPECT_TRUE(client.response().ends_with(want)) << want;
  EXPECT_EQ(upstream.connections(), 1);
  EXPECT_EQ(door.counter(Counter::upstream_reused), 2U);
}

TEST(Door, RelaysBodiesInBothFramings) {
  ScriptedUpstream upstream([](const std::string& request, bool&) {
    const std::string body = request.substr(request.find("\r\n\r\n") + 4);
    return fmt::format(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n", body.size(),
        body);
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nabcde");
  EXPECT_TRUE(client.response().ends_with("5\r\nabcde\r\n0\r\n\r\n"));
  client.send(
      "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n");
  (void)client.response();
  const std::string seen = upstream.requests().at(1);
  EXPECT_TRUE(contains(seen, "Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(seen.ends_with("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) << seen;
}

TEST(Door, RelaysLargeBodiesWithBackPressure) {
  const std::string large(3 << 20, 'x');
  ScriptedUpstream upstream([&](const std::string& request, bool&) {
    return ok(request.substr(request.find("\r\n\r\n") + 4));
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  std::thread sender([&] {
    client.send(
        fmt::format("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", large.size()));
    client.send(large);
  });
  sender.join();
  EXPECT_TRUE(client.response().ends_with(large));
}

TEST(Door, AnswersHeadWithoutABodyAndKeepsTheLength) {
  ScriptedUpstream upstream([](const std::string& request, bool&) -> std::string {
    if (request.starts_with("HEAD")) return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    return "HTTP/1.1 204 No Content\r\n\r\n";
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n" + get("/"));
  const std::string both = client.receive_until(
      [](std::string_view bytes) { return contains(bytes, "204") && bytes.ends_with("\r\n\r\n"); });
  EXPECT_TRUE(contains(both, "Content-Length: 10\r\n\r\nHTTP/1.1 204 No Content\r\n")) << both;
}

TEST(Door, ChunksAnAnswerThatEndsWithTheConnection) {
  ScriptedUpstream upstream([](const std::string&, bool& close) {
    close = true;
    return std::string("HTTP/1.0 200 OK\r\n\r\nuntil the end");
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/"));
  const std::string response = client.response();
  EXPECT_TRUE(contains(response, "Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(response.ends_with("d\r\nuntil the end\r\n0\r\n\r\n")) << response;
  Client old(door.port());
  old.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
  EXPECT_TRUE(old.rest().ends_with("Connection: close\r\n\r\nuntil the end"));
}

TEST(Door, ResetsTheClientWhenAnAnswerIsTruncated) {
  ScriptedUpstream upstream([](const std::string&, bool& close) {
    close = true;
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/"));
  (void)client.rest();
  EXPECT_TRUE(client.was_reset());
}

TEST(Door, SendsContinueBeforeItReadsTheBody) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok("done"); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(
      "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.response(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_TRUE(client.response().ends_with("done"));
  EXPECT_FALSE(contains(upstream.requests().at(0), "Expect"));
}

TEST(Door, RetriesOnceWhenAPooledConnectionWasClosed) {
  std::atomic<int> served{0};
  ScriptedUpstream upstream([&](const std::string&, bool& close) -> std::string {
    // The second request on a connection is never answered: the application closed it.
    if (++served == 2) {
      close = true;
      return "";
    }
    return ok("fine");
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/"));
  EXPECT_TRUE(client.response().ends_with("fine"));
  client.send(get("/"));
  EXPECT_TRUE(client.response().ends_with("fine"));
  EXPECT_EQ(door.counter(Counter::retries), 1U);
}

TEST(Door, TriesAnotherEndpointWhenOneRefuses) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok("fine"); });
  std::uint16_t closed_port = 0;
  {
    ScriptedUpstream gone([](const std::string&, bool&) { return ok(""); });
    closed_port = gone.port();
  }
  TestDoor door;
  door.route("a.test", {closed_port, upstream.port()});
  for (int i = 0; i < 8; ++i) {
    Client client(door.port());
    client.send(get("/"));
    EXPECT_TRUE(client.response().ends_with("fine"));
  }
}

TEST(Door, SaysWhyItAnswersItself) {
  TestDoor door;
  Client early(door.port());
  early.send(get("/"));
  EXPECT_TRUE(contains(early.response(), "503 Service Unavailable\r\n"));
  EXPECT_EQ(door.counter(Counter::before_table), 1U);
  door.route("a.test", {});
  model::VirtualHost other;
  other.host = *model::HostPattern::parse("b.test");
  other.routes.push_back({*model::PathPattern::parse(model::PathPattern::Kind::prefix, "/moved"),
                          model::Redirect{8443}, "x"});
  other.routes.push_back({*model::PathPattern::parse(model::PathPattern::Kind::prefix, "/bad"),
                          model::Refuse{"service-missing"}, "x"});
  door.put(other);
  door.apply();
  struct Case {
    const char* request;
    const char* status;
    const char* part;
  };
  constexpr Case cases[] = {
      {"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "503", "X-Blastdoor-Cause: no-endpoints"},
      {"GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n", "404", "X-Blastdoor-Cause: no-route"},
      {"GET /else HTTP/1.1\r\nHost: b.test\r\n\r\n", "404", "X-Request-Id: "},
      {"GET /moved/x?y=1 HTTP/1.1\r\nHost: b.test:80\r\n\r\n", "308",
       "Location: https://b.test:8443/moved/x?y=1\r\n"},
      {"GET /bad HTTP/1.1\r\nHost: b.test\r\n\r\n", "503", "X-Blastdoor-Finding: service-missing"},
      {"TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", "405", "Allow: "},
      {"PRI / HTTP/1.1\r\nHost: a.test\r\n\r\n", "405", "X-Blastdoor-Cause: method-refused"},
      {"GET / HTTP/1.1\r\nHost: a.test\r\nX-Blastdoor-Hop: 1\r\n\r\n", "508",
       "X-Blastdoor-Cause: loop"},
      {"GET /-/healthz HTTP/1.1\r\nHost: 10.0.0.1:10000\r\n\r\n", "200", "ok\n"},
      {"GET /a%2fb HTTP/1.1\r\nHost: a.test\r\n\r\n", "400", "X-Blastdoor-Cause: bad-target"},
      {"GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400", "X-Blastdoor-Cause: bad-host"},
      {"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400", "Connection: close"},
      {"GET / HTTP/1.1\nHost: a.test\n\n", "400", "X-Blastdoor-Cause: bad-request"},
      {"GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", "505", "Connection: close"},
  };
  for (const Case& c : cases) {
    Client client(door.port());
    client.send(c.request);
    const std::string response = client.response();
    EXPECT_TRUE(response.starts_with(fmt::format("HTTP/1.1 {} ", c.status)))
        << c.request << response;
    EXPECT_TRUE(contains(response, c.part)) << c.request << response;
  }
}

TEST(Door, NeverReadsTheBodyOfARequestThatItAnswersAsAnotherRequest) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok("reached"); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  const std::string smuggled = get("/");
  for (const char* request :
       {"POST /x HTTP/1.1\r\nHost: unknown.test\r\nContent-Length: {}\r\n\r\n",
        "GET /a%2fb HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n"}) {
    Client client(door.port());
    client.send(fmt::format(fmt::runtime(request), smuggled.size()) + smuggled);
    const std::string all = client.rest();
    EXPECT_TRUE(contains(all, "Connection: close\r\n"));
    EXPECT_FALSE(contains(all, "reached"));
  }
  EXPECT_TRUE(upstream.requests().empty());
}

TEST(Door, ProbesWithForwardedForAreOrdinaryRequests) {
  TestDoor door;
  door.route("a.test", {});
  Client client(door.port());
  client.send("GET /-/healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n");
  EXPECT_TRUE(client.response().starts_with("HTTP/1.1 404 "));
  door.server().fail_probes();
  Client probe(door.port());
  EXPECT_TRUE(eventually([&] {
    probe.send("GET /-/healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    return probe.response().starts_with("HTTP/1.1 503 ");
  }));
}

TEST(Door, ClosesSlowClientsAndSlowUpstreams) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(); });
  TestDoor door([](model::Listener& l) {
    l.timeouts.request_head = 100ms;
    l.timeouts.response_head = 100ms;
    l.timeouts.idle = 100ms;
  });
  door.route("a.test", {upstream.port()});
  Client slow(door.port());
  slow.send("GET / HTTP/1.1\r\nHost:");
  EXPECT_TRUE(slow.rest().starts_with("HTTP/1.1 408 "));
  Client waiting(door.port());
  waiting.send(get("/"));
  EXPECT_TRUE(contains(waiting.response(), "X-Blastdoor-Cause: upstream-timeout"));
  Client idle(door.port());
  EXPECT_EQ(idle.rest(), "");
  EXPECT_TRUE(idle.at_end());
}

TEST(Door, RefusesAnswersInDoubt) {
  std::string answer;
  ScriptedUpstream upstream([&](const std::string&, bool& close) {
    close = true;
    return answer;
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  for (const char* bad :
       {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "garbage\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"}) {
    answer = bad;
    Client client(door.port());
    client.send(get("/"));
    EXPECT_TRUE(contains(client.response(), "X-Blastdoor-Cause: bad-response")) << bad;
  }
  answer = "HTTP/1.1 200 OK\r\nX: " + std::string(40 << 10, 'x') + "\r\n\r\n";
  Client client(door.port());
  client.send(get("/"));
  EXPECT_TRUE(contains(client.response(), "X-Blastdoor-Cause: response-too-large"));
}

TEST(Door, NeverConnectsToItselfOrToDeniedAddresses) {
  TestDoor door;
  door.route("a.test", {door.port()});
  door.door.denied = {{IpAddress::v4({127, 0, 0, 1}), door.port()}};
  door.apply();
  Client client(door.port());
  client.send(get("/"));
  EXPECT_TRUE(contains(client.response(), "no-endpoints"));
  EXPECT_EQ(door.counter(Counter::upstream_connects), 0U);
}

TEST(Door, ResetsPeersThatMayNotConnect) {
  TestDoor door([](model::Listener& l) { l.accept_from = {*Cidr::parse("10.0.0.0/8")}; });
  door.route("a.test", {});
  Client client(door.port());
  EXPECT_EQ(client.rest(), "");
  EXPECT_TRUE(client.was_reset());
}

TEST(Door, DrainFinishesWhatIsInFlightAndAnnouncesTheEnd) {
  std::atomic<bool> go{false};
  ScriptedUpstream upstream([&](const std::string&, bool&) {
    EXPECT_TRUE(eventually([&] { return go.load(); }));
    return ok("late");
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client idle(door.port());
  Client busy(door.port());
  busy.send(get("/"));
  ASSERT_TRUE(eventually([&] { return upstream.requests().size() == 1; }));
  std::atomic<bool> drained{false};
  door.server().drain([&] { drained = true; });
  EXPECT_EQ(idle.rest(), "");
  EXPECT_FALSE(drained);
  go = true;
  const std::string response = busy.response();
  EXPECT_TRUE(response.ends_with("late"));
  EXPECT_TRUE(contains(response, "Connection: close\r\n"));
  EXPECT_TRUE(eventually([&] { return drained.load(); }));
}

// Another process accepts from the same sockets by now. An idle client may be about to ask: it
// learns of the end from an answer, and only one that stays silent from a close.
TEST(Door, RetiringAnswersIdleClientsOnceMoreAndLeavesTheQueueToOthers) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return ok("still here"); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client kept(door.port());
  kept.send(get("/"));
  EXPECT_TRUE(kept.response().ends_with("still here"));
  std::atomic<bool> drained{false};
  door.server().retire(std::chrono::milliseconds(60000), [&] { drained = true; });
  kept.send(get("/"));
  EXPECT_TRUE(contains(kept.response(), "Connection: close\r\n"));
  EXPECT_TRUE(eventually([&] { return drained.load(); }));
  Client queued(door.port());  // The kernel takes it; nobody here does.
  queued.send(get("/"));
  EXPECT_EQ(upstream.requests().size(), 2u);
}

TEST(Door, RetiringClosesSilentClientsAfterTheGrace) {
  TestDoor door;
  Client silent(door.port());
  ASSERT_TRUE(eventually([&] { return door.stats().open_connections.load() == 1; }));
  std::atomic<bool> drained{false};
  door.server().retire(std::chrono::milliseconds(1), [&] { drained = true; });
  EXPECT_EQ(silent.rest(), "");
  EXPECT_TRUE(eventually([&] { return drained.load(); }));
}

TEST(Door, EndpointChangesKeepThePoolsOfTheOthers) {
  ScriptedUpstream one([](const std::string&, bool&) { return ok("one"); });
  ScriptedUpstream two([](const std::string&, bool&) { return ok("two"); });
  TestDoor door;
  door.route("a.test", {one.port()});
  Client client(door.port());
  client.send(get("/"));
  EXPECT_TRUE(client.response().ends_with("one"));
  door.route("b.test", {two.port()});
  client.send(get("/"));
  EXPECT_TRUE(client.response().ends_with("one"));
  EXPECT_EQ(one.connections(), 1);
  door.route("a.test", {two.port()});
  client.send(get("/"));
  EXPECT_TRUE(client.response().ends_with("two"));
}

}  // namespace
}  // namespace bd::proxy
