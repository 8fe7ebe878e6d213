// Requests that desynchronise parsers, and the legal ones that look alike. Smuggling is two parsers
// that disagree on where a message ends or whom it is for, so any doubt is refused. Every vector is
// fed in pieces of several sizes: a verdict that depends on where reads fall is wrong.
#include <gtest/gtest.h>

#include "http1/judge_test.h"

namespace bd::http1 {
namespace {

using namespace std::literals;
using Code = Error::Code;

constexpr std::optional<Code> ok;  // Accepted, and complete.
constexpr std::optional<Code> bad = Code::bad_request;

struct Vector {
  const char* why;
  std::string_view raw;
  std::optional<Code> want;
};

/// Judges `before` + raw + `after` for each vector, in pieces of each size.
template <std::size_t N>
void expect_verdicts(const Vector (&vectors)[N], std::string_view before, std::string_view after) {
  for (const Vector& v : vectors) {
    const std::string raw = std::string(before).append(v.raw).append(after);
    const Judgement whole = judge_request(raw, raw.size());
    EXPECT_EQ(whole.error, v.want) << v.why;
    EXPECT_TRUE(v.want || whole.complete) << v.why;
    for (const std::size_t piece : kPieces) {
      EXPECT_EQ(judge_request(raw, piece), whole) << v.why << ", in pieces of " << piece;
    }
  }
}

TEST(RequestVectors, RequestLinesHaveThreePartsAndOneSpaceBetween) {
  constexpr Vector vectors[] = {
      {"plain", "GET / HTTP/1.1", ok},
      {"query", "GET /?a=1&b=%zz HTTP/1.1", ok},
      {"own method", "PROPFIND /dav HTTP/1.1", ok},
      {"method of token characters", "M-SEARCH!#$%&'*+.^_`|~9 / HTTP/1.1", ok},
      {"32 bytes of method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1", ok},
      {"33 bytes of method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", bad},
      {"no method", " / HTTP/1.1", bad},
      {"method with a slash", "G/T / HTTP/1.1", bad},
      {"method with a colon", "GET: / HTTP/1.1", bad},
      {"method in brackets", "(GET) / HTTP/1.1", bad},
      {"8-bit method", "G\xc3\x89T / HTTP/1.1", bad},
      {"leading space", " GET / HTTP/1.1", bad},
      {"leading tab", "\tGET / HTTP/1.1", bad},
      {"two spaces before the target", "GET  / HTTP/1.1", bad},
      {"two spaces behind the target", "GET /  HTTP/1.1", bad},
      {"trailing space", "GET / HTTP/1.1 ", bad},
      {"tab before the target", "GET\t/ HTTP/1.1", bad},
      {"tab behind the target", "GET /\tHTTP/1.1", bad},
      {"vertical tab as a space", "GET /\x0bHTTP/1.1", bad},
      {"form feed as a space", "GET\f/ HTTP/1.1", bad},
      {"space in the target", "GET /a b HTTP/1.1", bad},
      {"tab in the target", "GET /a\tb HTTP/1.1", bad},
      {"no target", "GET HTTP/1.1", bad},
      {"empty target", "GET  HTTP/1.1", bad},
      {"method alone", "GET", bad},
      {"HTTP/0.9 in its own form", "GET /", bad},
      {"HTTP/0.9 named", "GET / HTTP/0.9", bad},
      {"no version", "GET / ", bad},
      {"lower-case version", "GET / http/1.1", bad},
      {"mixed-case version", "GET / Http/1.1", bad},
      {"other protocol", "GET / HTTPS/1.1", bad},
      {"no protocol", "GET / 1.1", bad},
      {"no minor version", "GET / HTTP/1", bad},
      {"empty minor version", "GET / HTTP/1.", bad},
      {"two digits of minor version", "GET / HTTP/1.10", bad},
      {"leading zero", "GET / HTTP/01.1", bad},
      {"comma in the version", "GET / HTTP/1,1", bad},
      {"sign in the version", "GET / HTTP/+1.1", bad},
      {"space in the version", "GET / HTTP /1.1", bad},
      {"letter as minor version", "GET / HTTP/1.x", bad},
      {"HTTP/1.2", "GET / HTTP/1.2", Code::version},
      {"HTTP/1.9", "GET / HTTP/1.9", Code::version},
      {"HTTP/2.0", "GET / HTTP/2.0", Code::version},
      {"the preface of HTTP/2", "PRI * HTTP/2.0", Code::version},
      {"HTTP/3.0", "GET / HTTP/3.0", Code::version},
      {"NUL in the method", "G\0T / HTTP/1.1"sv, bad},
      {"NUL in the target", "GET /\0 HTTP/1.1"sv, bad},
      {"control in the target", "GET /\x01 HTTP/1.1", bad},
      {"control before a bad version", "GET /\x01 HTTP/1.2", bad},
      {"DEL in the target", "GET /\x7f HTTP/1.1", bad},
      {"8-bit target", "GET /\xc3\xa9 HTTP/1.1", bad},
      {"8-bit query", "GET /?\xff HTTP/1.1", bad},
      {"bare CR in the target", "GET /\r HTTP/1.1", bad},
      {"bare LF in the target", "GET /\n HTTP/1.1", bad},
      {"a TLS hello", "\x16\x03\x01\x02", bad},
  };
  expect_verdicts(vectors, "", "\r\nHost: a\r\n\r\n");
}

TEST(RequestVectors, LinesEndInCrLfOnly) {
  constexpr Vector vectors[] = {
      {"one empty line in front", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ok},
      {"two empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"a bare LF in front", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"a bare CR in front", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"a space in front", " \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", bad},
      {"LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", bad},
      {"CR behind the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", bad},
      {"CR CR LF behind the request line", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", bad},
      {"LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", bad},
      {"CR behind a field", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", bad},
      {"CR CR LF behind a field", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", bad},
      {"LF CR", "GET / HTTP/1.1\n\rHost: a\n\r\n\r", bad},
      {"LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", bad},
      {"CR CR LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", bad},
      {"LF everywhere", "GET / HTTP/1.1\nHost: a\n\n", bad},
      {"space in the empty line", "GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", bad},
      {"space behind the request line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", bad},
  };
  expect_verdicts(vectors, "", "");
}

TEST(RequestVectors, FieldLinesAreATokenAColonAndText) {
  constexpr Vector vectors[] = {
      {"no value", "X:", ok},
      {"no space", "X:y", ok},
      {"spaces around", "X: \t y \t ", ok},
      {"tab inside", "X: a\tb \t c", ok},
      {"8-bit value", "X: caf\xe9 \xf0\x9f\x98\x80", ok},
      {"all token characters", "!#$%&'*+-.^_`|~09AZaz: y", ok},
      {"colons in the value", "X: a:b:c", ok},
      {"quotes and commas", "Cookie: a=\"b\"; c=d, e", ok},
      {"same name twice", "X: a\r\nX: b", ok},
      {"no colon", "X", bad},
      {"no colon, with spaces", "X y", bad},
      {"no name", ": y", bad},
      {"only a colon", ":", bad},
      {"space before the colon", "X : y", bad},
      {"tab before the colon", "X\t: y", bad},
      {"space in the name", "X Y: z", bad},
      {"leading space", " X: y", bad},
      {"folded line", "X: a\r\n b", bad},
      {"folded line with tab", "X: a\r\n\tb", bad},
      {"folded empty line", "X: a\r\n \r\nY: b", bad},
      {"NUL in the name", "X\0Y: z"sv, bad},
      {"NUL in the value", "X: a\0b"sv, bad},
      {"NUL at the end", "X: a\0"sv, bad},
      {"control in the value", "X: a\x01 b", bad},
      {"backspace", "X: \b", bad},
      {"vertical tab", "X:\vy", bad},
      {"form feed", "X: y\f", bad},
      {"escape", "X: \x1b[2J", bad},
      {"DEL in the value", "X: \x7f", bad},
      {"tab, space, DEL", "X: \t \x7f", bad},
      {"8-bit name", "X\xe9: y", bad},
      {"dotless i", "transfer-encod\xc4\xb1ng: chunked", bad},
      {"next line (U+0085) behind a name", "Content-Length\x85: 1", bad},
      {"quoted name", "\"X\": y", bad},
      {"name in brackets", "X[0]: y", bad},
      {"bare CR in the value", "X: a\rb", bad},
      {"header injection by LF", "X: a\nContent-Length: 5", bad},
  };
  expect_verdicts(vectors, "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n\r\n");
}

TEST(RequestVectors, ALengthIsOneDecimalNumber) {
  constexpr Vector vectors[] = {
      {"zero", "Content-Length: 0\r\n\r\n", ok},
      {"five", "Content-Length: 5\r\n\r\nhello", ok},
      {"any case", "cOnTeNt-LeNgTh:5\r\n\r\nhello", ok},
      {"tabs around", "Content-Length:\t5\t\r\n\r\nhello", ok},
      {"empty", "Content-Length:\r\n\r\n", bad},
      {"plus", "Content-Length: +1\r\n\r\nx", bad},
      {"minus", "Content-Length: -1\r\n\r\n", bad},
      {"minus zero", "Content-Length: -0\r\n\r\n", bad},
      {"hex", "Content-Length: 0x10\r\n\r\n", bad},
      {"octal or decimal", "Content-Length: 010\r\n\r\n", bad},
      {"two zeros", "Content-Length: 00\r\n\r\n", bad},
      {"underscore", "Content-Length: 1_0\r\n\r\n", bad},
      {"space inside", "Content-Length: 1 0\r\n\r\n", bad},
      {"list", "Content-Length: 1,1\r\n\r\nx", bad},
      {"list of two", "Content-Length: 1, 2\r\n\r\nx", bad},
      {"trailing comma", "Content-Length: 1,\r\n\r\nx", bad},
      {"leading comma", "Content-Length: ,1\r\n\r\nx", bad},
      {"decimal point", "Content-Length: 1.0\r\n\r\nx", bad},
      {"exponent", "Content-Length: 1e1\r\n\r\n", bad},
      {"quoted", "Content-Length: \"1\"\r\n\r\nx", bad},
      {"parameter", "Content-Length: 1;a\r\n\r\nx", bad},
      {"8-bit digit", "Content-Length: \xd9\xa1\r\n\r\nx", bad},
      {"8-bit space",
       "Content-Length: \xa0"
       "1\r\n\r\nx",
       bad},
      {"vertical tab", "Content-Length: \v1\r\n\r\nx", bad},
      {"folded", "Content-Length:\r\n 1\r\n\r\nx", bad},
      {"2^63", "Content-Length: 9223372036854775808\r\n\r\n", bad},
      {"2^64 - 1", "Content-Length: 18446744073709551615\r\n\r\n", bad},
      {"2^64", "Content-Length: 18446744073709551616\r\n\r\n", bad},
      {"2^64 + 1", "Content-Length: 18446744073709551617\r\n\r\nx", bad},
      {"2^64 + 5", "Content-Length: 18446744073709551621\r\n\r\nhello", bad},
      {"10^22", "Content-Length: 10000000000000000000000\r\n\r\n", bad},
      {"twice the same", "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", bad},
      {"twice zero", "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", bad},
      {"two lengths", "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", bad},
      {"one bad of two", "Content-Length: 1\r\nContent-Length: x\r\n\r\nx", bad},
      {"underscore in the name", "Content_Length: 1\r\n\r\nx", bad},
      {"dot in the name", "Content.Length: 1\r\n\r\nx", bad},
      {"two dashes", "Content--Length: 1\r\n\r\nx", bad},
      {"dash behind", "Content-Length-: 1\r\n\r\nx", bad},
      {"dash in front", "-Content-Length: 1\r\n\r\nx", bad},
      {"look-alike beside the real one", "Content-Length: 1\r\ncontent_length: 9\r\n\r\nx", bad},
      {"space before the colon", "Content-Length : 1\r\n\r\nx", bad},
      {"names that only resemble", "Content-Lengths: 1\r\nX-Content-Length: 1\r\n\r\n", ok},
      {"names without the dash", "ContentLength: 1\r\nTransferEncoding: x\r\n\r\n", ok},
      {"name with other dashes", "Con-tent-Length: 1\r\nTransfer-Encod-ing: x\r\n\r\n", ok},
  };
  expect_verdicts(vectors, "POST / HTTP/1.1\r\nHost: a\r\n", "");
}

TEST(RequestVectors, TheOnlyTransferCodingIsOneChunked) {
  constexpr auto unknown = Code::unsupported;
  constexpr Vector vectors[] = {
      {"chunked", "Transfer-Encoding: chunked", ok},
      {"any case", "tRANSFER-eNCODING: ChUnKeD", ok},
      {"tabs around", "Transfer-Encoding:\tchunked\t", ok},
      {"gzip", "Transfer-Encoding: gzip", unknown},
      {"deflate", "Transfer-Encoding: deflate", unknown},
      {"compress", "Transfer-Encoding: compress", unknown},
      {"x-gzip", "Transfer-Encoding: x-gzip", unknown},
      {"identity", "Transfer-Encoding: identity", unknown},
      {"empty", "Transfer-Encoding:", bad},
      {"prefix", "Transfer-Encoding: xchunked", bad},
      {"suffix", "Transfer-Encoding: chunkedx", bad},
      {"shortened", "Transfer-Encoding: chunk", bad},
      {"then identity", "Transfer-Encoding: chunked, identity", bad},
      {"identity first", "Transfer-Encoding: identity, chunked", bad},
      {"gzip first", "Transfer-Encoding: gzip, chunked", bad},
      {"twice in a list", "Transfer-Encoding: chunked, chunked", bad},
      {"leading comma", "Transfer-Encoding: ,chunked", bad},
      {"trailing comma", "Transfer-Encoding: chunked,", bad},
      {"quoted", "Transfer-Encoding: \"chunked\"", bad},
      {"single quotes", "Transfer-Encoding: 'chunked'", bad},
      {"vertical tab",
       "Transfer-Encoding: \v"
       "chunked",
       bad},
      {"form feed", "Transfer-Encoding: chunked\f", bad},
      {"NUL behind", "Transfer-Encoding: chunked\0"sv, bad},
      {"8-bit space",
       "Transfer-Encoding: \xa0"
       "chunked",
       bad},
      {"8-bit behind", "Transfer-Encoding: chunked\x85", bad},
      {"parameter", "Transfer-Encoding: chunked;q=1", bad},
      {"two words", "Transfer-Encoding: chunked foo", bad},
      {"bare CR", "Transfer-Encoding: \rchunked", bad},
      {"folded", "Transfer-Encoding:\r\n chunked", bad},
      {"folded behind", "Transfer-Encoding: chunked\r\n , identity", bad},
      {"two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", bad},
      {"two fields, two codings", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", bad},
      {"two fields, one empty", "Transfer-Encoding:\r\nTransfer-Encoding: chunked", bad},
      {"space before the colon", "Transfer-Encoding : chunked", bad},
      {"tab before the colon", "Transfer-Encoding\t: chunked", bad},
      {"leading space", " Transfer-Encoding: chunked", bad},
      {"no colon", "Transfer-Encoding chunked", bad},
      {"underscore", "Transfer_Encoding: chunked", bad},
      {"three dashes", "Transfer---Encoding: chunked", bad},
      {"dot", "Transfer.Encoding: chunked", bad},
      {"tilde and case", "tRANSFER~encoding: chunked", bad},
      {"look-alike beside the real one", "Transfer-Encoding: chunked\r\nTransfer_Encoding: x", bad},
      {"before a length", "Transfer-Encoding: chunked\r\nContent-Length: 5", bad},
      {"behind a length", "Content-Length: 5\r\nTransfer-Encoding: chunked", bad},
      {"with length 0", "Content-Length: 0\r\nTransfer-Encoding: chunked", bad},
      {"other coding with a length", "Content-Length: 5\r\nTransfer-Encoding: identity", bad},
      {"empty with a length", "Content-Length: 5\r\nTransfer-Encoding:", bad},
      {"longer names", "X-Transfer-Encoding: a\r\nTransfer-Encoding-X: b\r\nContent-Length: 0", ok},
  };
  // Each accepted one ends at once: by the last chunk, or by what stands for the next request.
  expect_verdicts(vectors, "POST / HTTP/1.1\r\nHost: a\r\n", "\r\n\r\n0\r\n\r\n");
}

TEST(RequestVectors, Http10HasNoTransferCodings) {
  constexpr Vector vectors[] = {
      {"no fields", "\r\n", bad},  // Nobody is named: there is nothing to route.
      {"host", "Host: a\r\n\r\n", ok},
      {"empty host", "Host:\r\n\r\n", bad},
      {"two hosts", "Host: a\r\nHost: a\r\n\r\n", bad},
      {"chunked", "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad},
      {"identity", "Host: a\r\nTransfer-Encoding: identity\r\n\r\n", bad},
      {"chunked and a length",
       "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx", bad},
      {"length", "Host: a\r\nContent-Length: 1\r\n\r\nx", ok},
      {"keep-alive", "Host: a\r\nConnection: keep-alive\r\n\r\n", ok},
      {"expectation is ignored", "Host: a\r\nExpect: 100-continue\r\n\r\n", ok},
  };
  expect_verdicts(vectors, "POST / HTTP/1.0\r\n", "");
}

TEST(RequestVectors, ChunksAreHexSizesAndCrLf) {
  constexpr Vector vectors[] = {
      {"no data", "0\r\n\r\n", ok},
      {"one chunk", "5\r\nhello\r\n0\r\n\r\n", ok},
      {"hex in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", ok},
      {"leading zeros", "0005\r\nhello\r\n000\r\n\r\n", ok},
      {"sixteen digits", "0000000000000005\r\nhello\r\n0\r\n\r\n", ok},
      {"data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", ok},
      {"extension", "5;a\r\nhello\r\n0;b=c;d=\"e;\\\"f\"\r\n\r\n", ok},
      {"trailers", "0\r\nX-Sum: 1\r\nY:\r\n\r\n", ok},
      {"trailers that name framing are dropped", "0\r\nContent-Length: 5\r\nHost: b\r\n\r\n", ok},
      {"no size", "\r\nhello\r\n0\r\n\r\n", bad},
      {"plus", "+5\r\nhello\r\n0\r\n\r\n", bad},
      {"minus", "-5\r\nhello\r\n0\r\n\r\n", bad},
      {"minus zero", "-0\r\n\r\n", bad},
      {"hex prefix", "0x5\r\nhello\r\n0\r\n\r\n", bad},
      {"leading space", " 5\r\nhello\r\n0\r\n\r\n", bad},
      {"trailing space", "5 \r\nhello\r\n0\r\n\r\n", bad},
      {"trailing tab", "5\t\r\nhello\r\n0\r\n\r\n", bad},
      {"underscore", "5_\r\nhello\r\n0\r\n\r\n", bad},
      {"not hex", "g\r\n\r\n0\r\n\r\n", bad},
      {"comma", "5,5\r\nhello\r\n0\r\n\r\n", bad},
      {"NUL in the size", "5\0\r\nhello\r\n0\r\n\r\n"sv, bad},
      {"seventeen digits", "00000000000000005\r\nhello\r\n0\r\n\r\n", bad},
      {"2^63", "8000000000000000\r\n", bad},
      {"2^64 - 1", "ffffffffffffffff\r\n", bad},
      {"2^64", "10000000000000000\r\n", bad},
      {"2^64 + 1", "10000000000000001\r\nx\r\n0\r\n\r\n", bad},
      {"10^22 in hex", "21e19e0c9bab2400000\r\n", bad},
      {"LF behind the size", "5\nhello\r\n0\r\n\r\n", bad},
      {"CR behind the size", "5\rhello\r\n0\r\n\r\n", bad},
      {"CR CR LF behind the size", "5\r\r\nhello\r\n0\r\n\r\n", bad},
      {"LF behind the data", "5\r\nhello\n0\r\n\r\n", bad},
      {"CR behind the data", "5\r\nhello\r0\r\n\r\n", bad},
      {"nothing behind the data", "5\r\nhello0\r\n\r\n", bad},
      {"data longer than its size", "5\r\nhello!\r\n0\r\n\r\n", bad},
      {"data shorter than its size", "6\r\nhello\r\n0\r\n\r\n", bad},
      {"LF behind the last chunk", "0\n\r\n", bad},
      {"LF as the end", "0\r\n\n", bad},
      {"CR CR LF as the end", "0\r\n\r\r\n", bad},
      {"extension without a name", "5;\r\nhello\r\n0\r\n\r\n", bad},
      {"extension without a value", "5;a=\r\nhello\r\n0\r\n\r\n", bad},
      {"extension behind a space", "5 ;a\r\nhello\r\n0\r\n\r\n", bad},
      {"extension with a space", "5; a\r\nhello\r\n0\r\n\r\n", bad},
      {"extension ended by LF", "5;a\nhello\r\n0\r\n\r\n", bad},
      {"extension with a bare CR", "5;a\rb\r\nhello\r\n0\r\n\r\n", bad},
      {"extension with NUL", "5;a\0\r\nhello\r\n0\r\n\r\n"sv, bad},
      {"extension with LF in quotes", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", bad},
      {"extension with CRLF in quotes", "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", bad},
      {"extension with an open quote", "5;a=\"b\r\nhello\r\n0\r\n\r\n", bad},
      {"bytes behind a quote", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", bad},
      {"a request as a trailer", "0\r\nGET /admin HTTP/1.1\r\n\r\n", bad},
      {"trailer without a colon", "0\r\nX\r\n\r\n", bad},
      {"trailer without a name", "0\r\n: x\r\n\r\n", bad},
      {"trailer with a space before the colon", "0\r\nX : y\r\n\r\n", bad},
      {"folded trailer", "0\r\nX: a\r\n b\r\n\r\n", bad},
      {"trailer ended by LF", "0\r\nX: a\n\r\n", bad},
      {"trailer with NUL", "0\r\nX: \0\r\n\r\n"sv, bad},
      {"trailer with a bare CR", "0\r\nX: a\rb\r\n\r\n", bad},
  };
  expect_verdicts(vectors, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "");
}

TEST(RequestVectors, OneHostNamesOneAuthority) {
  constexpr Vector vectors[] = {
      {"name", "Host: a.example", ok},
      {"case and the dot of the root", "Host: A.EXAMPLE.", ok},
      {"port of an ALB", "Host: a.example:10001", ok},
      {"port", "Host: a.example:443", ok},
      {"empty port", "Host: a.example:", ok},
      {"underscore", "Host: my_app.example", ok},
      {"A-label", "Host: xn--bcher-kva.example", ok},
      {"address", "Host: 192.0.2.1:80", ok},
      {"IPv6 address", "Host: [2001:db8::1]:80", ok},
      {"none", "X: y", bad},
      {"empty", "Host:", bad},
      {"two, the same", "Host: a\r\nHost: a", bad},
      {"two, different", "Host: a\r\nhost: b", bad},
      {"two, one empty", "Host: a\r\nHost:", bad},
      {"list", "Host: a, b", bad},
      {"list without space", "Host: a,b", bad},
      {"userinfo", "Host: u@b", bad},
      {"userinfo with password", "Host: u:p@b", bad},
      {"slash", "Host: a/b", bad},
      {"path", "Host: a/", bad},
      {"scheme", "Host: http://a", bad},
      {"query", "Host: a?b", bad},
      {"fragment", "Host: a#b", bad},
      {"backslash", "Host: a\\b", bad},
      {"space", "Host: a b", bad},
      {"tab", "Host: a\tb", bad},
      {"folded", "Host: a\r\n b", bad},
      {"escape", "Host: a%2eb", bad},
      {"8-bit",
       "Host: b\xc3\xbc"
       "cher.example",
       bad},
      {"NUL", "Host: a\0b"sv, bad},
      {"star", "Host: *.example", bad},
      {"only a dot", "Host: .", bad},
      {"leading dot", "Host: .a", bad},
      {"two dots inside", "Host: a..b", bad},
      {"two dots behind", "Host: a..", bad},
      {"only a port", "Host: :80", bad},
      {"port too large", "Host: a:99999", bad},
      {"negative port", "Host: a:-1", bad},
      {"signed port", "Host: a:+80", bad},
      {"port of letters", "Host: a:http", bad},
      {"two ports", "Host: a:80:80", bad},
      {"bare IPv6 address", "Host: 2001:db8::1", bad},
      {"zone id", "Host: [fe80::1%25eth0]", bad},
      {"empty zone id", "Host: [::1%25]", bad},
      {"open bracket", "Host: [::1", bad},
      {"bytes behind the bracket", "Host: [::1]a", bad},
      {"future address", "Host: [v1.a]", bad},
      {"quoted", "Host: \"a\"", bad},
      {"template", "Host: ${a}", bad},
  };
  expect_verdicts(vectors, "GET / HTTP/1.1\r\n", "\r\n\r\n");
}

TEST(RequestVectors, TargetsAreOriginOrAbsoluteForm) {
  constexpr Vector vectors[] = {
      {"dot segments are removed", "GET /a/../b/./c", ok},
      {"dot segments above the root", "GET /../../a", ok},
      {"two slashes", "GET //a//b", ok},
      {"escaped dot segments", "GET /a/%2e%2E/b", ok},
      {"escaped twice", "GET /%252e%252e/", ok},
      {"escaped UTF-8", "GET /caf%C3%A9", ok},
      {"parameters", "GET /a;v=1/b", ok},
      {"absolute", "GET http://host.example/a", ok},
      {"absolute, https, upper case", "GET HTTPS://HOST.example./a", ok},
      {"absolute without a path", "GET http://host.example?a", ok},
      {"asterisk", "OPTIONS *", ok},
      {"asterisk of another method", "GET *", bad},
      {"relative", "GET a", bad},
      {"empty segment of authority", "GET http:///a", bad},
      {"other host", "GET http://other.example/a", bad},
      {"other port", "GET http://host.example:81/a", bad},
      {"userinfo", "GET http://u@host.example/a", bad},
      {"userinfo that looks like the host", "GET http://host.example@other/", bad},
      {"backslash in the authority", "GET http://other\\@host.example/", bad},
      {"other scheme", "GET ftp://host.example/a", bad},
      {"scheme without authority", "GET http:/a", bad},
      {"authority alone", "GET host.example:80", bad},
      {"CONNECT", "CONNECT host.example:80", bad},
      {"CONNECT of a path", "CONNECT /a", bad},
      {"escaped slash", "GET /a%2fb", bad},
      {"escaped backslash", "GET /a%5Cb", bad},
      {"backslash", "GET /a\\..\\b", bad},
      {"escaped NUL", "GET /a%00", bad},
      {"overlong slash", "GET /%c0%af", bad},
      {"overlong dot", "GET /%c0%ae%c0%ae/", bad},
      {"overlong C1", "GET /%c1%9c", bad},
      {"overlong in three bytes", "GET /%e0%80%af", bad},
      {"overlong in four bytes", "GET /%F0%80%80%AF", bad},
      {"dot segment with parameters", "GET /a/..;/b", bad},
      {"dot segment with named parameters", "GET /a/.;v=1/b", bad},
      {"escaped dot segment with parameters", "GET /a/%2e%2e;/b", bad},
      {"cut escape", "GET /a%2", bad},
      {"lone percent", "GET /100%", bad},
      {"escape that is not hex", "GET /%zz", bad},
      {"escape of IIS", "GET /%u002e", bad},
      {"fragment", "GET /a#b", bad},
      {"fragment in the query", "GET /a?b#c", bad},
  };
  expect_verdicts(vectors, "", " HTTP/1.1\r\nHost: host.example\r\n\r\n");
}

TEST(RequestVectors, TheOnlyExpectationIsContinue) {
  constexpr Vector vectors[] = {
      {"continue", "Expect: 100-continue", ok},
      {"any case", "expect: 100-Continue", ok},
      {"other", "Expect: 200-ok", Code::expectation},
      {"empty", "Expect:", Code::expectation},
      {"with junk in front", "Expect: y 100-continue", Code::expectation},
      {"list", "Expect: 100-continue, 100-continue", Code::expectation},
      {"two fields", "Expect: 100-continue\r\nExpect: 100-continue", Code::expectation},
      {"doubt about framing comes first", "Expect: x\r\nContent-Length: 5", bad},
  };
  expect_verdicts(vectors, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n", "\r\n\r\nhello");
}

}  // namespace
}  // namespace bd::http1
