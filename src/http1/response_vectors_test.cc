// Answers of upstreams that are broken or hostile. What can't be framed with certainty is a 502,
// and the connection is never used again: a wrong end here is somebody else's answer.
#include <gtest/gtest.h>

#include "http1/judge_test.h"

namespace bd::http1 {
namespace {

using namespace std::literals;
using Code = Error::Code;

constexpr std::optional<Code> ok;  // Accepted, and complete.
constexpr std::optional<Code> bad = Code::bad_response;

struct Vector {
  const char* why;
  std::string_view raw;
  std::optional<Code> want;
  std::string_view body = {};
};

template <std::size_t N>
void expect_verdicts(const Vector (&vectors)[N], std::string_view before, std::string_view after,
                     http::Method method = http::Method::get) {
  for (const Vector& v : vectors) {
    const std::string raw = std::string(before).append(v.raw).append(after);
    const Judgement whole = judge_response(raw, raw.size(), method);
    EXPECT_EQ(whole.error, v.want) << v.why;
    EXPECT_TRUE(v.want || (whole.complete && whole.body == v.body)) << v.why;
    for (const std::size_t piece : kPieces) {
      EXPECT_EQ(judge_response(raw, piece, method), whole) << v.why << ", in pieces of " << piece;
    }
  }
}

TEST(ResponseVectors, StatusLinesAreAVersionAndThreeDigits) {
  constexpr Vector vectors[] = {
      {"plain", "HTTP/1.1 200 OK", ok},
      {"HTTP/1.0", "HTTP/1.0 200 OK", ok},
      {"no reason", "HTTP/1.1 200 ", ok},
      {"no reason and no space", "HTTP/1.1 200", ok},
      {"long reason", "HTTP/1.1 404 We looked: everywhere\t(twice)", ok},
      {"8-bit reason", "HTTP/1.1 200 d'accord, tr\xe8s bien", ok},
      {"unknown status", "HTTP/1.1 599 x", ok},
      {"status 99", "HTTP/1.1 099 x", bad},
      {"status 600", "HTTP/1.1 600 x", bad},
      {"status 999", "HTTP/1.1 999 x", bad},
      {"two digits", "HTTP/1.1 20 OK", bad},
      {"four digits", "HTTP/1.1 2000 OK", bad},
      {"letters", "HTTP/1.1 2xx OK", bad},
      {"sign", "HTTP/1.1 +20 OK", bad},
      {"no status", "HTTP/1.1", bad},
      {"no status, with space", "HTTP/1.1 ", bad},
      {"two spaces", "HTTP/1.1  200 OK", bad},
      {"tab", "HTTP/1.1\t200 OK", bad},
      {"tab behind the status", "HTTP/1.1 200\tOK", bad},
      {"no space", "HTTP/1.1200 OK", bad},
      {"leading space", " HTTP/1.1 200 OK", bad},
      {"empty line in front", "\r\nHTTP/1.1 200 OK", bad},
      {"HTTP/2", "HTTP/2 200 OK", bad},
      {"HTTP/1.2", "HTTP/1.2 200 OK", bad},
      {"HTTP/2.0", "HTTP/2.0 200 OK", bad},
      {"lower case", "http/1.1 200 OK", bad},
      {"other protocol", "ICY 200 OK", bad},
      {"HTTP/0.9", "<html>", bad},
      {"NUL in the reason", "HTTP/1.1 200 O\0K"sv, bad},
      {"control in the reason", "HTTP/1.1 200 \x1b[2J", bad},
      {"bare CR in the reason", "HTTP/1.1 200 O\rK", bad},
      {"bare LF", "HTTP/1.1 200 OK\nX: y", bad},
      {"CR CR LF", "HTTP/1.1 200 OK\r", bad},
  };
  expect_verdicts(vectors, "", "\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseVectors, FieldLinesAreATokenAColonAndText) {
  constexpr Vector vectors[] = {
      {"text", "X: y", ok},
      {"8-bit", "X: \xe9", ok},
      {"empty", "X:", ok},
      {"cookies", "Set-Cookie: a=b\r\nSet-Cookie: c=d", ok},
      {"no colon", "X", bad},
      {"no name", ": y", bad},
      {"space before the colon", "X : y", bad},
      {"space in the name", "X Y: z", bad},
      {"leading space", " X: y", bad},
      {"folded", "X: a\r\n b", bad},
      {"8-bit name", "X\xe9: y", bad},
      {"NUL", "X: a\0b"sv, bad},
      {"control", "X: a\x02", bad},
      {"DEL", "X: \x7f", bad},
      {"cookie split by LF", "Set-Cookie: a=b\nSet-Cookie: admin=1", bad},
      {"cookie split by CR", "Set-Cookie: a=b\rSet-Cookie: admin=1", bad},
      {"CR CR LF", "X: y\r", bad},
      {"underscore in a framing name", "Content_Length: 5", bad},
      {"two dashes in a framing name", "Transfer--Encoding: chunked", bad},
  };
  expect_verdicts(vectors, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "\r\n\r\n");
}

TEST(ResponseVectors, OneFieldSaysWhereTheBodyEnds) {
  constexpr Vector vectors[] = {
      {"length", "Content-Length: 5\r\n\r\nhello", ok, "hello"},
      {"length and more bytes", "Content-Length: 5\r\n\r\nhello, you", ok, "hello"},
      {"chunked", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ok, "hello"},
      {"chunked and trailers", "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", ok},
      {"until the end", "X: y\r\n\r\nhello", ok, "hello"},
      {"two lengths, the same", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", bad},
      {"two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", bad},
      {"list of lengths", "Content-Length: 5, 5\r\n\r\nhello", bad},
      {"signed length", "Content-Length: +5\r\n\r\nhello", bad},
      {"negative length", "Content-Length: -5\r\n\r\nhello", bad},
      {"empty length", "Content-Length:\r\n\r\nhello", bad},
      {"2^63", "Content-Length: 9223372036854775808\r\n\r\n", bad},
      {"2^64 + 5", "Content-Length: 18446744073709551621\r\n\r\nhello", bad},
      {"length and chunked",
       "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", bad},
      {"chunked and length",
       "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n", bad},
      {"gzip", "Transfer-Encoding: gzip\r\n\r\n", bad},
      {"identity", "Transfer-Encoding: identity\r\n\r\n", bad},
      {"gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", bad},
      {"chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       bad},
      {"empty coding", "Transfer-Encoding:\r\n\r\n0\r\n\r\n", bad},
      {"chunk size with a space", "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
       bad},
      {"chunk without CRLF", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", bad},
      {"chunk ended by LF", "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n", bad},
      {"chunk of 2^64", "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", bad},
      {"trailer with LF", "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n", bad},
  };
  expect_verdicts(vectors, "HTTP/1.1 200 OK\r\n", "");
}

TEST(ResponseVectors, SomeStatusesHaveNoBodyWhateverTheFieldsSay) {
  constexpr Vector vectors[] = {
      {"204", "204 No Content\r\n\r\nx", ok},
      {"204 with a length", "204 No Content\r\nContent-Length: 5\r\n\r\nhello", ok},
      {"304 with a length", "304 Not Modified\r\nContent-Length: 5\r\n\r\n", ok},
      {"304 and chunked", "304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", ok},
      {"100", "100 Continue\r\n\r\n", ok},
      {"103", "103 Early Hints\r\nLink: </a>\r\n\r\n", ok},
      {"101", "101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nbytes", ok},
      {"205 has a body", "205 Reset Content\r\nContent-Length: 1\r\n\r\nx", ok, "x"},
      {"204 in doubt", "204 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", bad},
      {"304 with two lengths", "304 x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", bad},
  };
  expect_verdicts(vectors, "HTTP/1.1 ", "");

  constexpr Vector answers_to_head[] = {
      {"length", "Content-Length: 5\r\n\r\n", ok},
      {"chunked", "Transfer-Encoding: chunked\r\n\r\n", ok},
      {"neither", "\r\n", ok},
      {"both", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", bad},
  };
  expect_verdicts(answers_to_head, "HTTP/1.1 200 OK\r\n", "", http::Method::head);
}

TEST(ResponseVectors, Http10HasNoTransferCodings) {
  constexpr Vector vectors[] = {
      {"until the end", "\r\nhello", ok, "hello"},
      {"length", "Content-Length: 5\r\n\r\nhello", ok, "hello"},
      {"chunked", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad},
  };
  expect_verdicts(vectors, "HTTP/1.0 200 OK\r\n", "");
}

TEST(ResponseVectors, ATruncatedBodyIsNeverComplete) {
  for (const std::string_view raw : {
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"sv,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"sv,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"sv,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"sv,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n"sv,
           "HTTP/1.1 200 OK\r\nX: y\r\n"sv,
       }) {
    const Judgement judged = judge_response(raw, 3);
    EXPECT_FALSE(judged.error) << raw;
    EXPECT_FALSE(judged.complete) << raw;
  }
}

}  // namespace
}  // namespace bd::http1
