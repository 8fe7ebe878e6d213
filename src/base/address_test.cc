#include "base/address.h"

#include <gtest/gtest.h>

namespace bd {
namespace {

TEST(IpAddress, FoldsMappedAddressesSoThatNoListIsBypassed) {
  EXPECT_EQ(IpAddress::parse("::ffff:127.0.0.1"), IpAddress::parse("127.0.0.1"));
  EXPECT_TRUE(IpAddress::parse("::ffff:127.0.0.1")->is_loopback());
}

TEST(IpAddress, RefusesWhatIsNotOneLiteral) {
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4.5", "fe80::1%eth0", "[1.2.3.4]",
                           "01.2.3.4", " 1.2.3.4"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(IpAddress::parse(std::string_view("::1\0x", 5)));
}

TEST(IpAddress, KnowsTheAddressesThatAreNeverEndpoints) {
  EXPECT_TRUE(IpAddress::parse("169.254.169.254")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("fe80::1")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("0.1.2.3")->is_unspecified());
  EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
  EXPECT_TRUE(IpAddress::parse("224.0.0.1")->is_multicast());
  EXPECT_TRUE(IpAddress::parse("ff02::1")->is_multicast());
  EXPECT_FALSE(IpAddress::parse("10.0.0.1")->is_multicast());
}

TEST(Cidr, ContainsByPrefixBits) {
  struct Case {
    const char* block;
    const char* address;
    bool want;
  };
  constexpr Case cases[] = {
      {"10.0.0.0/8", "10.255.0.1", true},      {"10.0.0.0/8", "11.0.0.1", false},
      {"10.1.2.3", "10.1.2.3", true},          {"10.1.2.3", "10.1.2.4", false},
      {"10.0.0.128/25", "10.0.0.200", true},   {"10.0.0.128/25", "10.0.0.100", false},
      {"0.0.0.0/0", "8.8.8.8", true},          {"0.0.0.0/0", "::1", false},
      {"fd00::/8", "fdff::1", true},           {"fd00::/8", "fe00::1", false},
      {"10.0.0.0/8", "::ffff:10.1.1.1", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Cidr::parse(c.block)->contains(*IpAddress::parse(c.address)), c.want)
        << c.block << " " << c.address;
  }
  EXPECT_FALSE(Cidr::parse("10.0.0.0/33"));
  EXPECT_FALSE(Cidr::parse("10.0.0.0/"));
}

TEST(SocketAddress, PrintsWhatItParses) {
  for (const char* text : {"1.2.3.4:80", "[::1]:8080", "0.0.0.0:10000"}) {
    EXPECT_EQ(SocketAddress::parse(text)->text(), text);
  }
  EXPECT_EQ(SocketAddress::parse(":9901")->text(), "0.0.0.0:9901");
  EXPECT_FALSE(SocketAddress::parse("::1:80"));
  EXPECT_FALSE(SocketAddress::parse("1.2.3.4:65536"));
  EXPECT_FALSE(SocketAddress::parse("1.2.3.4"));
}

}  // namespace
}  // namespace bd
