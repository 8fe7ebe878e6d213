#include "route/text_form.h"

#include <set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace bd::route {
namespace {

using model::HostPattern;
using model::PathPattern;

constexpr std::string_view kExample =
    "exposure internal-http\n"
    "upstream shop/cart:http h2 tls=verify server-name=cart.shop.svc ca=system\n"
    "listener main\n"
    "  host shop.example.com\n"
    "      exact  /cart   forward shop/cart:http      # Ingress shop/cart\n"
    "      prefix /       forward shop/web:80         # Ingress shop/web\n"
    "  host *.example.com\n"
    "      prefix /       redirect https 443          # Ingress shop/wild\n"
    "  host *\n"
    "      prefix /old    refuse service-missing      # Ingress shop/old\n";

std::vector<ExposureRoutes> example() {
  return {
      {"internal-http",
       {{"main",
         {{{HostPattern::Kind::exact, "shop.example.com"},
           {{{PathPattern::Kind::exact, "/cart"},
             model::Forward{"shop/cart:http"},
             "Ingress shop/cart"},
            {{PathPattern::Kind::prefix, "/"}, model::Forward{"shop/web:80"}, "Ingress shop/web"}}},
          {{HostPattern::Kind::wildcard, "example.com"},
           {{{PathPattern::Kind::prefix, "/"}, model::Redirect{443}, "Ingress shop/wild"}}},
          {{HostPattern::Kind::any, ""},
           {{{PathPattern::Kind::prefix, "/old"},
             model::Refuse{"service-missing"},
             "Ingress shop/old"}}}}}},
       {{"shop/cart:http", model::UpstreamProtocol::h2, model::UpstreamTls::verify, "cart.shop.svc",
         "system"}}}};
}

TEST(TextForm, IsAsItsHeaderShows) {
  EXPECT_EQ(print(example()), kExample);
  const auto parsed = parse(kExample);
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(*parsed, example());
}

TEST(TextForm, IsOneForEqualTablesInAnyOrder) {
  std::vector<ExposureRoutes> routes = example();
  routes.push_back({"external-http", {{"main", {}}, {"alt", {}}}});
  std::vector<ExposureRoutes> other = routes;
  std::ranges::reverse(other);
  for (ExposureRoutes& exposure : other) {
    std::ranges::reverse(exposure.listeners);
    for (ListenerRoutes& listener : exposure.listeners) {
      std::ranges::reverse(listener.hosts);
      for (model::VirtualHost& host : listener.hosts) std::ranges::reverse(host.routes);
    }
  }
  EXPECT_NE(other, routes);
  EXPECT_EQ(canonical(other), canonical(routes));
  EXPECT_EQ(print(other), print(routes));
  EXPECT_EQ(print(routes),
            "exposure external-http\nlistener alt\nlistener main\n" + std::string(kExample));
}

TEST(TextForm, ReadsWhatAPersonWrites) {
  constexpr std::string_view by_hand =
      "# What the shop needs.\n"
      "exposure internal-http   # the first door\r\n"
      "  upstream shop/web:80 # plain\n"
      "  upstream shop/cart:http ca=system tls=verify h2 server-name=cart.shop.svc\n"
      "\tlistener main\n"
      "\n"
      "host *\n"
      "prefix /old/ refuse service-missing # Ingress shop/old\n"
      "host *.Example.com\n"
      "prefix /\tredirect https 443 #   Ingress shop/wild  \n"
      "host shop.example.com.\n"
      "prefix / forward shop/web:80 # Ingress shop/web\n"
      "exact //cart forward shop/cart:http # Ingress shop/cart";
  const auto parsed = parse(by_hand);
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(print(*parsed), kExample);
}

TEST(TextForm, OfNothingIsNothing) {
  EXPECT_EQ(print({}), "");
  EXPECT_EQ(parse(""), std::vector<ExposureRoutes>{});
  EXPECT_EQ(parse("\n  \n# nothing\n"), std::vector<ExposureRoutes>{});
}

TEST(TextForm, KeepsColumnsThatFollowFromOneLineAlone) {
  std::vector<ExposureRoutes> routes = {
      {"e",
       {{"main",
         {{{HostPattern::Kind::any, ""},
           {{{PathPattern::Kind::prefix, "/seven/7"},
             model::Forward{std::string(40, 'u')},
             "Ingress a/b"},
            {{PathPattern::Kind::prefix, "/a"}, model::Refuse{"x"}, ""}}}}}}}};
  EXPECT_EQ(print(routes),
            "exposure e\nlistener main\n  host *\n"
            "      prefix /seven/7        forward uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu        "
            "# Ingress a/b\n"
            "      prefix /a      refuse x\n");
}

TEST(TextForm, EscapesWhatCouldBeMistaken) {
  std::vector<ExposureRoutes> routes = {{"#e",
                                         {{"",
                                           {{{HostPattern::Kind::any, ""},
                                             {{{PathPattern::Kind::prefix, "/a"},
                                               model::Forward{"a/b:80@manifests:/my dir"},
                                               " # \n"},
                                              {{PathPattern::Kind::prefix, "/"},
                                               model::Refuse{"a\\b"},
                                               "Ingress b\xc3\xbc/x y"}}}}}}}};
  const std::string text = print(routes);
  EXPECT_EQ(text,
            "exposure \\x23e\nlistener \"\"\n  host *\n"
            "      prefix /a      forward a/b:80@manifests:/my\\x20dir                     # "
            "\\x20# \\x0a\n"
            "      prefix /       refuse a\\x5cb               # Ingress b\\xc3\\xbc/x y\n");
  EXPECT_EQ(parse(text), routes);
}

// A word that nobody prints is a mistake, never a default in silence.
TEST(TextForm, TakesOnlyTheWordsOfAnUpstreamThatItPrints) {
  const char* const bad[] = {"h1",
                             "h2 h2",
                             "tls",
                             "tls=",
                             "tls=off",
                             "tls=on",
                             "tls=verify tls=prefer",
                             "ca=",
                             "ca=a ca=b",
                             "name=x",
                             "proxy-header=none",
                             "proxy-header=v3",
                             "balance=least-requests",
                             "balance=best",
                             "hash-by=client-address",
                             "hash-by=header\\x20",
                             "sticky-cookie=a;b",
                             "max-pending=0",
                             "max-pending=4096",
                             "max-pending=1 max-pending=2",
                             "idle-timeout=0ms",
                             "idle-timeout=5s",
                             "=x"};
  for (const char* words : bad) {
    const auto got = parse(fmt::format("exposure e\nupstream u {}\n", words));
    ASSERT_FALSE(got) << words;
    EXPECT_TRUE(got.error().starts_with(
        "line 2: expected h2, tls, server-name, ca, client-certificate, proxy-header, balance, "
        "hash-by, sticky-cookie, a limit or a timeout, found "))
        << got.error();
  }
}

TEST(TextForm, SaysWhichLineIsWrongAndWhatWasExpected) {
  const std::string top = "exposure e\nlistener l\nhost h\n";
  struct Case {
    std::string text;
    const char* want;
  };
  const Case cases[] = {
      {"exposure", "line 1: expected a name, found the end of the line"},
      {"exposure a b", "line 1: expected the end of the line, found b"},
      {"\n\nlistener l", "line 3: expected an exposure before the first listener"},
      {"upstream u", "line 1: expected an exposure before the first upstream"},
      {top + "upstream u", "line 4: expected the upstreams before the first listener"},
      {"exposure e\nupstream", "line 2: expected a name, found the end of the line"},
      {"exposure e\nupstream u\nupstream u", "line 3: upstream u is there twice"},
      {"exposure e\nhost h", "line 2: expected a listener before the host"},
      {"exposure e\nlistener l\nexact / refuse x", "line 3: expected a host before the path"},
      {top + "exect / refuse x",
       "line 4: expected exposure, upstream, listener, host, exact or prefix, found exect"},
      {top + "host 10.0.0.1",
       "line 4: the host 10.0.0.1 must be a DNS name, not an IP address; leave it out for any "
       "host"},
      {top + "exact", "line 4: expected a path, found the end of the line"},
      {top + "exact a refuse x", "line 4: the path a must begin with '/'"},
      {top + "exact /", "line 4: expected forward, redirect or refuse, found the end of the line"},
      {top + "exact / send x", "line 4: expected forward, redirect or refuse, found send"},
      {top + "exact / forward", "line 4: expected an upstream, found the end of the line"},
      {top + "exact / forward # x", "line 4: expected an upstream, found the end of the line"},
      {top + "exact / refuse", "line 4: expected a cause, found the end of the line"},
      {top + "exact / refuse x y", "line 4: expected the end of the line, found y"},
      {top + "exact / redirect http 80", "line 4: expected https, found http"},
      {top + "exact / redirect https", "line 4: expected a port, found the end of the line"},
      {top + "exact / redirect https 0", "line 4: expected a port, found 0"},
      {top + "exact / redirect https 65536", "line 4: expected a port, found 65536"},
      {top + "exact / redirect https 443 x", "line 4: expected the end of the line, found x"},
      {top + "exact / forward a\\b", "line 4: expected \\x and two hex digits after a backslash"},
      {top + "exact / forward a # \\xg0",
       "line 4: expected \\x and two hex digits after a backslash"},
      {"exposure e\nexposure e", "line 2: exposure e is there twice"},
      {"exposure e\nlistener l\nlistener l", "line 3: listener l is there twice"},
      {top + "host H.", "line 4: host h is there twice"},
      {top + "exact / refuse x\nprefix / refuse x\nprefix // refuse y",
       "line 6: prefix / is there twice"},
  };
  for (const Case& c : cases) {
    const auto got = parse(c.text);
    ASSERT_FALSE(got) << c.text;
    EXPECT_EQ(got.error(), c.want) << c.text;
  }
}

/// A number from `least` to `most`. Without a fixed size, small ranges give little but their least.
int number(int least, int most) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(least, most + 1));
}

