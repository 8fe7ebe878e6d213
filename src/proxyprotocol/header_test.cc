#include "proxyprotocol/header.h"

#include <gtest/gtest.h>
// Its glue needs GoogleTest first.
#include <rapidcheck/gtest.h>

#include "proxyprotocol/wire.h"

namespace bd::proxyprotocol {
namespace {

/// Bytes that `text` spells in hexadecimal; blanks are for the reader.
std::string hex(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ' ') digits.push_back(c);
  }
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return out;
}

/// The first bytes of a version 2 header: command, family and length follow as `rest`.
std::string v2(std::string_view rest) {
  return std::string(kSignature) + hex(rest);
}

std::string shown(const Header& header) {
  if (!header.source || !header.destination) return header.local ? "local" : "unknown";
  return header.source->text() + " > " + header.destination->text();
}

/// Every shorter cut needs more; the header, alone or with anything behind it, is the same value.
void expect_header(const std::string& bytes, std::string_view want) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = parse(bytes.substr(0, size));
    ASSERT_TRUE(parsed) << size << ": " << parsed.error();
    ASSERT_FALSE(*parsed) << size;
  }
  const auto alone = parse(bytes);
  ASSERT_TRUE(alone) << alone.error();
  ASSERT_TRUE(*alone);
  EXPECT_EQ(shown(**alone), want);
  EXPECT_EQ((*alone)->size, bytes.size());
  EXPECT_LE(bytes.size(), kHeaderSizeMax);
  for (const std::string_view behind : {"G", "\r\n", "\n", "PROXY UNKNOWN\r\n"}) {
    const auto parsed = parse(bytes + std::string(behind));
    ASSERT_TRUE(parsed) << parsed.error();
    EXPECT_EQ(*parsed, *alone);
  }
}

/// Every cut before the byte at `at` needs more; from that byte on it is the same error.
void expect_error(const std::string& bytes, std::size_t at) {
  for (std::size_t size = 0; size <= at; ++size) {
    const auto parsed = parse(bytes.substr(0, size));
    ASSERT_TRUE(parsed) << size << " of " << at << ": " << parsed.error();
    ASSERT_FALSE(*parsed) << size;
  }
  ASSERT_LT(at, bytes.size());
  const auto first = parse(bytes.substr(0, at + 1));
  ASSERT_FALSE(first);
  for (std::size_t size = at + 2; size <= bytes.size() + 1; ++size) {
    const auto parsed = parse((bytes + "\n").substr(0, size));
    ASSERT_FALSE(parsed) << size;
    EXPECT_STREQ(parsed.error(), first.error()) << size;
  }
}

TEST(V1, ReadsALine) {
  struct Case {
    const char* line;
    const char* want;
  };
  constexpr Case cases[] = {
      // As HAProxy 2.6 sends them.
      {"PROXY TCP4 127.0.0.1 127.0.0.1 54206 19101", "127.0.0.1:54206 > 127.0.0.1:19101"},
      {"PROXY TCP6 ::1 ::1 49966 19104", "[::1]:49966 > [::1]:19104"},
      // The longest of each family, and the smallest numbers.
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
       "255.255.255.255:65535 > 255.255.255.255:65535"},
      {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF 65535 65535",
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 > "
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
      {"PROXY TCP4 0.0.0.0 10.20.30.40 0 1", "0.0.0.0:0 > 10.20.30.40:1"},
      {"PROXY TCP6 :: 2001:db8:: 0 1", "[::]:0 > [2001:db8::]:1"},
      {"PROXY TCP6 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: 1 2",
       "[1:2:3:4:5:6:7:8]:1 > [1:2:3:4:5:6:7:0]:2"},
      {"PROXY TCP6 2001:0db8::0001 ::ffff:192.0.2.1 1 2", "[2001:db8::1]:1 > 192.0.2.1:2"},
      {"PROXY TCP6 1:2:3:4:5:6:192.0.2.11 ::192.0.2.1 1 2",
       "[1:2:3:4:5:6:c000:20b]:1 > [::192.0.2.1]:2"},
      {"PROXY UNKNOWN", "unknown"},
      {"PROXY UNKNOWN ", "unknown"},
      {"PROXY UNKNOWN anything  at all", "unknown"},
      {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
       "unknown"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.line);
    expect_header(std::string(c.line) + "\r\n", c.want);
  }
}

