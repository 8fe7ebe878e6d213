#include "model/route.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "model/limits.h"

namespace bd::model {
namespace {

using Host = HostPattern::Kind;
using Path = PathPattern::Kind;

TEST(HostPattern, FoldsWhatMeansTheSame) {
  struct Case {
    const char* text;
    Host kind;
    const char* name;
    const char* printed;
  };
  constexpr Case cases[] = {
      {"", Host::any, "", "*"},
      {"shop.example.com", Host::exact, "shop.example.com", "shop.example.com"},
      {"Shop.EXAMPLE.com", Host::exact, "shop.example.com", "shop.example.com"},
      {"shop.example.com.", Host::exact, "shop.example.com", "shop.example.com"},
      {"*.Example.com.", Host::wildcard, "example.com", "*.example.com"},
      {"*.com", Host::wildcard, "com", "*.com"},
      {"localhost", Host::exact, "localhost", "localhost"},
      {"_acme.my_app.local", Host::exact, "_acme.my_app.local", "_acme.my_app.local"},
      {"xn--bcher-kva.example", Host::exact, "xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"1.2.3.4.nip.io", Host::exact, "1.2.3.4.nip.io", "1.2.3.4.nip.io"},
  };
  for (const Case& c : cases) {
    const auto got = HostPattern::parse(c.text);
    ASSERT_TRUE(got) << c.text << ": " << got.error();
    EXPECT_EQ(*got, (HostPattern{c.kind, c.name})) << c.text;
    EXPECT_EQ(got->text(), c.printed);
  }
}

TEST(HostPattern, RefusesWhatNoRequestCanName) {
  const std::string label64(64, 'x');
  const std::string name254 = std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                              std::string(63, 'c') + "." + std::string(62, 'd');
  struct Case {
    std::string text;
    const char* says;
  };
  const Case cases[] = {
      {"*", "leave it out for any host"},
      {"*.", "leave it out for any host"},
      {"10.0.0.1", "not an IP address"},
      {"127.1", "not an IP address"},
      {"2130706433", "not an IP address"},
      {"::1", "not an IP address"},
      {"[::1]", "not an IP address"},
      {"*.10.0.0.1", "not an IP address"},
      {"shop.example.com:8080", "without a port"},
      {"https://shop.example.com", "without scheme and path"},
      {"shop.example.com/cart", "without scheme and path"},
      {"a.*.example.com", "whole first label"},
      {"*shop.example.com", "whole first label"},
      {"*.*.example.com", "whole first label"},
      {"shop..example.com", "the label ''"},
      {".example.com", "the label ''"},
      {"shop.example.com..", "the label ''"},
      {"-shop.example.com", "the label '-shop'"},
      {"shop-.example.com", "the label 'shop-'"},
      {"sh op.example.com", "the label 'sh op'"},
      {"b\xc3\xbc"
       "cher.example",
       "the label"},
      {label64 + ".example.com", "the label"},
      {name254, "longer than 253"},
  };
  for (const Case& c : cases) {
    const auto got = HostPattern::parse(c.text);
    ASSERT_FALSE(got) << c.text;
    EXPECT_NE(got.error().find(c.says), std::string::npos) << c.text << ": " << got.error();
  }
  EXPECT_TRUE(HostPattern::parse(name254.substr(1)));
}

TEST(HostPattern, WildcardIsExactlyOneLabel) {
  const HostPattern wildcard{Host::wildcard, "example.com"};
  EXPECT_TRUE(wildcard.matches("shop.example.com", false));
  for (const char* other : {"example.com", "a.shop.example.com", ".example.com", "shopexample.com",
                            "shop.example.com.evil", "", "com"}) {
    EXPECT_FALSE(wildcard.matches(other, false)) << other;
  }
}

TEST(HostPattern, OnlyAnyHostServesIpLiterals) {
  EXPECT_TRUE((HostPattern{Host::any, ""}).matches("10.0.0.1", true));
  EXPECT_FALSE((HostPattern{Host::wildcard, "0.0.1"}).matches("10.0.0.1", true));
  EXPECT_FALSE((HostPattern{Host::exact, "10.0.0.1"}).matches("10.0.0.1", true));
}

TEST(PathPattern, IsKeptInTheFormThatRequestsAreMatchedIn) {
  struct Case {
    Path kind;
    const char* text;
    const char* want;
  };
  constexpr Case cases[] = {
      {Path::prefix, "/", "/"},          {Path::exact, "/", "/"},
      {Path::prefix, "/a/", "/a"},       {Path::exact, "/a/", "/a/"},
      {Path::prefix, "/a//b//", "/a/b"}, {Path::exact, "/a//b//", "/a/b/"},
      {Path::prefix, "//", "/"},         {Path::prefix, "/%7Euser", "/~user"},
      {Path::exact, "/a%3ab", "/a%3Ab"}, {Path::prefix, "/v1.2/...", "/v1.2/..."},
  };
  for (const Case& c : cases) {
    const auto got = PathPattern::parse(c.kind, c.text);
    ASSERT_TRUE(got) << c.text << ": " << got.error();
    EXPECT_EQ(*got, (PathPattern{c.kind, c.want})) << c.text;
  }
}

TEST(PathPattern, RefusesWhatNoRequestCanMatch) {
  struct Case {
    std::string text;
    const char* says;
  };
  const Case cases[] = {
      {"", "must begin with '/'"},
      {"a", "must begin with '/'"},
      {"/a?b=c", "query"},
      {"/a/../b", "'.' or '..'"},
      {"/a/%2E%2e", "'.' or '..'"},
      {"/.", "'.' or '..'"},
      {"/a/.%2e/", "'.' or '..'"},
      {"/a%2fb", "can match no request: "},
      {"/a b", "can match no request: "},
      {"/a#b", "can match no request: "},
      {"/%zz", "can match no request: "},
      {"/b\xc3\xbc", "can match no request: "},
      {"/" + std::string(kPathBytesMax, 'a'), "longer than 4096 bytes"},
  };
  for (const Case& c : cases) {
    const auto got = PathPattern::parse(Path::prefix, c.text);
    ASSERT_FALSE(got) << c.text;
    EXPECT_NE(got.error().find(c.says), std::string::npos) << c.text << ": " << got.error();
  }
  EXPECT_TRUE(PathPattern::parse(Path::prefix, "/" + std::string(kPathBytesMax - 1, 'a')));
}

TEST(PathPattern, PrefixMatchesWholeElements) {
  struct Case {
    const char* pattern;
    const char* path;
    bool exact;
    bool prefix;
  };
  constexpr Case cases[] = {
      {"/", "/", true, true},          {"/", "/a", false, true},     {"/a", "/a", true, true},
      {"/a", "/a/", false, true},      {"/a", "/a/b", false, true},  {"/a", "/ab", false, false},
      {"/a", "/", false, false},       {"/a/b", "/a", false, false}, {"/a", "/A", false, false},
      {"/a/b", "/a/b/c", false, true}, {"/", "*", false, false},     {"/", "", false, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ((PathPattern{Path::exact, c.pattern}).matches(c.path), c.exact)
        << c.pattern << " " << c.path;
    EXPECT_EQ((PathPattern{Path::prefix, c.pattern}).matches(c.path), c.prefix)
        << c.pattern << " " << c.path;
  }
}

TEST(Route, OrderIsLongestThenExactThenText) {
  std::vector<Route> routes;
  for (const PathPattern& path :
       {PathPattern{Path::prefix, "/"}, PathPattern{Path::prefix, "/b"},
        PathPattern{Path::prefix, "/a"}, PathPattern{Path::exact, "/b"},
        PathPattern{Path::prefix, "/long"}, PathPattern{Path::exact, "/"}}) {
    routes.push_back({path, Forward{"u"}, ""});
  }
  std::ranges::sort(routes, matches_before);
  std::string order;
  for (const Route& route : routes) {
    order += (route.path.kind == Path::exact ? " exact " : " prefix ") + route.path.path;
  }
  EXPECT_EQ(order, " prefix /long exact /b prefix /a prefix /b exact / prefix /");
}

}  // namespace
}  // namespace bd::model
