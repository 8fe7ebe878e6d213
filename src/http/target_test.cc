#include "http/target.h"

#include <gtest/gtest.h>

#include "base/ascii.h"

namespace bd::http {
namespace {

TEST(NormalizePath, HasOneSpellingForEachPath) {
  struct Case {
    const char* raw;
    const char* want;
  };
  constexpr Case cases[] = {
      {"/", "/"},
      {"/a/b.c", "/a/b.c"},
      {"/a/", "/a/"},
      {"/.", "/"},
      {"/..", "/"},
      {"/./", "/"},
      {"/../", "/"},
      {"/a/.", "/a/"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/a/b/../", "/a/"},
      {"/a/./b/../c", "/a/c"},
      {"/../../../etc", "/etc"},
      {"/public/../admin", "/admin"},
      {"/public/%2e%2e/admin", "/admin"},
      {"/public/.%2E/admin", "/admin"},
      {"/a/...", "/a/..."},
      {"/.well-known/x", "/.well-known/x"},
      {"/a/..b/.c/d..", "/a/..b/.c/d.."},
      {"//", "//"},
      {"//admin", "//admin"},
      {"/x/..//admin", "//admin"},
      {"/a//..", "/a/"},
      {"/a//../b", "/a/b"},
      {"/%41%7a%30%2D%5f%7E", "/Az0-_~"},
      {"/caf%c3%a9", "/caf%C3%A9"},
      {"/caf%E9", "/caf%E9"},
      {"/%252e%252e/", "/%252e%252e/"},
      {"/%25%32%65", "/%252e"},
      {"/a%20b%3Fc%23d%3b", "/a%20b%3Fc%23d%3B"},
      {"/a;v=1;w/b", "/a;v=1;w/b"},
      {"/a/b..;/c", "/a/b..;/c"},
      {"/!$&'()*+,;=:@-._~", "/!$&'()*+,;=:@-._~"},
      {"/\"<>[]^`{|}", "/\"<>[]^`{|}"},
      {"/%0d%0aX:%20y", "/%0D%0AX:%20y"},
      {"/%e0%a0%80%f0%90%80%80", "/%E0%A0%80%F0%90%80%80"},
  };
  for (const Case& c : cases) {
    const Result<std::string> got = normalize_path(c.raw);
    ASSERT_TRUE(got) << c.raw;
    EXPECT_EQ(*got, c.want) << c.raw;
    EXPECT_EQ(is_normal_path(c.raw), *got == c.raw) << c.raw;
    EXPECT_TRUE(is_normal_path(*got)) << c.raw;
  }
}

TEST(NormalizePath, RefusesWhatUpstreamsReadInSeveralWays) {
  const std::string cases[] = {
      "",
      "a",
      "*",
      "a/b",
      "%2f",
      "http://a/",
      "?",
      "/a?b",
      "/a#b",
      "/a b",
      "/a\tb",
      "/a\\b",
      "\\",
      "/%5c",
      "/%5C..",
      "/%2f",
      "/%2F",
      "/a%2fb",
      "/%00",
      "/a%00.png",
      "/%",
      "/a%",
      "/a%2",
      "/a%2g",
      "/%zz",
      "/% 41",
      "/%%34%31",
      "/%u0041",
      "/%c0%ae%c0%ae/",
      "/%C0%AF",
      "/%c1%9c",
      "/%c0",
      "/%e0%80%af",
      "/%e0%9F%bf",
      "/%f0%80%80%af",
      "/%F0%8f%bf%bf",
      "/\x01",
      "/\x1f",
      "/\x7f",
      "/\xc3\xa9",
      "/\x80",
      "/..;",
      "/..;/admin",
      "/a/.;x/b",
      "/a/..;x=y/b",
      "/a/%2e%2e;/b",
      "/a/%2E;",
      std::string("/\0", 2),
      std::string("/a\0b", 4),
  };
  for (const std::string& raw : cases) {
    const Result<std::string> got = normalize_path(raw);
    ASSERT_FALSE(got) << raw << " became " << *got;
    EXPECT_EQ(got.error().code, Error::Code::bad_request);
    EXPECT_FALSE(is_normal_path(raw)) << raw;
  }
}

/// RFC 3986 §5.2.4 as it is written there: five rules that move text from an input to an output.
std::string naive_dot_segments(std::string in) {
  std::string out;
  const auto drop = [&](std::size_t n) { in.erase(0, n); };
  while (!in.empty()) {
    if (in.starts_with("/./"))
      drop(2);
    else if (in == "/.")
      in = "/";
    else if (in.starts_with("/../") || in == "/..") {
      in = "/" + (in == "/.." ? std::string() : in.substr(4));
      out.erase(out.empty() ? 0 : out.rfind('/'));
    } else {
      const std::size_t next = in.find('/', 1);
      out += in.substr(0, next);
      in = next == std::string::npos ? "" : in.substr(next);
    }
  }
  return out;
}

// Every path of up to seven pieces of a small alphabet: a slow reading of the RFC and the fast one
// agree, the result is a fixed point, and a normal path is known for one without a copy.
TEST(NormalizePath, AgreesWithTheRfcOnEverySmallPath) {
  constexpr std::string_view pieces[] = {"/", ".", "a", "%2e", "%41", "%c3"};
  constexpr std::size_t alphabet = std::size(pieces);
  std::size_t combinations = 1;
  for (int length = 0; length < 7; ++length, combinations *= alphabet) {
    for (std::size_t n = 0; n < combinations; ++n) {
      std::string raw = "/";
      std::string decoded = "/";
      for (std::size_t i = 0, rest = n; i < static_cast<std::size_t>(length);
           ++i, rest /= alphabet) {
        const std::string_view piece = pieces[rest % alphabet];
        raw += piece;
        decoded += piece == "%2e" ? "." : piece == "%41" ? "A" : piece == "%c3" ? "%C3" : piece;
      }
      const Result<std::string> got = normalize_path(raw);
      ASSERT_TRUE(got) << raw;
      ASSERT_EQ(*got, naive_dot_segments(decoded)) << raw;
      ASSERT_TRUE(is_normal_path(*got)) << raw;
      ASSERT_EQ(is_normal_path(raw), raw == *got) << raw;
    }
  }
}

TEST(MergeSlashes, LeavesNoEmptySegment) {
  struct Case {
    std::string_view path;
    std::string_view want;
  };
  constexpr Case cases[] = {
      {"/", "/"},
      {"//", "/"},
      {"///", "/"},
      {"/a/b", "/a/b"},
      {"//admin", "/admin"},
      {"/a//b", "/a/b"},
      {"/a///b//", "/a/b/"},
      {"*", "*"},
  };
  for (const Case& c : cases) {
    std::string storage = "left over";
    EXPECT_EQ(merge_slashes(c.path, storage), c.want) << c.path;
  }
  std::string storage;
  constexpr std::string_view plain = "/a/b";
  EXPECT_EQ(merge_slashes(plain, storage).data(), plain.data()) << "no copy of what needs none";
}

TEST(Target, ReadsOriginAbsoluteAndAsteriskForm) {
  struct Case {
    Method method;
    const char* raw;
    const char* host;
    const char* path;
    const char* query;
  };
  constexpr Case cases[] = {
      {Method::get, "/", nullptr, "/", ""},
      {Method::get, "/a/../b?c=/../d", nullptr, "/b", "?c=/../d"},
      {Method::get, "/a?", nullptr, "/a", "?"},
      {Method::get, "/a??b=%zz%00", nullptr, "/a", "??b=%zz%00"},
      {Method::get, "/?a={b}|\"c\"\\", nullptr, "/", "?a={b}|\"c\"\\"},
      {Method::get, "/http://b/", nullptr, "/http://b/", ""},
      {Method::get, "http://A.example", "a.example", "/", ""},
      {Method::get, "http://a.example/", "a.example", "/", ""},
      {Method::get, "HtTpS://a.example./x/./y?z", "a.example", "/x/y", "?z"},
      {Method::get, "http://a.example?z", "a.example", "/", "?z"},
      {Method::get, "http://[::1]:80/x", "[::1]", "/x", ""},
      {Method::options, "*", nullptr, "*", ""},
      {Method::options, "http://a.example", "a.example", "*", ""},
      {Method::options, "http://a.example/", "a.example", "/", ""},
      {Method::options, "http://a.example?z", "a.example", "/", "?z"},
      {Method::options, "/a", nullptr, "/a", ""},
  };
  for (const Case& c : cases) {
    const Result<Target> got = Target::parse(c.method, c.raw);
    ASSERT_TRUE(got) << c.raw;
    EXPECT_EQ(got->path, c.path) << c.raw;
    EXPECT_EQ(got->query, c.query) << c.raw;
    ASSERT_EQ(got->authority.has_value(), c.host != nullptr) << c.raw;
    if (c.host != nullptr) EXPECT_EQ(got->authority->host, c.host) << c.raw;
  }
}

TEST(Target, RefusesEverythingElse) {
  struct Case {
    Method method;
    std::string_view raw;
  };
  constexpr Case cases[] = {
      {Method::get, ""},
      {Method::get, "*"},
      {Method::options, "**"},
      {Method::options, "*?a"},
      {Method::get, "a"},
      {Method::get, "?a"},
      {Method::get, "a.example:80"},
      {Method::connect, "a.example:80"},
      {Method::connect, "/"},
      {Method::get, "ftp://a/"},
      {Method::get, "http:/a"},
      {Method::get, "http:a"},
      {Method::get, "http://"},
      {Method::get, "http:///a"},
      {Method::get, "http://?a"},
      {Method::get, "http://u@a/"},
      {Method::get, "http://a#b"},
      {Method::get, "http://a\\b/"},
      {Method::get, "http://a:x/"},
      {Method::get, "/a#b"},
      {Method::get, "/a?b#c"},
      {Method::get, "/a?b c"},
      {Method::get, "/a?\x01"},
      {Method::get, "/a?\x7f"},
      {Method::get, "/a?\xc3\xa9"},
      {Method::get, "/a%2fb?c"},
      {Method::get, "javascript:alert(1)"},
  };
  for (const Case& c : cases) {
    const Result<Target> got = Target::parse(c.method, c.raw);
    ASSERT_FALSE(got) << c.raw;
    EXPECT_EQ(got.error().code, Error::Code::bad_request);
  }
}

TEST(EffectiveAuthority, IsOneOrNone) {
  struct Case {
    const char* target;
    const char* host;
    const char* want;
  };
  constexpr Case cases[] = {
      {"/", "a", "a"},
      {"/", "A.:80", "a"},
      {"http://a/", "a", "a"},
      {"http://A./", "a", "a"},
      {"http://a:80/", "a:80", "a"},
      {"http://a/", "", "a"},
      {"/", "", nullptr},
      {"/", "a b", nullptr},
      {"http://a/", "b", nullptr},
      {"http://a/", "a b", nullptr},
      {"http://a:80/", "a", nullptr},
      {"http://a:80/", "a:81", nullptr},
  };
  for (const Case& c : cases) {
    const Result<Authority> got =
        effective_authority(*Target::parse(Method::get, c.target), c.host);
    ASSERT_EQ(got.has_value(), c.want != nullptr) << c.target << " " << c.host;
    if (got) EXPECT_EQ(got->host, c.want);
  }
}

}  // namespace
}  // namespace bd::http
