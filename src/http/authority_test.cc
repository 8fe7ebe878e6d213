#include "http/authority.h"

#include <gtest/gtest.h>

namespace bd::http {
namespace {

std::string labels(std::size_t count, std::size_t length) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += std::string(length, 'a') + ".";
  return out;
}

TEST(Authority, IsTheSameHoweverItIsWritten) {
  struct Case {
    std::string text;
    std::string host;
    std::optional<std::uint16_t> port;
    bool ip;
  };
  const Case cases[] = {
      {"a.example", "a.example", std::nullopt, false},
      {"A.EXAMPLE", "a.example", std::nullopt, false},
      {"a.example.", "a.example", std::nullopt, false},
      {"A.example.:10001", "a.example", 10001, false},
      {"a.example:", "a.example", std::nullopt, false},
      {"a:1", "a", 1, false},
      {"a:65535", "a", 65535, false},
      {"a:00080", "a", 80, false},
      {"my_app-1.ns", "my_app-1.ns", std::nullopt, false},
      {"r3---sn-x.example", "r3---sn-x.example", std::nullopt, false},
      {"192.0.2.1", "192.0.2.1", std::nullopt, true},
      {"192.0.2.1.:80", "192.0.2.1", 80, true},
      {"[2001:DB8::1]", "[2001:db8::1]", std::nullopt, true},
      {"[::1]:", "[::1]", std::nullopt, true},
      {"[::1]:443", "[::1]", 443, true},
      {"[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", std::nullopt, true},
      {"127.1", "127.1", std::nullopt, true},
      {"0x7f.0.0.1", "0x7f.0.0.1", std::nullopt, true},
      {"2130706433", "2130706433", std::nullopt, true},
      {"a.0x7F", "a.0x7f", std::nullopt, true},
      {"1.example", "1.example", std::nullopt, false},
      {labels(1, 63) + "a", labels(1, 63) + "a", std::nullopt, false},
      {labels(4, 62) + "b", labels(4, 62) + "b", std::nullopt, false},
      {labels(4, 62) + "b.", labels(4, 62) + "b", std::nullopt, false},
  };
  for (const Case& c : cases) {
    const Result<Authority> got = Authority::parse(c.text);
    ASSERT_TRUE(got) << c.text;
    EXPECT_EQ(*got, (Authority{c.host, c.port, c.ip})) << c.text;
  }
}

TEST(Authority, RefusesWhatIsNotOneHost) {
  const std::string cases[] = {
      "",
      ".",
      "..",
      ".a",
      "a..",
      "a..b",
      ":",
      ":80",
      "a:0",
      "a:65536",
      "a:99999",
      "a:000080",
      "a:-1",
      "a:+1",
      "a: 80",
      "a:80 ",
      "a:8o",
      "a:80:80",
      "a:80/",
      "u@a",
      "u:p@a",
      "a@",
      "@a",
      "a b",
      " a",
      "a ",
      "a\tb",
      "a,b",
      "a, b",
      "a/b",
      "a?b",
      "a#b",
      "a\\b",
      "*",
      "*.a",
      "a%41",
      "a;b",
      "a=b",
      "(a)",
      "\"a\"",
      "{a}",
      "a!",
      "a~b",
      "b\xc3\xbc"
      "cher",
      "\x7f",
      "[",
      "]",
      "[]",
      "[::1",
      "::1",
      "::1]",
      "[::1]a",
      "[::1]]",
      "[::1]:x",
      "[1.2.3.4]",
      "[::1%25]",
      "[fe80::1%eth0]",
      "[::1%lo]",
      "[v1.a]",
      "[:::1]",
      "[::g]",
      "a[::1]",
      std::string("a\0b", 3),
      std::string("a\0", 2),
      std::string("[::1\0]", 6),
      std::string("[::1\0x]", 7),
      labels(1, 64),
      labels(4, 62) + "bb",
      labels(127, 1) + "a",
  };
  for (const std::string& text : cases) {
    const Result<Authority> got = Authority::parse(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().code, Error::Code::bad_request);
    EXPECT_EQ(got.error().party, Party::downstream);
  }
}

}  // namespace
}  // namespace bd::http
