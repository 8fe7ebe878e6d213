// What an upstream says about its endpoints, seen from a client: stickiness, limits, retries,
// ejection, patience.

#include "model/limits.h"
#include "proxy/door_for_test.h"

namespace bd::proxy {
namespace {

using namespace std::chrono_literals;
using telemetry::Counter;
using testing::Client;
using testing::contains;
using testing::eventually;
using testing::ManualUpstream;
using testing::ScriptedUpstream;
using testing::TestDoor;

constexpr const char* kKey = "default/a.test:80";

std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

std::string get(std::string_view fields = "") {
  return fmt::format("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n", fields);
}

testing::Script says(std::string body) {
  return [body](const std::string&, bool&) { return ok(body); };
}

std::string value_of(std::string_view head, std::string_view field) {
  const std::size_t at = head.find(field);
  if (at == head.npos) return "";
  const std::string_view rest = head.substr(at + field.size());
  return std::string(rest.substr(0, rest.find_first_of("\r;")));
}

TEST(Sticky, AClientComesBackToItsEndpoint) {
  ScriptedUpstream one(says("one")), two(says("two")), three(says("three"));
  TestDoor door;
  door.route("a.test", {one.port(), two.port(), three.port()});
  door.door.upstreams[kKey].balance.sticky_cookie = "sid";
  door.apply();
  for (int round = 0; round < 10; ++round) {
    Client client(door.port());
    client.send(get());
    const std::string first = client.response();
    const std::string cookie = value_of(first, "Set-Cookie: ");
    ASSERT_TRUE(cookie.starts_with("sid=")) << first;
    const std::string body = first.substr(first.find("\r\n\r\n"));
    for (int i = 0; i < 10; ++i) {
      client.send(get("Cookie: x=1; " + cookie + "\r\n"));
      const std::string again = client.response();
      ASSERT_TRUE(again.ends_with(body)) << again;
      ASSERT_FALSE(contains(again, "Set-Cookie")) << "the client knows it";
    }
    client.send(get("Cookie: sid=0000000000000000\r\n"));
    EXPECT_TRUE(contains(client.response(), "Set-Cookie: sid=")) << "a name of nobody";
  }
}

TEST(Circuit, MoreRequestsThanAllowedGet503) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  door.door.upstreams[kKey].circuit.requests = 2;
  door.apply();
  Client first(door.port()), second(door.port()), third(door.port());
  first.send(get());
  Client far_first = upstream.accept();
  second.send(get());
  Client far_second = upstream.accept();
  third.send(get());
  const std::string refused = third.response();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503 ")) << refused;
  EXPECT_TRUE(contains(refused, "X-Blastdoor-Cause: circuit-requests\r\n")) << refused;
  EXPECT_EQ(door.counter(Counter::circuit_refusals), 1U);
  far_first.send(ok("first"));
  EXPECT_TRUE(first.response().ends_with("first"));
  third.send(get());
  far_first.send(ok("third"));
  EXPECT_TRUE(third.response().ends_with("third")) << "there is room again";
  far_second.send(ok("second"));
  EXPECT_TRUE(second.response().ends_with("second"));
}

TEST(Circuit, MoreConnectionsThanAllowedGet503) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  door.door.upstreams[kKey].circuit.connections = 1;
  door.apply();
  Client first(door.port()), second(door.port());
  first.send(get());
  Client far = upstream.accept();
  second.send(get());
  EXPECT_TRUE(contains(second.response(), "X-Blastdoor-Cause: circuit-connections\r\n"));
  far.send(ok("first"));
  EXPECT_TRUE(first.response().ends_with("first"));
  second.send(get());
  far.send(ok("second"));
  EXPECT_TRUE(second.response().ends_with("second")) << "an idle connection takes no room";
}

TEST(Circuit, MoreThanMayWaitForAConnectionGet503) {
  ManualUpstream upstream;
  upstream.stop_listening();
  TestDoor door([](model::Listener& l) { l.timeouts.connect = 1s; });
  door.route("a.test", {upstream.port()});
  door.door.upstreams[kKey].circuit.pending = 1;
  door.apply();
  Client first(door.port()), second(door.port());
  first.send(get());
  ASSERT_TRUE(eventually([&] { return door.counter(Counter::upstream_connects) == 1; }));
  second.send(get());
  EXPECT_TRUE(contains(second.response(), "X-Blastdoor-Cause: circuit-pending\r\n"));
}

TEST(Retries, WhatWasNeverSentGoesToWhoListens) {
  ScriptedUpstream alive(says("alive"));
  std::vector<std::uint16_t> ports = {alive.port()};
  for (int i = 0; i < 2; ++i) {
    ManualUpstream gone;  // Its port refuses as soon as this is over.
    ports.push_back(gone.port());
  }
  TestDoor door;
  door.route("a.test", ports);
  Client client(door.port());
  for (int i = 0; i < 100; ++i) {
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
    ASSERT_TRUE(client.response().ends_with("alive")) << i;
  }
}

TEST(Retries, AnEndpointThatAnswersNothingGetsAFifthMore) {
  std::atomic<int> seen{0};
  ScriptedUpstream upstream([&](const std::string&, bool& close) {
    ++seen;
    close = true;
    return std::string();
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<Client>(door.port()));
    clients.back()->send(get());
  }
  for (const auto& client : clients) {
    EXPECT_TRUE(contains(client->response(), "X-Blastdoor-Cause: upstream-closed\r\n"));
  }
  const std::uint64_t denied = door.counter(Counter::retries_denied);
  EXPECT_EQ(static_cast<std::uint64_t>(seen), 50 + door.counter(Counter::retries));
  EXPECT_EQ(door.counter(Counter::retries) + denied, 50U);
}

TEST(Ejection, AnEndpointThatSaysItCannotIsLeftOut) {
  std::atomic<int> asked{0};
  ScriptedUpstream bad([&](const std::string&, bool&) {
    ++asked;
    return std::string("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  });
  ScriptedUpstream good(says("good")), fine(says("fine"));
  TestDoor door;
  door.route("a.test", {bad.port(), good.port(), fine.port()});
  Client client(door.port());
  for (int i = 0; i < 300; ++i) {
    client.send(get());
    static_cast<void>(client.response());
  }
  EXPECT_EQ(asked, static_cast<int>(model::kFailuresToEject));
  EXPECT_EQ(door.counter(Counter::ejections), 1U);
}

TEST(Patience, AServicesOwnTimeoutsWin) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  door.door.upstreams[kKey].patience.response_head = 50ms;
  door.apply();
  Client client(door.port());
  client.send(get());
  EXPECT_TRUE(contains(client.response(), "X-Blastdoor-Cause: upstream-timeout\r\n"));
}

TEST(Patience, TheWholeHasABoundToo) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  door.door.upstreams[kKey].patience.total = 150ms;
  door.apply();
  Client client(door.port());
  client.send(get());
  Client far = upstream.accept();
  far.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  const std::string got = client.rest();
  EXPECT_TRUE(got.ends_with("abc")) << got;
  EXPECT_EQ(door.counter(Counter::timeouts_upstream), 1U);
}

}  // namespace
}  // namespace bd::proxy