std::string name() {
  return *rc::gen::element<std::string>("a", "b", "c.d", "", "#", "\"\"", "x y", "\\x41");
}

model::Upstream upstream(const std::string& key) {
  return {
      key,
      *rc::gen::element(model::UpstreamProtocol::http1, model::UpstreamProtocol::h2),
      *rc::gen::element(model::UpstreamTls::off, model::UpstreamTls::prefer,
                        model::UpstreamTls::require, model::UpstreamTls::verify),
      name(),
      name(),
      name(),
      *rc::gen::element(model::ProxyHeader::none, model::ProxyHeader::v1, model::ProxyHeader::v2)};
}

model::Action action() {
  switch (number(0, 2)) {
    case 0:
      return model::Forward{*rc::gen::arbitrary<std::string>()};
    case 1:
      return model::Redirect{static_cast<std::uint16_t>(number(1, 65535))};
    default:
      return model::Refuse{*rc::gen::arbitrary<std::string>()};
  }
}

model::VirtualHost random_host(const HostPattern& pattern) {
  model::VirtualHost out{pattern, {}};
  std::set<PathPattern> paths;
  for (int left = number(0, 5); left > 0; --left) {
    paths.insert({*rc::gen::element(PathPattern::Kind::exact, PathPattern::Kind::prefix),
                  *rc::gen::element<std::string>("/", "/a", "/a/b", "/a%20b", "/~x", "/%23")});
  }
  for (const PathPattern& path : paths) {
    out.routes.push_back({path, action(), *rc::gen::arbitrary<std::string>()});
  }
  return out;
}