// The byte behind `^` is the one that shows it: nothing waits for a line that can't come.
TEST(V1, RefusesWhatIsNoLineAtItsFirstWrongByte) {
  constexpr std::string_view cases[] = {
      "^GET / HTTP/1.1\r\n",
      "P^OST / HTTP/1.1\r\n",
      "PROX^y TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY^\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY^\r\n",
      "PROXY ^\r\n",
      "PROXY ^ TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY ^/ HTTP/1.1\r\n",
      "PROXY TCP^5 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP4^6 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY ^tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY U^DP4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY UNKNOWN^X\r\n",
      "PROXY UNKNOWN a^\nb\r\n",
      "PROXY UNKNOWN a^\x7f\r\n",
      "PROXY UNKNOWN a^\xc3\xa4\r\n",
      "PROXY UNKNOWN\r^\r\n",
      "PROXY UNKNOWN\r^X\n",
      "PROXY TCP4^\r\n",
      "PROXY TCP4 ^\r\n",
      "PROXY TCP4 ^ 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP4 25^6.1.1.1 1.2.3.4 1 2\r\n",
      "PROXY TCP4 0^1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3^ 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3.4^.5 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.^.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP4 ^::1 ::1 1 2\r\n",
      "PROXY TCP4 ^example.com 1.2.3.4 1 2\r\n",
      "PROXY TCP4 ^-1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3.4^\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4^\r\n",
      "PROXY TCP4 1.2.3.4^\n1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3.4^:80 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3.4 ^::ffff:1.2.3.4 1 2\r\n",
      "PROXY TCP6 1^.2.3.4 ::1 1 2\r\n",
      "PROXY TCP6 1234^5 ::1 1 2\r\n",
      "PROXY TCP6 :^1::2 ::1 1 2\r\n",
      "PROXY TCP6 1::2:^:3 ::1 1 2\r\n",
      "PROXY TCP6 1:2:3:4:5:6:7^ ::1 1 2\r\n",
      "PROXY TCP6 1:2:3:4:5:6:7:8^: ::1 1 2\r\n",
      "PROXY TCP6 fe80::1^%eth0 ::1 1 2\r\n",
      "PROXY TCP6 ^[::1] ::1 1 2\r\n",
      "PROXY TCP6 ^g::1 ::1 1 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 ^\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1^\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 ^\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 0^1 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 6553^6 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 ^-1 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 ^+1 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 0^x1 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 0^0\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2^ \r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2^ 3\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2^\nGET / HTTP/1.1\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r^GET / HTTP/1.1\r\n",
  };
  for (const std::string_view marked : cases) {
    std::string bytes(marked);
    const std::size_t at = bytes.find('^');
    bytes.erase(at, 1);
    SCOPED_TRACE(std::string(marked));
    expect_error(bytes, at);
  }
}

// A NUL would end the address for a parser that works with C strings.
TEST(V1, RefusesNul) {
  const std::string line = "PROXY TCP4 1.2.3.4";
  expect_error(line + std::string(1, '\0') + " 1.2.3.4 1 2\r\n", line.size());
  const std::string unknown = "PROXY UNKNOWN ";
  expect_error(unknown + std::string(1, '\0') + "\r\n", unknown.size());
}

TEST(V1, BoundsTheLine) {
  const std::string start = "PROXY UNKNOWN ";
  const std::size_t room = kV1SizeMax - start.size() - 2;
  expect_header(start + std::string(room - 1, 'x') + "\r\n", "unknown");
  expect_header(start + std::string(room, 'x') + "\r\n", "unknown");
  expect_error(start + std::string(room + 1, 'x') + "\r\n", kV1SizeMax - 2);
}

// The bytes were recorded from HAProxy 2.6: send-proxy-v2, with crc32c and unique-id, over IPv6,
// and before a health check.
TEST(V2, ReadsWhatHaproxySends) {
  expect_header(v2("21 11 000c 7f000001 7f000001 c400 4a9e"), "127.0.0.1:50176 > 127.0.0.1:19102");
  const std::string with_id =
      v2("21 11 0019 7f000001 7f000001 8a2c 4a9f 030004 0c097761 050003 616263");
  expect_header(with_id, "127.0.0.1:35372 > 127.0.0.1:19103");
  EXPECT_EQ((*parse(with_id))->tlvs, hex("030004 0c097761 050003 616263"));
  expect_header(v2("21 21 002b 00000000000000000000000000000001 00000000000000000000000000000001"
                   "9038 4aa1 030004 64cf2119"),
                "[::1]:36920 > [::1]:19105");
  const std::string check = v2("20 00 0007 030004 a9b87e8f");
  expect_header(check, "local");
  EXPECT_EQ((*parse(check))->tlvs, "");
}

