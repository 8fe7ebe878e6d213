#include "http1/chunked.h"

#include <gtest/gtest.h>

#include <limits>

#include "http1/judge_test.h"

namespace bd::http1 {
namespace {

struct Decoded {
  std::string data;
  std::size_t consumed = 0;
  bool done = false;
  std::optional<Error::Code> error;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view bytes, std::size_t piece, ChunkDecoder decoder) {
  Decoded out;
  for (std::size_t end = 0; end < bytes.size() && !out.done;) {
    end = std::min(end + piece, bytes.size());
    for (bool eating = true; eating;) {
      const auto step = decoder.next(bytes.substr(out.consumed, end - out.consumed));
      if (!step) {
        out.error = step.error().code;
        return out;
      }
      out.data += step->data;
      out.consumed += step->consumed;
      out.done = step->done;
      eating = step->consumed > 0 && !step->done;
    }
  }
  return out;
}

TEST(ChunkDecoder, KeepsTheTrailerSectionAsText) {
  constexpr std::string_view message = "1\r\nx\r\n0\r\nA: b\r\nC:\t d \r\nE:\r\n\r\nGET";
  for (std::size_t piece = 1; piece <= message.size(); ++piece) {
    ChunkDecoder decoder(Party::upstream);
    std::size_t at = 0;
    for (std::size_t end = 0; !decoder.done();) {
      end = std::min(end + piece, message.size());
      const auto step = decoder.next(message.substr(at, end - at));
      ASSERT_TRUE(step);
      at += step->consumed;
    }
    EXPECT_EQ(decoder.trailers(), "A: b\r\nC:\t d \r\nE:\r\n") << piece;
    http::Fields fields;
    append_trailers(decoder.trailers(), fields);
    ASSERT_EQ(fields.size(), 3U);
    EXPECT_EQ(fields[1].name, "C");
    EXPECT_EQ(fields[1].value, "d");
    EXPECT_EQ(fields[2].value, "");
  }
}

TEST(ChunkDecoder, StopsAtTheEndOfTheMessage) {
  constexpr std::string_view message = "5;x\r\nhello\r\n2\r\n, \r\n3\r\nyou\r\n0\r\nX: y\r\n\r\n";
  const std::string bytes = std::string(message) + "GET / HTTP/1.1\r\n";
  for (const std::size_t piece : kPieces) {
    const Decoded out = decode(bytes, piece, ChunkDecoder(Party::downstream));
    EXPECT_EQ(out.data, "hello, you");
    EXPECT_EQ(out.consumed, message.size());
    EXPECT_TRUE(out.done);
  }
}

TEST(ChunkDecoder, GivesDataBeforeTheChunkIsComplete) {
  ChunkDecoder decoder(Party::upstream);
  const auto step = decoder.next("7fffffffffffffff\r\nfirst");
  ASSERT_TRUE(step);
  EXPECT_EQ(step->data, "first");
  EXPECT_FALSE(step->done);
  const auto nothing = decoder.next("");
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->consumed, 0u);
}

TEST(ChunkDecoder, EatsNothingOnceDone) {
  ChunkDecoder decoder(Party::upstream);
  ASSERT_TRUE(decoder.next(kLastChunk)->done);
  const auto again = decoder.next("5\r\n");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->consumed, 0u);
  EXPECT_TRUE(again->done);
}

TEST(ChunkDecoder, BoundsWhatItDrops) {
  const ChunkLimits limits{.extension_max = 8, .trailer_max = 10};
  struct Case {
    const char* why;
    std::string_view bytes;
    bool want;
  };
  constexpr Case cases[] = {
      {"8 bytes of extensions", "1;abcdefg\r\nx\r\n0\r\n\r\n", true},
      {"9 bytes of extensions", "1;abcdefgh\r\nx\r\n0\r\n\r\n", false},
      {"8 bytes over two chunks", "1;abc\r\nx\r\n0;def\r\n\r\n", true},
      {"10 bytes over two chunks", "1;abcd\r\nx\r\n0;efgh\r\n\r\n", false},
      {"trailers of 10 bytes", "0\r\nX: abcd\r\n\r\n", true},
      {"trailers of 11 bytes", "0\r\nX: abcdefg\r\n\r\n", false},
      {"many trailers", "0\r\nX:\r\nX:\r\nX:\r\nX:\r\nX:\r\n\r\n", false},
  };
  for (const Case& c : cases) {
    for (const std::size_t piece : kPieces) {
      EXPECT_EQ(decode(c.bytes, piece, ChunkDecoder(Party::downstream, limits)).done, c.want)
          << c.why;
    }
  }
  const std::string long_extension = "1;" + std::string(64 << 10, 'a') + "\r\nx\r\n0\r\n\r\n";
  EXPECT_EQ(decode(long_extension, 4096, ChunkDecoder(Party::downstream)).error,
            Error::Code::bad_request);
}

TEST(ChunkDecoder, BlamesThePartyThatSent) {
  ChunkDecoder request(Party::downstream);
  ChunkDecoder answer(Party::upstream);
  EXPECT_EQ(request.next("x").error().code, Error::Code::bad_request);
  EXPECT_EQ(answer.next("x").error().code, Error::Code::bad_response);
  EXPECT_EQ(answer.next("x").error().party, Party::upstream);
}

TEST(ChunkEncoder, WritesWhatTheDecoderReads) {
  struct Case {
    std::uint64_t size;
    std::string_view want;
  };
  constexpr Case cases[] = {
      {1, "1\r\n"},
      {9, "9\r\n"},
      {10, "a\r\n"},
      {16, "10\r\n"},
      {4096, "1000\r\n"},
      {0xdeadbeef, "deadbeef\r\n"},
      {std::numeric_limits<std::uint64_t>::max(), "ffffffffffffffff\r\n"},
  };
  for (const Case& c : cases) {
    char out[18];
    EXPECT_EQ(std::string_view(out, write_chunk_head(out, c.size)), c.want);
  }
}

}  // namespace
}  // namespace bd::http1