RC_GTEST_PROP(TextForm, ParsesWhatItPrints, ()) {
  std::vector<ExposureRoutes> routes;
  std::set<std::string> exposures;
  for (int left = number(1, 2); left > 0; --left) exposures.insert(name());
  for (const std::string& exposure : exposures) {
    routes.push_back({exposure, {}});
    std::set<std::string> upstreams;
    for (int more = number(0, 2); more > 0; --more) upstreams.insert(name());
    for (const std::string& key : upstreams) routes.back().upstreams.push_back(upstream(key));
    std::set<std::string> listeners;
    for (int more = number(1, 2); more > 0; --more) listeners.insert(name());
    for (const std::string& listener : listeners) {
      ListenerRoutes& out = routes.back().listeners.emplace_back(ListenerRoutes{listener, {}});
      for (const HostPattern& pattern :
           {HostPattern{HostPattern::Kind::exact, "a.b"},
            HostPattern{HostPattern::Kind::wildcard, "b"}, HostPattern{}}) {
        if (number(0, 1) == 1) out.hosts.push_back(random_host(pattern));
      }
    }
  }
  const std::string text = print(routes);
  const auto parsed = parse(text);
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == canonical(routes));
  RC_ASSERT(print(*parsed) == text);
}

RC_GTEST_PROP(TextForm, TakesAnyTextOrSaysWhichLineIsWrong, ()) {
  std::string text;
  for (int left = number(0, 30); left > 0; --left) {
    text += *rc::gen::element<std::string>(
        "exposure e", "upstream u", " h2", " tls=verify", " ca=x", " proxy-header=v2",
        " balance=hash", " hash-by=header\\x20x", " sticky-cookie=s", " max-requests=7",
        " total-timeout=5ms", "listener l", "host h", "host *", "exact /", "prefix /", "a", " ",
        "\n", "\n", "#", "\\x41", "\\", "\"", " forward u\n", " refuse c\n",
        " redirect https 443\n", "\xff", "\r");
  }
  const auto got = parse(text);
  if (got) {
    const bool same = parse(print(*got)) == got;
    RC_ASSERT(same);
  } else {
    RC_ASSERT(got.error().starts_with("line "));
  }
}

}  // namespace
}  // namespace bd::route
