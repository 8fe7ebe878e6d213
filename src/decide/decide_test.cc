#include "decide/decide.h"

#include <gtest/gtest.h>
// Its glue needs GoogleTest first.
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "decide/ask_for_test.h"
#include "decide/reference.h"

namespace bd::decide {
namespace {

using http::Method;
using model::Forward;
using model::Redirect;
using model::Refuse;
using testing::Ask;
using testing::ask;
using testing::exact;
using testing::prefix;

const Listener& shop() {
  static const Listener listener = testing::listener({
      {"shop.example.com", exact("/cart"), Forward{"shop/cart:80"}},
      {"shop.example.com", prefix("/admin"), Forward{"shop/admin:80"}},
      {"shop.example.com", prefix("/gone"), Refuse{"service-missing"}},
      {"shop.example.com", prefix("/"), Forward{"shop/web:80"}},
      {"*.example.com", prefix("/app"), Forward{"shop/any:80"}},
      {"", prefix("/"), Forward{"shop/default:80"}},
  });
  return listener;
}

TEST(Decide, PicksTheRouteByNormalHostAndPath) {
  struct Case {
    const char* host;
    const char* target;
    const char* upstream;
    const char* forwarded;  ///< Path and query that go on.
  };
  constexpr Case cases[] = {
      {"shop.example.com", "/", "shop/web:80", "/"},
      {"SHOP.Example.COM.", "/cart", "shop/cart:80", "/cart"},
      {"shop.example.com:10000", "/cart", "shop/cart:80", "/cart"},
      {"shop.example.com", "/cart/", "shop/web:80", "/cart/"},
      {"shop.example.com", "/Cart", "shop/web:80", "/Cart"},
      {"shop.example.com", "/cart?x=/admin#", nullptr, ""},
      {"shop.example.com", "/cart?x=/../admin", "shop/cart:80", "/cart?x=/../admin"},
      // What would reach /admin at an upstream matches the rule for /admin here.
      {"shop.example.com", "/admin", "shop/admin:80", "/admin"},
      {"shop.example.com", "//admin", "shop/admin:80", "//admin"},
      {"shop.example.com", "/x/../admin/a", "shop/admin:80", "/admin/a"},
      {"shop.example.com", "/x/..//admin", "shop/admin:80", "//admin"},
      {"shop.example.com", "/%61dmin", "shop/admin:80", "/admin"},
      {"shop.example.com", "/x/%2e%2E/admin", "shop/admin:80", "/admin"},
      {"shop.example.com", "/./admin/.", "shop/admin:80", "/admin/"},
      {"shop.example.com", "/administrator", "shop/web:80", "/administrator"},
      {"shop.example.com", "/%2561dmin", "shop/web:80", "/%2561dmin"},
      {"other.example.com", "/app/x", "shop/any:80", "/app/x"},
      // A host that has routes keeps its unknown paths: they never fall to a wider host.
      {"other.example.com", "/else", nullptr, ""},
      {"a.b.example.com", "/app", "shop/default:80", "/app"},
      {"192.0.2.1", "/admin", "shop/default:80", "/admin"},
      {"[2001:db8::1]:80", "/", "shop/default:80", "/"},
      {"unknown.test", "/x", "shop/default:80", "/x"},
  };
  for (const Case& c : cases) {
    const Decision got = ask(shop(), {.target = c.target, .host = c.host});
    SCOPED_TRACE(::testing::Message() << c.host << c.target);
    if (c.upstream == nullptr) {
      EXPECT_NE(got.cause, Cause::none);
      continue;
    }
    EXPECT_EQ(got.cause, Cause::none);
    EXPECT_EQ(got.upstream, c.upstream);
    EXPECT_EQ(got.path + got.query, c.forwarded);
  }
}

TEST(Decide, AnswersWithACauseOfItsOwn) {
  struct Case {
    const char* why;
    Ask ask;
    Cause cause;
  };
  const Case cases[] = {
      {"no such path on a known host",
       {.target = "/else", .host = "x.example.com"},
       Cause::no_route},
      {"a tombstone", {.target = "/gone/far"}, Cause::refused},
      {"CONNECT",
       {.method = Method::connect, .target = "shop.example.com:443"},
       Cause::method_refused},
      {"TRACE", {.method = Method::trace}, Cause::method_refused},
      {"TRACK", {.method = http::parse_method("TRACK")}, Cause::method_refused},
      {"PRI", {.method = http::parse_method("PRI")}, Cause::method_refused},
      {"OPTIONS *", {.method = Method::options, .target = "*"}, Cause::bad_target},
      {"GET *", {.target = "*"}, Cause::bad_target},
      {"authority form", {.target = "shop.example.com:80"}, Cause::bad_target},
      {"no leading slash", {.target = "cart"}, Cause::bad_target},
      {"an encoded slash", {.target = "/a%2fadmin"}, Cause::bad_target},
      {"an encoded backslash", {.target = "/a%5cadmin"}, Cause::bad_target},
      {"a backslash", {.target = "/a\\admin"}, Cause::bad_target},
      {"NUL", {.target = "/a%00"}, Cause::bad_target},
      {"overlong UTF-8", {.target = "/%c0%aeadmin"}, Cause::bad_target},
      {"dot segment with a parameter", {.target = "/a/..;/admin"}, Cause::bad_target},
      {"a fragment", {.target = "/a#b"}, Cause::bad_target},
      {"another scheme", {.target = "ftp://shop.example.com/"}, Cause::bad_target},
      {"two hosts", {.host = "a.example.com, b.example.com"}, Cause::bad_host},
      {"userinfo", {.host = "u@shop.example.com"}, Cause::bad_host},
      {"a zone", {.host = "[fe80::1%25eth0]"}, Cause::bad_host},
      {"a port that is none", {.host = "shop.example.com:99999"}, Cause::bad_host},
      {"a negative port", {.host = "shop.example.com:-1"}, Cause::bad_host},
      {"an absolute URI for another host",
       {.target = "http://other.example.com/"},
       Cause::bad_host},
      {"an absolute URI with userinfo",
       {.target = "http://u@shop.example.com/"},
       Cause::bad_target},
      {"a request that passed a door", {.fields = {{"X-Blastdoor-Hop", "1"}}}, Cause::loop},
      {"the same in disguise", {.fields = {{"x_blastdoor.HOP", ""}}}, Cause::loop},
  };
  for (const Case& c : cases) {
    const Decision got = ask(shop(), c.ask);
    EXPECT_EQ(got.cause, c.cause) << c.why << ": " << info(got.cause).name;
    EXPECT_TRUE(got.upstream.empty()) << c.why;
  }
}

TEST(Decide, TombstonesNameTheirFinding) {
  EXPECT_EQ(ask(shop(), {.target = "/gone"}).refused_cause, "service-missing");
}

TEST(Decide, AbsoluteUriAgreesWithHostOrStandsAlone) {
  EXPECT_EQ(ask(shop(), {.target = "http://SHOP.example.com/cart"}).upstream, "shop/cart:80");
  EXPECT_EQ(ask(shop(), {.target = "https://shop.example.com"}).path, "/");
  // HTTP/1.0 without Host: only rules without a host serve it.
  EXPECT_EQ(ask(shop(), {.target = "/cart", .host = ""}).upstream, "shop/default:80");
  EXPECT_EQ(ask(shop(), {.target = "http://shop.example.com/cart", .host = ""}).upstream,
            "shop/cart:80");
}

TEST(Decide, BeforeTheFirstTableEverythingIsStarting) {
  Listener listener = shop();
  listener.table = nullptr;
  EXPECT_EQ(ask(listener, {}).cause, Cause::starting);
  EXPECT_EQ(ask(listener, {.target = "/nowhere", .host = "unknown.test"}).cause, Cause::starting);
  EXPECT_EQ(ask(listener, {.target = "/-/healthz", .peer = "10.1.2.3:80"}).cause, Cause::starting);
  EXPECT_EQ(info(Cause::starting).status, 503);
}

TEST(Decide, DrainingStopsProbesAndNothingElse) {
  EXPECT_EQ(ask(shop(), {.target = "/-/healthz", .peer = "10.1.2.3:80"}, {.draining = true}).cause,
            Cause::draining);
  EXPECT_EQ(ask(shop(), {.target = "/cart"}, {.draining = true}).upstream, "shop/cart:80");
}

TEST(Decide, OverloadRefusesAllButHealthProbes) {
  const DoorState overloaded{.overloaded = true};
  EXPECT_EQ(ask(shop(), {.target = "/cart"}, overloaded).cause, Cause::overloaded);
  EXPECT_EQ(ask(shop(), {.target = "/nowhere"}, overloaded).cause, Cause::overloaded);
  EXPECT_EQ(ask(shop(), {.target = "/-/healthz", .peer = "10.1.2.3:80"}, overloaded).cause,
            Cause::healthy);
}

TEST(Decide, HealthProbesComeFromTheBalancer) {
  struct Case {
    const char* why;
    Ask ask;
    bool is_probe;
  };
  constexpr std::string_view balancer = "10.1.2.3:4711";
  constexpr std::string_view path = "/-/healthz";
  const Case cases[] = {
      {"GET from a trusted peer", {.target = path, .peer = balancer}, true},
      {"HEAD, addressed by IP",
       {.method = Method::head, .target = path, .host = "10.0.0.9:10000", .peer = balancer},
       true},
      {"HTTP/1.0 without Host", {.target = path, .host = "", .peer = balancer}, true},
      {"POST", {.method = Method::post, .target = path, .peer = balancer}, false},
      {"another path", {.target = "/-/healthz/", .peer = balancer}, false},
      {"other case", {.target = "/-/Healthz", .peer = balancer}, false},
      {"sent on by a balancer",
       {.target = path, .fields = {{"X-Forwarded-For", "1.2.3.4"}}, .peer = balancer},
       false},
      {"a stranger", {.target = path}, false},
  };
  for (const Case& c : cases) {
    const Decision got = ask(shop(), c.ask);
    EXPECT_EQ(got.cause, c.is_probe ? Cause::healthy : Cause::none) << c.why;
  }
  Listener trusts_nobody = shop();
  trusts_nobody.facts.trusted_peers.clear();
  EXPECT_EQ(ask(trusts_nobody, {.target = path}).cause, Cause::healthy);
}

TEST(Decide, RedirectsToTheDeclaredPublicPort) {
  const Listener standard = testing::listener(
      {{"shop.example.com", prefix("/"), Redirect{443}}, {"", prefix("/"), Redirect{443}}});
  const Listener other = testing::listener({{"shop.example.com", prefix("/"), Redirect{8443}}});
  struct Case {
    const Listener& listener;
    const char* host;
    const char* target;
    const char* location;
  };
  const Case cases[] = {
      {standard, "shop.example.com", "/", "https://shop.example.com/"},
      {standard, "Shop.Example.com.:10000", "/a/../b?c=d&e", "https://shop.example.com/b?c=d&e"},
      {standard, "shop.example.com", "http://shop.example.com?x", "https://shop.example.com/?x"},
      {standard, "shop.example.com", "//evil.test/x", "https://shop.example.com//evil.test/x"},
      {standard, "[2001:db8::1]:80", "/x", "https://[2001:db8::1]/x"},
      {other, "shop.example.com:80", "/x", "https://shop.example.com:8443/x"},
  };
  for (const Case& c : cases) {
    const Decision got = ask(c.listener, {.target = c.target, .host = c.host});
    EXPECT_EQ(got.cause, Cause::redirect) << c.host << c.target;
    EXPECT_EQ(got.location, c.location);
  }
  // Nowhere to send a client to that names no host; and a health probe is never redirected.
  EXPECT_EQ(ask(standard, {.host = ""}).cause, Cause::no_route);
  EXPECT_EQ(ask(standard, {.target = "/-/healthz", .peer = "10.0.0.1:1"}).cause, Cause::healthy);
  EXPECT_EQ(info(Cause::redirect).status, 308);
}

TEST(Decide, ResolvesTheClientFromTheLastEntryOfATrustedPeer) {
  struct Case {
    const char* why;
    std::string_view peer;
    std::vector<std::pair<std::string_view, std::string_view>> fields;
    const char* client;
    bool ignored;
  };
  constexpr std::string_view balancer = "10.1.2.3:4711";
  const Case cases[] = {
      {"nothing sent", balancer, {}, "10.1.2.3", false},
      {"one entry", balancer, {{"X-Forwarded-For", "198.51.100.1"}}, "198.51.100.1", false},
      {"the left part is a claim",
       balancer,
       {{"X-Forwarded-For", "6.6.6.6, 198.51.100.1"}},
       "198.51.100.1",
       false},
      {"with a port", balancer, {{"X-Forwarded-For", "198.51.100.1:5555"}}, "198.51.100.1", false},
      {"two lines",
       balancer,
       {{"X-Forwarded-For", "6.6.6.6"}, {"x-forwarded-for", "198.51.100.1"}},
       "198.51.100.1",
       false},
      {"a client's look-alike behind it",
       balancer,
       {{"X-Forwarded-For", "198.51.100.1"}, {"X_Forwarded_For", "6.6.6.6"}},
       "198.51.100.1",
       false},
      {"a look-alike alone", balancer, {{"X.Forwarded-For", "6.6.6.6"}}, "10.1.2.3", false},
      {"a name", balancer, {{"X-Forwarded-For", "6.6.6.6, unknown"}}, "10.1.2.3", false},
      {"nothing after the comma", balancer, {{"X-Forwarded-For", "6.6.6.6,"}}, "10.1.2.3", false},
      {"empty", balancer, {{"X-Forwarded-For", ""}}, "10.1.2.3", false},
      {"IPv6", balancer, {{"X-Forwarded-For", "2001:db8::1"}}, "2001:db8::1", false},
      {"IPv6 with a port",
       balancer,
       {{"X-Forwarded-For", "[2001:db8::1]:5555"}},
       "2001:db8::1",
       false},
      {"IPv4 in IPv6",
       balancer,
       {{"X-Forwarded-For", "::ffff:198.51.100.1"}},
       "198.51.100.1",
       false},
      {"a trusted peer in IPv6 clothes",
       "[::ffff:10.1.2.3]:1",
       {{"X-Forwarded-For", "198.51.100.1"}},
       "198.51.100.1",
       false},
      {"a stranger", "192.0.2.7:1", {{"X-Forwarded-For", "10.1.2.3"}}, "192.0.2.7", true},
      {"a stranger says nothing", "192.0.2.7:1", {}, "192.0.2.7", false},
      {"other identity fields",
       balancer,
       {{"X-Real-IP", "6.6.6.6"}, {"Forwarded", "for=6.6.6.6"}, {"True-Client-IP", "6.6.6.6"}},
       "10.1.2.3",
       false},
  };
  for (const Case& c : cases) {
    const Decision got = ask(shop(), {.fields = c.fields, .peer = c.peer});
    EXPECT_EQ(got.client.text(), c.client) << c.why;
    EXPECT_EQ(got.forwarded_for_ignored, c.ignored) << c.why;
    EXPECT_EQ(got.peer_trusted, c.peer != "192.0.2.7:1") << c.why;
  }
}

TEST(Decide, CountsASchemeThatDiffersAndFollowsTheListener) {
  EXPECT_FALSE(ask(shop(), {.fields = {{"X-Forwarded-Proto", "HTTP"}}}).forwarded_proto_mismatch);
  EXPECT_TRUE(ask(shop(), {.fields = {{"X-Forwarded-Proto", "https"}}}).forwarded_proto_mismatch);
  EXPECT_TRUE(
      ask(shop(), {.fields = {{"X-Forwarded-Proto", "http"}, {"X_Forwarded_Proto", "https"}}})
          .forwarded_proto_mismatch);
  const Listener redirecting =
      testing::listener({{"shop.example.com", prefix("/"), Redirect{443}}});
  // A balancer's word does not end the redirect: only the port that was connected to says how.
  EXPECT_EQ(
      ask(redirecting, {.fields = {{"X-Forwarded-Proto", "https"}}, .peer = "10.0.0.1:1"}).cause,
      Cause::redirect);
}

RC_GTEST_PROP(DecideProperty, NoFieldMovesARequest, ()) {
  const std::vector<std::string> names = {"X-Forwarded-Host",
                                          "X-Forwarded-Proto",
                                          "X-Forwarded-Port",
                                          "X-Forwarded-Prefix",
                                          "X-Forwarded-For",
                                          "Forwarded",
                                          "X-Original-URL",
                                          "X-Rewrite-URL",
                                          "X-Original-Host",
                                          "X-Host",
                                          "Host_",
                                          "X_Forwarded_Host",
                                          "X-HTTP-Method-Override",
                                          "Connection",
                                          "Upgrade",
                                          "X-Amzn-Trace-Id",
                                          "Referer"};
  const std::vector<std::string> values = {"shop.example.com",
                                           "other.example.com",
                                           "/admin",
                                           "https",
                                           "10.0.0.1",
                                           "10000",
                                           "for=10.0.0.1;host=other.example.com",
                                           "",
                                           "close, Host"};
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  const std::size_t count = *rc::gen::inRange<std::size_t>(0, 8);
  for (std::size_t i = 0; i < count; ++i) {
    fields.emplace_back(names[*rc::gen::inRange<std::size_t>(0, names.size())],
                        values[*rc::gen::inRange<std::size_t>(0, values.size())]);
  }
  const std::string_view peer = *rc::gen::arbitrary<bool>() ? "10.0.0.1:5" : "192.0.2.1:5";
  for (const char* target : {"/", "/cart", "/admin/x", "/gone", "/none"}) {
    const Decision plain = ask(shop(), {.target = target, .peer = peer});
    const Decision got = ask(shop(), {.target = target, .fields = fields, .peer = peer});
    RC_ASSERT(got.route == plain.route);
    RC_ASSERT(got.cause == plain.cause);
    RC_ASSERT(got.authority == plain.authority);
    RC_ASSERT(got.path == plain.path);
  }
}

TEST(ForwardedFor, OfABalancerHasABound) {
  struct Case {
    std::size_t hops;
    std::size_t padding;
    Cause cause;
  };
  constexpr Case cases[] = {{30, 0, Cause::none},
                            {31, 0, Cause::bad_request},
                            {2, 1024 - 16, Cause::none},
                            {2, 1024 - 15, Cause::bad_request}};
  for (const Case& c : cases) {
    std::string value = "1.1.1.1" + std::string(c.padding, ' ');
    for (std::size_t i = 1; i < c.hops; ++i) value += ", 1.1.1.1";
    const Listener shop =
        testing::listener({{"shop.example.com", prefix("/"), model::Forward{"shop/web:80"}}});
    const Ask asked{.fields = {{"X-Forwarded-For", value}}, .peer = "10.0.0.1:1"};
    EXPECT_EQ(ask(shop, asked).cause, c.cause) << c.hops << " " << c.padding;
    const Ask stranger{.fields = {{"X-Forwarded-For", value}}, .peer = "192.0.2.1:1"};
    EXPECT_EQ(ask(shop, stranger).cause,
              Cause::none);  // What is ignored has no bound but the head's.
  }
}

TEST(LastForwardedFor, TakesOneAddressOrNothing) {
  struct Case {
    const char* value;
    const char* client;  ///< Null: nothing.
  };
  constexpr Case cases[] = {
      {"1.2.3.4", "1.2.3.4"},
      {" 9.9.9.9 ,\t1.2.3.4 ", "1.2.3.4"},
      {"[::1]", "::1"},
      {"[::1]:80", "::1"},
      {"::1", "::1"},
      {"1.2.3.4:0", "1.2.3.4"},
      {"", nullptr},
      {",", nullptr},
      {":80", nullptr},
      {"1.2.3.4:99999", nullptr},
      {"1.2.3.4 5.6.7.8", nullptr},
      {"fe80::1%eth0", nullptr},
      {"\"1.2.3.4\"", nullptr},
      {"1.2.3", nullptr},
      {"01.2.3.4", nullptr},
      {"1.2.3.4:", nullptr},
      {"[::1", nullptr},
  };
  for (const Case& c : cases) {
    IpAddress out = IpAddress::v4({9, 9, 9, 9});
    EXPECT_EQ(last_forwarded_for(c.value, out), c.client != nullptr) << c.value;
    EXPECT_EQ(out.text(), c.client == nullptr ? "9.9.9.9" : c.client) << c.value;
  }
}

TEST(Causes, TheTableIsInTheOrderOfTheWords) {
  struct Case {
    Cause cause;
    const char* name;
    int status;
  };
  constexpr Case cases[] = {
      {Cause::none, "none", 200},
      {Cause::starting, "starting", 503},
      {Cause::draining, "draining", 503},
      {Cause::healthy, "healthy", 200},
      {Cause::no_route, "no-route", 404},
      {Cause::refused, "refused", 503},
      {Cause::no_endpoints, "no-endpoints", 503},
      {Cause::loop, "loop", 508},
      {Cause::method_refused, "method-refused", 405},
      {Cause::bad_target, "bad-target", 400},
      {Cause::bad_host, "bad-host", 400},
      {Cause::redirect, "redirect", 308},
      {Cause::bad_request, "bad-request", 400},
      {Cause::uri_too_long, "uri-too-long", 414},
      {Cause::head_too_large, "head-too-large", 431},
      {Cause::body_too_large, "body-too-large", 413},
      {Cause::unsupported, "unsupported", 501},
      {Cause::version, "version", 505},
      {Cause::expectation, "expectation", 417},
      {Cause::client_timeout, "client-timeout", 408},
      {Cause::connect_failed, "connect-failed", 502},
      {Cause::upstream_timeout, "upstream-timeout", 504},
      {Cause::upstream_closed, "upstream-closed", 502},
      {Cause::bad_response, "bad-response", 502},
      {Cause::response_too_large, "response-too-large", 502},
      {Cause::bad_upgrade, "bad-upgrade", 400},
      {Cause::misdirected, "misdirected", 421},
      {Cause::upstream_tls_failed, "upstream-tls-failed", 502},
      {Cause::circuit_connections, "circuit-connections", 503},
      {Cause::circuit_pending, "circuit-pending", 503},
      {Cause::circuit_requests, "circuit-requests", 503},
      {Cause::overloaded, "overloaded", 503},
  };
  EXPECT_EQ(std::size(cases), static_cast<std::size_t>(Cause::count_));
  for (const Case& c : cases) {
    EXPECT_EQ(info(c.cause).name, c.name);
    EXPECT_EQ(info(c.cause).status, c.status) << c.name;
    EXPECT_FALSE(http::reason_phrase(c.status).empty()) << c.name;
    if (c.cause == Cause::none) continue;
    EXPECT_TRUE((std::set<std::string_view>{"client", "upstream", "site", "door"}.contains(
        info(c.cause).party)))
        << c.name;
    EXPECT_TRUE(info(c.cause).what.ends_with('.') && info(c.cause).to_do.ends_with('.')) << c.name;
  }
}

TEST(CausesReference, IsTheCommittedFile) {
  const std::string path = BD_SOURCE_DIR "/docs/reference/causes.md";
  if (std::getenv("BLASTDOOR_BLESS") != nullptr) std::ofstream(path) << causes_reference();
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), causes_reference())
      << "run this test with BLASTDOOR_BLESS=1 to rewrite " << path;
}

}  // namespace
}  // namespace bd::decide