TEST(V2, KnowsCommandsAndFamilies) {
  const std::string unix_addresses(2 * 2 * 108, '0');
  struct Case {
    const char* why;
    std::string rest;
    const char* want;
    const char* tlvs;
  };
  const Case cases[] = {
      {"LOCAL, nothing behind", "20 00 0000", "local", ""},
      {"LOCAL with an address that does not count", "20 11 000c 01020304 01020304 0001 0002",
       "local", ""},
      {"LOCAL with a block that is no address", "20 21 0003 ffffff", "local", ""},
      {"LOCAL of a datagram", "20 12 0000", "local", ""},
      {"PROXY of something unspecified", "21 00 0000", "unknown", ""},
      {"unspecified, with a TLV", "21 00 0004 040001 00", "unknown", "04000100"},
      {"a Unix socket", "21 31 00d8" + unix_addresses, "unknown", ""},
      {"a Unix socket with a TLV", "21 31 00db" + unix_addresses + "e00000", "unknown", "e00000"},
      {"IPv6",
       "21 21 0024 20010db8000000000000000000000001 20010db8000000000000000000000002 0001 ffff",
       "[2001:db8::1]:1 > [2001:db8::2]:65535", ""},
      // A mapped address is the IPv4 address that it maps, so that no list is bypassed.
      {"mapped IPv4",
       "21 21 0024 00000000000000000000ffff0a000001 00000000000000000000ffff0a000002 0001 0002",
       "10.0.0.1:1 > 10.0.0.2:2", ""},
      {"two TLVs, one empty", "21 11 0013 01020304 05060708 0001 0002 040000 e00001 ff",
       "1.2.3.4:1 > 5.6.7.8:2", "040000e00001ff"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    expect_header(v2(c.rest), c.want);
    const auto parsed = parse(v2(c.rest));
    ASSERT_TRUE(parsed && *parsed);
    EXPECT_EQ((*parsed)->tlvs, hex(c.tlvs));
    EXPECT_EQ((*parsed)->version, 2);
  }
}

TEST(V2, RefusesAtTheByteThatShowsIt) {
  struct Case {
    const char* why;
    std::string bytes;
    std::size_t at;
  };
  const std::string addresses = "01020304 05060708 0001 0002";
  const Case cases[] = {
      {"a blank line", "\r\n\r\nGET", 4},
      {"half a signature", hex("0d0a0d0a000d0a515549540d"), 11},
      {"version 1 in binary", v2("11 11 000c" + addresses), 12},
      {"version 3", v2("31 11 000c" + addresses), 12},
      {"an unassigned command", v2("22 11 000c" + addresses), 12},
      {"an unassigned family", v2("21 41 000c" + addresses), 13},
      {"an unassigned protocol", v2("21 13 000c" + addresses), 13},
      {"an unassigned family of a LOCAL", v2("20 f1 0000"), 13},
      {"UDP over IPv4", v2("21 12 000c" + addresses), 13},
      {"UDP over IPv6", v2("21 22 0024"), 13},
      {"a Unix datagram", v2("21 32 00d8"), 13},
      {"IPv4 of an unspecified protocol", v2("21 10 000c" + addresses), 13},
      {"a stream of an unspecified family", v2("21 01 0000"), 13},
      {"no room for IPv4", v2("21 11 000b" + addresses), 15},
      {"no room for IPv6", v2("21 21 0023"), 15},
      {"no room for a path", v2("21 31 00d7"), 15},
      {"above the bound", v2("21 11 0801"), 15},
      {"far above it", v2("20 00 ffff"), 14},
      {"one byte behind the addresses", v2("21 11 000d" + addresses + "04"), 15},
      {"two bytes behind a TLV", v2("21 11 0011" + addresses + "040000 0400"), 30},
      {"a TLV longer than the rest", v2("21 11 000f" + addresses + "040001 00"), 30},
      {"a TLV much longer", v2("21 11 000f" + addresses + "040100 00"), 29},
      {"a checksum of three bytes", v2("21 00 0006 030003 000000"), 18},
      {"a checksum of 260 bytes", v2("21 00 0107 030104"), 17},
      {"two checksums", v2("21 00 000e 030004 00000000 030004 00000000"), 23},
      {"a wrong checksum", v2("21 00 0007 030004 00000000"), 22},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    expect_error(c.bytes, c.at);
  }
}

// A header whose checksum is right is taken; with any one bit turned it is another header or none.
TEST(V2, FindsEveryFlippedBit) {
  const std::string good =
      v2("21 11 0019 7f000001 7f000001 8a2c 4a9f 030004 0c097761 050003 616263");
  const auto want = parse(good);
  ASSERT_TRUE(want && *want);
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const auto parsed = parse(bad);
    if (!parsed || !*parsed) continue;
    // What is left over: LOCAL does not look at its block, and a checksum of another type is none.
    EXPECT_TRUE((*parsed)->local || bit / 8 == 28) << bit;
  }
}

TEST(V2, BoundsTheLength) {
  const auto padded = [](std::size_t value) {
    std::string out = v2("21 00");
    const auto append = [&out](std::size_t number) {
      out.push_back(static_cast<char>(number >> 8));
      out.push_back(static_cast<char>(number & 0xff));
    };
    append(3 + value);
    out.push_back('\x04');
    append(value);
    return out.append(value, 'x');
  };
  expect_header(padded(kV2LengthMax - 4), "unknown");
  expect_header(padded(kV2LengthMax - 3), "unknown");
  expect_error(padded(kV2LengthMax - 2), 15);
}

// However the bytes of anything at all are cut, what was an error stays that error, and what was a
// header stays that header.
RC_GTEST_PROP(Parse, NeverChangesItsMind, (const std::string& tail)) {
  const std::string start = *rc::gen::element<std::string>(
      "", "PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN", "PROXY TCP4 1.2.3.4 5.6.7.8 1 ",
      v2("21 11 0010 01020304 05060708 0001 0002"), v2("21 00 000a"));
  const std::string bytes = start + tail;
  std::expected<std::optional<Header>, const char*> before = std::nullopt;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const auto parsed = parse(std::string_view(bytes).substr(0, size));
    const bool is_same = parsed == before;
    if (!before || *before) RC_ASSERT(is_same);
    before = parsed;
  }
}

}  // namespace
}  // namespace bd::proxyprotocol
