#include "proxyprotocol/write.h"

#include <gtest/gtest.h>
// Its glue needs GoogleTest first.
#include <rapidcheck/gtest.h>

#include "proxyprotocol/header.h"

namespace bd::proxyprotocol {
namespace {

SocketAddress at(std::string_view text) {
  return SocketAddress::parse(text).value();
}

TEST(Write, SpellsVersion1) {
  EXPECT_EQ(write_v1(at("192.0.2.1:56324"), at("192.0.2.9:443")),
            "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n");
  EXPECT_EQ(write_v1(at("[2001:db8::1]:1"), at("[2001:db8::2]:65535")),
            "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
  EXPECT_EQ(write_v1(at("192.0.2.1:1"), at("[2001:db8::2]:2")), "PROXY UNKNOWN\r\n");
}

TEST(Write, SpellsVersion2) {
  using namespace std::string_literals;
  EXPECT_EQ(write_v2(at("192.0.2.1:258"), at("10.0.0.1:443")),
            "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x01\x02\x01\xbb"s);
  EXPECT_EQ(write_v2(at("192.0.2.1:258"), at("[2001:db8::2]:443")),
            "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
            "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01"
            " \x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x01\x02\x01\xbb"s);
}

TEST(Write, OwnConnectionsAreNobodys) {
  const auto unknown = parse(kV1Unknown);
  ASSERT_TRUE(unknown && *unknown);
  EXPECT_FALSE((*unknown)->source);
  EXPECT_EQ((*unknown)->size, kV1Unknown.size());
}

SocketAddress any_address() {
  SocketAddress out;
  out.port = *rc::gen::arbitrary<std::uint16_t>();
  if (*rc::gen::arbitrary<bool>()) {
    out.ip = IpAddress::v4(*rc::gen::arbitrary<std::array<std::uint8_t, 4>>());
  } else {
    out.ip = IpAddress::v6(*rc::gen::arbitrary<std::array<std::uint8_t, 16>>());
  }
  return out;
}

RC_GTEST_PROP(Write, IsReadBack, ()) {
  const SocketAddress source = any_address();
  const SocketAddress destination = any_address();
  const std::string line = write_v1(source, destination);
  RC_ASSERT(line.size() <= kV1SizeMax);
  const auto v1 = parse(line);
  RC_ASSERT(v1.has_value() && v1->has_value());
  RC_ASSERT((*v1)->size == line.size());
  if (source.ip.is_v4() == destination.ip.is_v4()) {
    RC_ASSERT((*v1)->source == source);
    RC_ASSERT((*v1)->destination == destination);
  } else {
    RC_ASSERT(!(*v1)->source.has_value());
  }
  const std::string block = write_v2(source, destination);
  const auto v2 = parse(block);
  RC_ASSERT(v2.has_value() && v2->has_value());
  RC_ASSERT((*v2)->size == block.size());
  RC_ASSERT((*v2)->source == source);
  RC_ASSERT((*v2)->destination == destination);
  RC_ASSERT(!(*v2)->local);
}

}  // namespace
}  // namespace bd::proxyprotocol
