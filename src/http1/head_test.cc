#include "http1/head.h"

#include <gtest/gtest.h>

#include "http1/judge_test.h"

namespace bd::http1 {
namespace {

using Code = Error::Code;

RequestHead parse_request(std::string_view raw) {
  RequestParser parser{HeadLimits{}};
  RequestHead head;
  const auto size = parser.parse(raw, head);
  EXPECT_TRUE(size && *size) << raw;
  return head;
}

TEST(RequestParser, ReturnsViewsOfWhatItRead) {
  const RequestHead head = parse_request(
      "POST /a?b=c HTTP/1.1\r\nHost: A.example:80\r\nContent-Length: 5\r\nX_Forwarded_For: x\r\n"
      "Expect: 100-continue\r\nCookie:\ta=b; c \t\r\n\r\nhello");
  EXPECT_EQ(head.method, http::Method::post);
  EXPECT_EQ(head.method_text, "POST");
  EXPECT_EQ(head.target, "/a?b=c");
  EXPECT_EQ(head.host, "A.example:80");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(head.expect_continue);
  EXPECT_TRUE(head.has_content_length);
  EXPECT_EQ(head.body.kind, Framing::Kind::length);
  EXPECT_EQ(head.body.length, 5u);
  ASSERT_EQ(head.fields.size(), 5u);
  EXPECT_EQ(head.fields[2].name, "X_Forwarded_For");
  EXPECT_EQ(head.fields[2].id, http::FieldName::x_forwarded_for);
  EXPECT_EQ(head.fields[4].value, "a=b; c");
}

TEST(RequestParser, KnowsWhoKeepsTheConnection) {
  struct Case {
    const char* version;
    const char* fields;
    bool want;
  };
  constexpr Case cases[] = {
      {"1.1", "", true},
      {"1.1", "Connection: close\r\n", false},
      {"1.1", "Connection: keep-alive, Close\r\n", false},
      {"1.1", "Connection: keep-alive\r\nConnection: foo , CLOSE,\r\n", false},
      {"1.1", "Connection: close-not\r\n", true},
      {"1.1", "Connection: ,,\r\n", true},
      {"1.0", "", false},
      {"1.0", "Connection: Keep-Alive\r\n", true},
      {"1.0", "Connection: close, keep-alive\r\n", false},
      {"1.0", "Keep-Alive: timeout=5\r\n", false},
  };
  for (const Case& c : cases) {
    const std::string raw =
        std::string("GET / HTTP/") + c.version + "\r\nHost: a\r\n" + c.fields + "\r\n";
    EXPECT_EQ(parse_request(raw).keep_alive, c.want) << raw;
  }
}

TEST(RequestParser, TellsALengthOfZeroFromNone) {
  const RequestHead none = parse_request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(none.has_content_length);
  EXPECT_EQ(none.body.kind, Framing::Kind::none);
  const RequestHead zero = parse_request(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(zero.has_content_length);
  EXPECT_EQ(zero.body.kind, Framing::Kind::none);
  EXPECT_FALSE(zero.expect_continue) << "there is nothing to continue with";
  const RequestHead most =
      parse_request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n");
  EXPECT_EQ(most.body.length, 9223372036854775807u);
  const RequestHead old = parse_request(
      "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_FALSE(old.expect_continue) << "RFC 9110 §10.1.1: ignored in HTTP/1.0";
}

TEST(RequestParser, LeavesTheHostEmptyOnlyWhereHttp10HasNone) {
  EXPECT_EQ(parse_request("GET / HTTP/1.0\r\n\r\n").host, "");
  for (const char* raw : {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                          "GET / HTTP/1.0\r\nHost: \r\n\r\n"}) {
    RequestParser parser{HeadLimits{}};
    RequestHead head;
    EXPECT_FALSE(parser.parse(raw, head)) << raw;
  }
}

TEST(RequestParser, ReadsPipelinedRequestsOneByOne) {
  std::string_view bytes =
      "GET /1 HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n\r\n"
      "\r\nGET /2 HTTP/1.0\r\nHost: b\r\n\r\nGET /3 HT";
  RequestParser parser{HeadLimits{}};
  RequestHead head;
  for (const char* target : {"/1", "/2"}) {
    const auto size = parser.parse(bytes, head);
    ASSERT_TRUE(size && *size);
    EXPECT_EQ(head.target, target);
    bytes.remove_prefix(**size);
  }
  EXPECT_EQ(head.fields.size(), 1u) << "nothing of the first request is left";
  EXPECT_EQ(head.host, "b");
  const auto third = parser.parse(bytes, head);
  EXPECT_TRUE(third && !*third) << "more is needed";
}

TEST(RequestParser, FollowsABufferThatMoves) {
  const std::string raw = "GET /path HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\r\n";
  RequestParser parser{HeadLimits{}};
  RequestHead head;
  std::string buffer;
  for (std::size_t end = 1; end <= raw.size(); ++end) {
    std::string moved = raw.substr(0, end);
    moved.reserve(end + 64);
    std::fill(buffer.begin(), buffer.end(), '?');
    std::swap(buffer, moved);
    const auto size = parser.parse(buffer, head);
    ASSERT_TRUE(size);
    EXPECT_EQ(size->has_value(), end == raw.size());
  }
  EXPECT_EQ(head.method_text, "GET");
  EXPECT_EQ(head.target, "/path");
  EXPECT_EQ(head.host, "a.example");
  EXPECT_EQ(head.fields.at(1).name, "X");
  EXPECT_EQ(head.fields.at(1).value, "y");
}

TEST(RequestParser, RefusesWhatCantBecomeARequestWithoutWaitingForTheEnd) {
  struct Case {
    const char* why;
    std::string_view bytes;
    Code want;
  };
  constexpr Case cases[] = {
      {"TLS on a plain port", "\x16\x03\x01", Code::bad_request},
      {"bare LF", "GET / HTTP/1.1\n", Code::bad_request},
      {"bare CR", "GET / HTTP/1.1\r\nHost: a\rb", Code::bad_request},
      {"control", "GET / HTTP/1.1\r\nX: \x01", Code::bad_request},
      {"request line", "HELO there\r\n", Code::bad_request},
      {"version", "GET / HTTP/2.0\r\n", Code::version},
      {"field line", "GET / HTTP/1.1\r\nX Y\r\n", Code::bad_request},
  };
  for (const Case& c : cases) {
    for (const std::size_t piece : kPieces) {
      EXPECT_EQ(judge_request(c.bytes, piece).error, c.want) << c.why;
    }
  }
}

TEST(RequestParser, HoldsItsLimitsToTheByte) {
  const HeadLimits limits{.line_max = 20, .head_max = 60, .fields_max = 3};
  struct Case {
    const char* why;
    std::string raw;
    std::optional<Code> want;
  };
  const std::string line = "GET / HTTP/1.1\r\nHost: a\r\n";
  const Case cases[] = {
      {"line of 20", "GET /123456 HTTP/1.1\r\nHost: a\r\n\r\n", std::nullopt},
      {"line of 21", "GET /1234567 HTTP/1.1\r\nHost: a\r\n\r\n", Code::uri_too_long},
      {"line of 20 behind an empty one", "\r\nGET /123456 HTTP/1.1\r\nHost: a\r\n\r\n",
       std::nullopt},
      {"a line without end", std::string(21, 'A'), Code::uri_too_long},
      {"a bad byte within the line's limit", std::string(20, 'A') + "\n", Code::bad_request},
      {"head of 60", line + "X: " + std::string(28, 'x') + "\r\n\r\n", std::nullopt},
      {"head of 61", line + "X: " + std::string(29, 'x') + "\r\n\r\n", Code::head_too_large},
      {"a field without end", line + std::string(40, 'x'), Code::head_too_large},
      {"CR as the last byte", line + "X: " + std::string(31, 'x') + "\r\n\r\n",
       Code::head_too_large},
      {"three fields", line + "X:\r\nY:\r\n\r\n", std::nullopt},
      {"four fields", line + "X:\r\nY:\r\nZ:\r\n\r\n", Code::head_too_large},
  };
  for (const Case& c : cases) {
    for (const std::size_t piece : kPieces) {
      EXPECT_EQ(judge_request(c.raw, piece, limits).error, c.want) << c.why << " in " << piece;
    }
  }
}

TEST(RequestParser, TakesWhatAnAlbPasses) {
  const std::string line = "GET /" + std::string((16 << 10) - 14, 'a') + " HTTP/1.1\r\nHost: a\r\n";
  std::string raw = line;
  for (int i = 0; i < 3; ++i) raw += "X: " + std::string(15 << 10, 'x') + "\r\n";
  raw += "\r\n";
  EXPECT_EQ(judge_request(raw, 4096).error, std::nullopt);
  EXPECT_EQ(judge_request(raw, 1), judge_request(raw, raw.size()));
  raw.insert(raw.size() - 2, "Y: " + std::string(16 << 10, 'y') + "\r\n");
  EXPECT_EQ(judge_request(raw, 4096).error, Code::head_too_large);
}

TEST(RequestParser, FindsEveryControlWhereverItStands) {
  // The scanner looks at eight bytes at once: each control at each place of two words, behind what
  // could hide it.
  for (const char filler : {'x', ' ', '\t', '!', '\xff', '\x80'}) {
    for (int control = 0; control < 256; ++control) {
      const auto byte = static_cast<unsigned char>(control);
      const bool refused = (byte < 0x20 && byte != '\t') || byte == 0x7f;
      for (std::size_t at = 1; at < 17; ++at) {
        std::string value(18, filler);
        value[at] = static_cast<char>(byte);
        const Judgement judged =
            judge_request("GET / HTTP/1.1\r\nHost: a\r\nX:" + value + "x\r\n\r\n", 4096);
        ASSERT_EQ(judged.error.has_value(), refused) << control << " at " << at;
      }
    }
  }
}

TEST(ResponseParser, ReturnsStatusReasonAndFraming) {
  ResponseParser parser{HeadLimits{}};
  ResponseHead head;
  constexpr std::string_view raw =
      "HTTP/1.1 404 Not  Found\r\nContent-Length: 7\r\nConnection: close\r\n\r\nmissing";
  const auto size = parser.parse(raw, http::Method::get, head);
  ASSERT_TRUE(size && *size);
  EXPECT_EQ(raw.substr(**size), "missing");
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.reason, "Not  Found");
  EXPECT_FALSE(head.keep_alive);
  EXPECT_EQ(head.body.kind, Framing::Kind::length);
  EXPECT_EQ(head.body.length, 7u);

  ASSERT_TRUE(parser.parse(raw, http::Method::head, head));
  EXPECT_EQ(head.body.kind, Framing::Kind::none);
  EXPECT_TRUE(head.has_content_length);
  EXPECT_EQ(head.content_length, 7u) << "a HEAD's length is forwarded";

  constexpr std::string_view endless = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n";
  ASSERT_TRUE(parser.parse(endless, http::Method::get, head));
  EXPECT_EQ(head.body.kind, Framing::Kind::until_close);
  EXPECT_FALSE(head.keep_alive) << "the end of the connection is the end of the body";
}

TEST(ResponseParser, BlamesTheUpstreamAlways) {
  const HeadLimits limits{.line_max = 20, .head_max = 60, .fields_max = 2};
  const auto verdict = [&](const std::string& raw) {
    ResponseParser parser(limits);
    ResponseHead head;
    return parser.parse(raw, http::Method::get, head).error();
  };
  const std::string start = "HTTP/1.1 200 OK\r\n";
  for (const std::string& raw :
       {start + std::string(60, 'x'), "HTTP/1.1 200 " + std::string(9, 'x'),
        start + "A:\r\nB:\r\nC:\r\n\r\n"}) {
    EXPECT_EQ(verdict(raw).code, Code::response_too_large) << raw;
    EXPECT_EQ(verdict(raw).party, Party::upstream);
  }
  for (const std::string& raw : {std::string("HTTP/2 200\r\n"), start + "A\r\n", start + "\n"}) {
    EXPECT_EQ(verdict(raw).code, Code::bad_response) << raw;
    EXPECT_EQ(verdict(raw).party, Party::upstream);
  }
}

}  // namespace
}  // namespace bd::http1
