// Each bound of model::Limits: one below it, at it, one above it.

#include <gtest/gtest.h>

#include "proxy/door_for_test.h"

namespace bd::proxy {
namespace {

using telemetry::Counter;
using testing::Client;
using testing::eventually;
using testing::ScriptedUpstream;
using testing::TestDoor;

std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

/// `start`, as many x as make the whole `size` bytes, `end`.
std::string padded(std::string_view start, std::size_t size, std::string_view end) {
  return std::string(start) + std::string(size - start.size() - end.size(), 'x') + std::string(end);
}

std::string of_line(std::size_t n) {
  return padded("GET /", n, " HTTP/1.1") + "\r\nHost: a.test\r\n\r\n";
}
std::string of_head(std::size_t n) {
  return padded("GET / HTTP/1.1\r\nHost: a.test\r\nX: ", n, "\r\n\r\n");
}
std::string of_fields(std::size_t n) {
  std::string out = "GET / HTTP/1.1\r\nHost: a.test\r\n";
  for (std::size_t i = 1; i < n; ++i) out += fmt::format("X-{}: y\r\n", i);
  return out + "\r\n";
}
std::string of_length(std::size_t n) {
  return fmt::format("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", n) +
         std::string(n, 'b');
}
std::string of_chunks(std::size_t n) {
  return fmt::format(
      "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "{:x}\r\n{}\r\n1\r\nb\r\n0\r\n\r\n",
      n - 1, std::string(n - 1, 'b'));
}

TEST(Limits, OfARequest) {
  struct Case {
    const char* name;
    std::string (*make)(std::size_t);
    std::size_t limit;
    const char* above;
    Counter counter;
  };
  constexpr Case cases[] = {
      {"line", of_line, 300, "414", Counter::head_too_large},
      {"head", of_head, 600, "431", Counter::head_too_large},
      {"a head of several blocks", of_head, 40000, "431", Counter::head_too_large},
      {"fields", of_fields, 20, "431", Counter::head_too_large},
      {"body with a length", of_length, 1000, "413", Counter::limit_body},
      {"body in chunks", of_chunks, 1000, "413", Counter::limit_body},
  };
  for (const Case& c : cases) {
    ScriptedUpstream upstream([](const std::string&, bool&) { return ok("fine"); });
    TestDoor door([&](model::Listener& l) {
      if (c.make == of_line) l.limits.request_line_max = c.limit;
      if (c.make == of_head) l.limits.request_head_max = c.limit;
      if (c.make == of_fields) l.limits.request_fields_max = static_cast<std::uint32_t>(c.limit);
      if (c.make == of_length || c.make == of_chunks) l.limits.request_body_max = c.limit;
    });
    door.route("a.test", {upstream.port()});
    for (const std::size_t size : {c.limit - 1, c.limit}) {
      Client client(door.port());
      client.send(c.make(size));
      EXPECT_TRUE(client.response().ends_with("fine")) << c.name << size;
    }
    EXPECT_EQ(door.counter(c.counter), 0U) << c.name;
    Client client(door.port());
    client.send(c.make(c.limit + 1) + "GET /after HTTP/1.1\r\nHost: a.test\r\n\r\n");
    const std::string all = client.rest();
    EXPECT_TRUE(all.starts_with(fmt::format("HTTP/1.1 {} ", c.above))) << c.name << all;
    EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos) << c.name << all;
    EXPECT_EQ(all.find("fine"), std::string::npos) << c.name << all;
    EXPECT_EQ(door.counter(c.counter), 1U) << c.name;
  }
}

TEST(Limits, OfAnAnswersHead) {
  for (const std::size_t limit : {500U, 30000U}) {
    std::size_t size = 0;
    ScriptedUpstream upstream([&](const std::string&, bool&) {
      return padded("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: ", size, "\r\n\r\n") + "fine";
    });
    TestDoor door([&](model::Listener& l) { l.limits.response_head_max = limit; });
    door.route("a.test", {upstream.port()});
    for (const auto [at, want] : {std::pair{limit - 1, "fine"},
                                  {limit, "fine"},
                                  {limit + 1, "X-Blastdoor-Cause: response-too-large"}}) {
      size = at;
      Client client(door.port());
      client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
      EXPECT_NE(client.response().find(want), std::string::npos) << at;
    }
  }
}

TEST(Limits, WorkersShareTheConnectionsOfTheirDoor) {
  struct Case {
    std::uint32_t connections_max;
    unsigned workers;
    std::uint64_t of_one;
  };
  // Rounded up: a worker with no share could never answer.
  constexpr Case cases[] = {{8, 1, 8}, {8, 4, 2}, {9, 4, 3}, {1, 4, 1}};
  for (const Case& c : cases) {
    TestDoor door([&](model::Listener& l) { l.limits.connections_max = c.connections_max; },
                  c.workers);
    door.route("a.test", {});
    std::vector<std::unique_ptr<Client>> clients;
    for (std::uint32_t i = 0; i <= c.connections_max; ++i) {
      clients.push_back(std::make_unique<Client>(door.port()));
    }
    EXPECT_TRUE(eventually([&] { return door.counter(Counter::limit_connections) > 0; }));
    EXPECT_EQ(door.counter(Counter::connections), c.of_one) << c.connections_max << c.workers;
  }
}

TEST(Limits, ConnectionsAboveTheLimitWaitForRoom) {
  TestDoor door([](model::Listener& l) { l.limits.connections_max = 3; });
  door.route("a.test", {});
  const std::string_view get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(door.port()));
    clients.back()->send(get);
    EXPECT_FALSE(clients.back()->response().empty()) << i;
  }
  Client late(door.port());
  late.send(get);
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::limit_connections) > 0; }));
  EXPECT_EQ(door.stats().open_connections.load(), 3U);
  EXPECT_EQ(door.counter(Counter::connections), 3U);
  clients.pop_back();
  EXPECT_TRUE(late.response().starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(door.counter(Counter::connections), 4U);
}

}  // namespace
}  // namespace bd::proxy
