// What one exchange may cost: repeated requests, other clients' turns, memory, the end of a door.

#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/check.h"
#include "proxy/door_for_test.h"

namespace bd::proxy {
namespace {

using namespace std::chrono_literals;
using telemetry::Counter;
using testing::Client;
using testing::contains;
using testing::eventually;
using testing::head_is_there;
using testing::ManualUpstream;
using testing::ScriptedUpstream;
using testing::TestDoor;

std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

std::string get(std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: a.test\r\n\r\n", path);
}

constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);

std::size_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  unsigned long total = 0, resident = 0;
  BD_ASSERT(file != nullptr && std::fscanf(file, "%lu %lu", &total, &resident) == 2);
  std::fclose(file);
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::size_t open_descriptors() {
  DIR* folder = opendir("/proc/self/fd");
  BD_ASSERT(folder != nullptr);
  std::size_t count = 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

TEST(Exchange, RepeatsOnlyWhatCannotHaveBeenDoneTwice) {
  struct Case {
    const char* request;  // Without host and end.
    const char* body;
    bool repeats;
  };
  constexpr Case cases[] = {
      {"GET", "\r\n", true},
      {"DELETE", "\r\n", true},
      {"POST", "\r\n", false},
      {"POST", "Content-Length: 0\r\n\r\n", false},
      {"POST", "Content-Length: 3\r\n\r\nabc", false},
      {"PATCH", "\r\n", false},
      {"FOO", "\r\n", false},
      {"PUT", "Content-Length: 3\r\n\r\nabc", false},
      {"PUT", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
  };
  for (const Case& c : cases) {
    std::atomic<int> served{0};
    ScriptedUpstream upstream([&](const std::string&, bool& close) {
      close = ++served == 2;  // On the pooled connection: read, perhaps done, and not answered.
      return close ? std::string() : ok("fine");
    });
    TestDoor door;
    door.route("a.test", {upstream.port()});
    Client client(door.port());
    client.send(get("/first"));
    EXPECT_TRUE(client.response().ends_with("fine"));
    client.send(fmt::format("{} / HTTP/1.1\r\nHost: a.test\r\n{}", c.request, c.body));
    const std::string answer = client.response();
    EXPECT_EQ(answer.ends_with("fine"), c.repeats) << c.request << answer;
    EXPECT_EQ(contains(answer, "X-Blastdoor-Cause: upstream-closed"), !c.repeats) << c.request;
    EXPECT_EQ(upstream.requests().size(), c.repeats ? 3U : 2U) << c.request;
    EXPECT_EQ(door.counter(Counter::retries), c.repeats ? 1U : 0U) << c.request;
  }
}

TEST(Exchange, RepeatsOnce) {
  ScriptedUpstream upstream([](const std::string&, bool& close) {
    close = true;
    return std::string();
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/"));
  EXPECT_TRUE(contains(client.response(), "X-Blastdoor-Cause: upstream-closed"));
  EXPECT_EQ(upstream.requests().size(), 2U);
}

TEST(Exchange, AClientThatEndsItsSideStillGetsItsAnswerAndCostsNothing) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/"));
  client.finish_sending();
  Client served = upstream.accept();
  (void)served.receive_until(head_is_there);
  timespec before{}, after{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  // The door sees an end that it can't read away; five of its idle turns must cost nothing.
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually([&] { return std::chrono::steady_clock::now() - start > 300ms; }));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const auto spent =
      (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
  EXPECT_LT(spent, 150) << "milliseconds of processor time while everybody waits";
  served.send(ok("late"));
  EXPECT_TRUE(client.rest().ends_with("late"));
}

TEST(Exchange, AClientThatNeverPausesLeavesOthersTheirTurns) {
  TestDoor door;
  door.route("a.test", {});
  Client greedy(door.port());
  std::atomic<bool> enough{false};
  std::string many;
  for (int i = 0; i < 1000; ++i) many += get("/");
  std::thread sender([&] {
    while (!enough) greedy.send(many);
    greedy.finish_sending();
  });
  std::thread reader([&] {
    while (!greedy.at_end() && !greedy.was_reset()) {
      (void)greedy.receive_until([](std::string_view bytes) { return bytes.size() > 100000; });
    }
  });
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::requests) > 2000; }));
  for (int i = 0; i < 20; ++i) {
    Client other(door.port());
    other.send(get("/"));
    EXPECT_TRUE(other.response().starts_with("HTTP/1.1 503 ")) << i;
  }
  enough = true;
  sender.join();
  reader.join();
}

TEST(Exchange, AClientThatDoesNotReadCostsNoMemoryAndIsCutOff) {
  ManualUpstream upstream;
  TestDoor door([](model::Listener& l) { l.timeouts.body_idle = 400ms; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/"));
  Client served = upstream.accept();
  (void)served.receive_until(head_is_there);
  const std::string block(1 << 20, 'x');
  const std::size_t before = resident_bytes();
  std::size_t most = before;
  std::thread sender([&] {
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n");
    for (int i = 0; i < 200; ++i) served.send(block);
  });
  EXPECT_TRUE(eventually([&] {
    most = std::max(most, resident_bytes());
    return door.counter(Counter::timeouts_downstream) == 1;
  }));
  sender.join();
  EXPECT_LT(most - before, (kSanitized ? 32U : 4U) << 20);
  (void)client.rest();
  EXPECT_TRUE(client.was_reset());
}

TEST(Exchange, AHundredThousandRequestsLeaveNothingBehind) {
  ManualUpstream upstream;
  TestDoor door([](model::Listener& l) { l.timeouts.upstream_idle = 50ms; });
  door.route("a.test", {upstream.port()});
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += i % 10 == 0 ? get("/") : "GET / HTTP/1.1\r\nHost: b\r\n\r\n";
  const auto round = [&](int batches) {
    Client client(door.port());
    std::thread sender([&] {
      for (int i = 0; i < batches; ++i) client.send(many);
      client.finish_sending();
    });
    std::thread server([&] {
      Client served = upstream.accept();
      for (int i = 0; i < batches * 100; ++i) {
        (void)served.receive_until(head_is_there);
        served.send(ok("x"));
      }
      (void)served.rest();
    });
    std::size_t answers = 0;
    while (!client.at_end() && !client.was_reset()) {
      const std::string got = client.response();
      answers += got.starts_with("HTTP/1.1 200 ") || got.starts_with("HTTP/1.1 404 ");
    }
    EXPECT_EQ(answers, static_cast<std::size_t>(batches) * 1000);
    sender.join();
    server.join();
    EXPECT_TRUE(eventually([&] {
      return door.stats().open_connections.load() == 0 && door.stats().idle_upstream.load() == 0;
    }));
  };
  round(2);
  const std::size_t descriptors = open_descriptors();
  const std::size_t memory = resident_bytes();
  for (int i = 0; i < 10; ++i) round(10);
  EXPECT_EQ(open_descriptors(), descriptors);
  // A sanitizer keeps what was freed.
  if (!kSanitized) EXPECT_LT(resident_bytes(), memory + (8U << 20));
  EXPECT_EQ(door.stats().active_requests.load(), 0U);
  EXPECT_EQ(door.counter(Counter::requests), 102'000U);
}

TEST(Drain, AStreamGoesOnAndWhoJustConnectedIsServed) {
  std::atomic<bool> drained{false};
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client streaming(door.port());
  streaming.send(get("/"));
  Client served = upstream.accept();
  (void)served.receive_until(head_is_there);
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none");
  (void)streaming.receive_until([](std::string_view b) { return b.ends_with("one"); });
  Client fresh(door.port());
  door.server().drain([&] { drained = true; });
  door.apply();  // The drain has run when the table is swapped.
  ASSERT_TRUE(eventually([&] { return door.stats().open_connections.load() == 2; }));
  fresh.send("GET / HTTP/1.1\r\nHost: nobody\r\n\r\n" + get("/pipelined"));
  const std::string answer = fresh.rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 404 ")) << answer;
  EXPECT_TRUE(contains(answer, "Connection: close\r\n")) << answer;
  EXPECT_FALSE(drained);
  served.send("two");
  EXPECT_EQ(streaming.rest(), "two");
  EXPECT_TRUE(streaming.at_end());
  EXPECT_TRUE(eventually([&] { return drained.load(); }));
}

TEST(Drain, PipelinedRequestsEndWithAnAnswerThatSaysSo) {
  std::atomic<bool> go{false};
  ScriptedUpstream upstream([&](const std::string& request, bool&) {
    EXPECT_TRUE(eventually([&] { return go.load(); }));
    return ok(request.substr(4, 2));
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(get("/1") + get("/2") + get("/3"));
  ASSERT_TRUE(eventually([&] { return upstream.requests().size() == 1; }));
  std::atomic<bool> drained{false};
  door.server().fail_probes();
  door.server().drain([&] { drained = true; });
  Client late(door.port());  // The test's kernel still takes it: nobody accepts any more.
  door.apply();              // The drain has run when the table is swapped.
  go = true;
  const std::string all = client.rest();
  EXPECT_TRUE(contains(all, "Connection: close\r\n")) << all;
  EXPECT_TRUE(all.ends_with("/1")) << all;
  EXPECT_TRUE(eventually([&] { return drained.load(); }));
  EXPECT_EQ(upstream.requests().size(), 1U);
}

TEST(Probes, OnlyTrustedPeersAreProbesWhereThereAreAny) {
  for (const auto [trusted, want] :
       {std::pair{"127.0.0.0/8", "HTTP/1.1 200 "}, {"10.0.0.0/8", "HTTP/1.1 404 "}}) {
    TestDoor door([&](model::Listener& l) { l.trusted_peers = {*Cidr::parse(trusted)}; });
    door.route("a.test", {});
    Client client(door.port());
    client.send("GET /-/healthz HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n");
    EXPECT_TRUE(client.response().starts_with(want)) << trusted;
  }
}

TEST(Loop, ADoorThatReachesItselfSaysSoOnce) {
  TestDoor door;
  door.route("a.test", {door.port()});
  Client client(door.port());
  client.send(get("/"));
  const std::string answer = client.response();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 508 ")) << answer;
  EXPECT_EQ(door.counter(Counter::loops), 1U);
  EXPECT_EQ(door.counter(Counter::requests), 2U);
}

}  // namespace
}  // namespace bd::proxy
