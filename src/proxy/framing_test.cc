// Where one message ends and the next begins, when a peer does its worst.

#include <gtest/gtest.h>

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

TEST(Framing, AnUpstreamThatSaysTooMuchIsNotAskedAgain) {
  const std::string poison = ok("poison");
  struct Case {
    const char* method;
    std::string answer;
  };
  const Case cases[] = {
      {"GET", ok("fine") + poison},
      {"GET", ok("") + poison},
      {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"},
      {"GET", "HTTP/1.1 204 No Content\r\n\r\n" + poison},
      {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" + poison},
      {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + poison},
      {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx"},
  };
  for (const Case& c : cases) {
    ScriptedUpstream upstream([&](const std::string& request, bool&) {
      return contains(request, "/first") ? c.answer : ok("second");
    });
    TestDoor door;
    door.route("a.test", {upstream.port()});
    Client client(door.port());
    client.send(fmt::format("{} /first HTTP/1.1\r\nHost: a.test\r\n\r\n", c.method));
    (void)client.receive_until(head_is_there);
    client.send(get("/second"));
    const std::string after =
        client.receive_until([](std::string_view b) { return b.ends_with("second"); });
    EXPECT_TRUE(after.ends_with("second")) << c.answer << after;
    EXPECT_FALSE(contains(after, "poison")) << c.answer << after;
    EXPECT_EQ(upstream.connections(), 2) << c.answer;
  }
}

TEST(Framing, AnEarlyAnswerEndsBothConnections) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n0123456789");
  Client served = upstream.accept();
  (void)served.receive_until([](std::string_view b) { return b.ends_with("0123456789"); });
  served.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  client.send(get("/smuggled"));
  const std::string all = client.rest();
  EXPECT_TRUE(all.starts_with("HTTP/1.1 403 ")) << all;
  EXPECT_TRUE(contains(all, "Connection: close\r\n")) << all;
  EXPECT_TRUE(all.ends_with("no")) << all;
  EXPECT_FALSE(contains(served.rest(), "HTTP/1.1\r\nHost: a.test\r\nX-"));
  EXPECT_TRUE(served.at_end() || served.was_reset());
  EXPECT_EQ(door.counter(Counter::requests), 1U);
}

TEST(Framing, WhatFollowsAnAnswerInDoubtIsNeverRead) {
  ScriptedUpstream upstream([](const std::string& r, bool&) { return ok(r.substr(4, 2)); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  struct Case {
    std::string bad;
    const char* status;
  };
  const Case cases[] = {
      {"BAD\x01 / HTTP/1.1\r\n\r\n", "400"},
      {"GET /2 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
      {"POST /2 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {"POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nExpect: it\r\n\r\nx", "417"},
      {"GET /2 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "200"},
  };
  for (const Case& c : cases) {
    Client client(door.port());
    client.send(get("/1") + c.bad + get("/3"));
    EXPECT_TRUE(client.response().ends_with("/1")) << c.bad;
    const std::string rest = client.rest();
    EXPECT_TRUE(rest.starts_with(fmt::format("HTTP/1.1 {} ", c.status))) << c.bad << rest;
    EXPECT_TRUE(contains(rest, "Connection: close\r\n")) << c.bad << rest;
    EXPECT_FALSE(contains(rest, "/3")) << c.bad << rest;
  }
  for (const std::string& seen : upstream.requests()) EXPECT_FALSE(contains(seen, "/3"));
}

TEST(Framing, AThousandPipelinedRequestsAreAnsweredInOrder) {
  ScriptedUpstream upstream(
      [](const std::string& r, bool&) { return ok(r.substr(4, r.find(' ', 4) - 4)); });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  std::string all;
  for (int i = 0; i < 1000; ++i) all += get(fmt::format("/{}", i));
  Client client(door.port());
  client.send(all);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(client.response().ends_with(fmt::format("\r\n\r\n/{}", i))) << i;
  }
}

TEST(Framing, InterimAnswersAreForClientsThatKnowThem) {
  const std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  std::string many;
  for (int i = 0; i < 17; ++i) many += hints;
  struct Case {
    std::string interim;
    const char* version;
    const char* starts;
    const char* lacks;
  };
  const Case cases[] = {
      {hints, "1.1", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK", "502"},
      {hints, "1.0", "HTTP/1.1 200 OK", "103"},
      {"HTTP/1.1 100 Continue\r\n\r\n", "1.1", "HTTP/1.1 200 OK", "100 Continue"},
      {many.substr(hints.size()), "1.0", "HTTP/1.1 200 OK", "103"},
      {many, "1.0", "HTTP/1.1 502 Bad Gateway", "fine"},
  };
  for (const Case& c : cases) {
    ScriptedUpstream upstream([&](const std::string&, bool&) { return c.interim + ok("fine"); });
    TestDoor door;
    door.route("a.test", {upstream.port()});
    Client client(door.port());
    client.send(
        fmt::format("GET / HTTP/{}\r\nHost: a.test\r\nConnection: close\r\n\r\n", c.version));
    const std::string all = client.rest();
    EXPECT_TRUE(all.starts_with(c.starts)) << all;
    EXPECT_FALSE(contains(all, c.lacks)) << all;
  }
}

TEST(Framing, OldClientsKeepTheirConnectionOnlyWhenTheEndIsKnown) {
  struct Case {
    const char* answer;
    bool keeps;
  };
  constexpr Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", true},
      {"HTTP/1.1 204 No Content\r\n\r\n", true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n", false},
  };
  for (const Case& c : cases) {
    ScriptedUpstream upstream([&](const std::string&, bool&) { return std::string(c.answer); });
    TestDoor door;
    door.route("a.test", {upstream.port()});
    Client client(door.port());
    const std::string request = "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n";
    client.send(request);
    const std::string first = c.keeps ? client.response() : client.rest();
    EXPECT_EQ(contains(first, "Connection: keep-alive\r\n"), c.keeps) << first;
    EXPECT_EQ(contains(first, "Connection: close\r\n"), !c.keeps) << first;
    EXPECT_FALSE(contains(first, "Transfer-Encoding")) << first;
    if (!c.keeps) {
      EXPECT_TRUE(first.ends_with("\r\n\r\nfine")) << first;
      continue;
    }
    client.send(request);
    EXPECT_TRUE(client.response().starts_with("HTTP/1.1 20")) << c.answer;
  }
}

TEST(Framing, ContinueIsNotPromisedForABodyThatNobodyReads) {
  TestDoor door;
  door.route("a.test", {});
  Client client(door.port());
  client.send(
      "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  const std::string all = client.rest();
  EXPECT_TRUE(all.starts_with("HTTP/1.1 503 ")) << all;
  EXPECT_TRUE(contains(all, "Connection: close\r\n")) << all;
}

TEST(Framing, ABrokenRequestBodyNeverLooksCompleteToTheUpstream) {
  struct Case {
    const char* body;
    bool client_ends;
    const char* answer;
  };
  constexpr Case cases[] = {
      {"Content-Length: 9\r\n\r\nabc", true, ""},
      {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, ""},
      {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n+1\r\n", false, "HTTP/1.1 400 "},
      {"Transfer-Encoding: chunked\r\n\r\n3\r\nabcX", false, "HTTP/1.1 400 "},
  };
  for (const Case& c : cases) {
    ManualUpstream upstream;
    TestDoor door;
    door.route("a.test", {upstream.port()});
    Client client(door.port());
    client.send(fmt::format("POST / HTTP/1.1\r\nHost: a.test\r\n{}", c.body));
    Client served = upstream.accept();
    if (c.client_ends) client.finish_sending();
    const std::string seen = served.rest();
    EXPECT_TRUE(served.at_end() || served.was_reset()) << c.body;
    EXPECT_FALSE(contains(seen, "0\r\n\r\n")) << c.body << seen;
    EXPECT_TRUE(client.rest().starts_with(c.answer)) << c.body;
  }
}

TEST(Framing, ATruncatedAnswerNeverLooksCompleteToTheClient) {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n"}) {
    ScriptedUpstream upstream([&](const std::string&, bool& close) {
      close = true;
      return std::string(answer);
    });
    TestDoor door;
    door.route("a.test", {upstream.port()});
    Client client(door.port());
    client.send(get("/"));
    EXPECT_FALSE(contains(client.rest(), "0\r\n\r\n")) << answer;
    EXPECT_TRUE(client.was_reset()) << answer;
  }
}

}  // namespace
}  // namespace bd::proxy
