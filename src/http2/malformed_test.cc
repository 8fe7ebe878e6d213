// What a peer may not say. The handler never hears of a malformed head, and of a body that breaks
// its promise it hears the end.
#include <gtest/gtest.h>

#include "http2/peer_for_test.h"

namespace bd::http2 {
namespace {

using Log = std::vector<std::string>;

enum class Error : std::uint8_t { none, stream, connection };

/// The request of get() with one pseudo-field replaced, or left out if `value` is null.
Names with(std::string_view name, const char* value) {
  Names out = get();
  std::erase_if(out, [&](const auto& pair) { return value == nullptr && pair.first == name; });
  for (auto& pair : out) {
    if (pair.first == name) pair.second = value;
  }
  return out;
}

Names and_field(std::string name, std::string value) {
  Names out = get();
  out.emplace_back(std::move(name), std::move(value));
  return out;
}

Names reordered(const Names& names, std::size_t from, std::size_t to) {
  Names out = names;
  std::rotate(out.begin() + static_cast<std::ptrdiff_t>(std::min(from, to)),
              out.begin() + static_cast<std::ptrdiff_t>(from),
              out.begin() + static_cast<std::ptrdiff_t>(std::max(from, to)) + 1);
  return out;
}

/// Says `bytes` to a server, cut in every way; tells what became of it.
Error judge(std::string_view why, const std::string& bytes) {
  std::optional<Error> verdict;
  for (const std::size_t piece : kPieces) {
    Side server(Role::server);
    const bool alive = server.hear(preface() + settings_ack() + bytes, piece);
    const std::string sent = server.take();
    const bool reset = !frames_of(sent, FrameType::rst_stream).empty();
    const Error now = !alive ? Error::connection : reset ? Error::stream : Error::none;
    EXPECT_EQ(alive, frames_of(sent, FrameType::goaway).empty()) << why;
    if (now != Error::none) EXPECT_EQ(server.heard.log, Log{}) << why;
    if (reset) EXPECT_EQ(frames_of(sent, FrameType::rst_stream)[0].word(0), kProtocolError) << why;
    EXPECT_EQ(verdict.value_or(now), now) << why << ": differs when cut by " << piece;
    verdict = now;
  }
  return *verdict;
}

struct Case {
  const char* why;
  Names names;
  Error want = Error::stream;
};

TEST(Malformed, PseudoFieldsAreComplete) {
  const Names twice = [] {
    Names out = get();
    out.insert(out.begin(), {":path", "/b"});
    return out;
  }();
  const std::vector<Case> cases = {
      {"as it should be", get(), Error::none},
      {"OPTIONS *",
       {{":method", "OPTIONS"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "*"}},
       Error::none},
      {"https", with(":scheme", "https"), Error::none},
      {"no method", with(":method", nullptr)},
      {"no scheme", with(":scheme", nullptr)},
      {"no path", with(":path", nullptr)},
      {"no authority and no Host", with(":authority", nullptr)},
      {"two paths", twice},
      {"a field before a pseudo-field", reordered(and_field("x", "y"), 4, 0)},
      {"an unknown pseudo-field",
       [] {
         Names out = get();
         out.insert(out.begin(), {":x", "y"});
         return out;
       }()},
      {"a status",
       [] {
         Names out = get();
         out.insert(out.begin(), {":status", "200"});
         return out;
       }()},
      {"an empty method", with(":method", "")},
      {"a method that is no token", with(":method", "GE T")},
      {"a method that begins a request line", with(":method", "GET / HTTP/1.1\r\nX:")},
      {"a method with a question", with(":method", "GET?")},
      {"a method of 33 letters", with(":method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG")},
      {"an empty path", with(":path", "")},
      {"a path without a slash", with(":path", "a")},
      {"* of another method", with(":path", "*")},
      {"a path with a space", with(":path", "/a b")},
      {"a path with a line end", with(":path", "/a\r\nX: y")},
      {"a path with a tab", with(":path", "/a\tb")},
      {"a path with 8 bits", with(":path", "/\xc3\xa4")},
      {"a path with DEL", with(":path", "/a\x7f")},
      {"a fragment", with(":path", "/a#b")},
      {"an absolute path", with(":path", "http://a.test/")},
      {"a scheme that we do not serve", with(":scheme", "ftp")},
      {"a scheme in capitals", with(":scheme", "HTTP")},
      {"a scheme with a path", with(":scheme", "http://b.test/?")},
      {"userinfo", with(":authority", "u@a.test")},
      {"an authority with a slash", with(":authority", "a.test/b")},
      {"an authority with a space", with(":authority", "a b")},
      {"an empty authority", with(":authority", "")},
      {"the same Host", and_field("host", "A.test"), Error::none},
      {"another Host", and_field("host", "b.test")},
      {"a Host with a port", and_field("host", "a.test:80")},
      {"CONNECT with a path", {{":method", "CONNECT"}, {":authority", "a.test"}, {":path", "/"}}},
      {"CONNECT of nobody", {{":method", "CONNECT"}}},
      {"a protocol without CONNECT",
       [] {
         Names out = get();
         out.insert(out.begin(), {":protocol", "websocket"});
         return out;
       }()},
      {"a protocol that is no token",
       {{":method", "CONNECT"},
        {":protocol", "a b"},
        {":scheme", "http"},
        {":authority", "a.test"},
        {":path", "/"}}},
      {"a protocol without a path",
       {{":method", "CONNECT"},
        {":protocol", "websocket"},
        {":scheme", "http"},
        {":authority", "a.test"}}},
      {"a protocol with a length",
       {{":method", "CONNECT"},
        {":protocol", "websocket"},
        {":scheme", "http"},
        {":authority", "a.test"},
        {":path", "/"},
        {"content-length", "0"}}},
      {"a protocol without a length",
       {{":method", "CONNECT"},
        {":protocol", "websocket"},
        {":scheme", "http"},
        {":authority", "a.test"},
        {":path", "/"}},
       Error::none},
  };
  for (const Case& c : cases) EXPECT_EQ(judge(c.why, headers(1, c.names)), c.want) << c.why;
}

TEST(Malformed, FieldsMeanTheSameInHttp1) {
  const std::vector<Case> cases = {
      {"a field", and_field("x-y", "z"), Error::none},
      {"8 bits in a value", and_field("x", "\xff"), Error::none},
      {"TE: trailers", and_field("te", "trailers"), Error::none},
      {"a length", and_field("content-length", "0"), Error::none},
      {"upper case", and_field("X-y", "z")},
      {"no name", and_field("", "z")},
      {"a colon in a name", and_field("x:y", "z")},
      {"a space in a name", and_field("x y", "z")},
      {"a line end in a name", and_field("x\r\ny", "z")},
      {"8 bits in a name", and_field("x\xff", "z")},
      {"NUL in a value", and_field("x", std::string("a\0b", 3))},
      {"CR in a value", and_field("x", "a\rb")},
      {"LF in a value", and_field("x", "a\nb")},
      {"a request in a value", and_field("x", "a\r\n\r\nGET /admin HTTP/1.1")},
      {"DEL in a value", and_field("x", "\x7f")},
      {"a space before a value", and_field("x", " a")},
      {"a space after a value", and_field("x", "a ")},
      {"a tab after a value", and_field("x", "a\t")},
      {"Connection", and_field("connection", "close")},
      {"Keep-Alive", and_field("keep-alive", "1")},
      {"Proxy-Connection", and_field("proxy-connection", "close")},
      {"Transfer-Encoding", and_field("transfer-encoding", "chunked")},
      {"Upgrade", and_field("upgrade", "h2c")},
      {"TE: gzip", and_field("te", "gzip")},
      {"TE: trailers and more", and_field("te", "trailers, gzip")},
      {"a look-alike of Transfer-Encoding", and_field("transfer_encoding", "chunked")},
      {"another look-alike", and_field("transfer--encoding", "chunked")},
      {"a look-alike of Content-Length", and_field("content.length", "5")},
      {"a look-alike of Connection", and_field("keep_alive", "x")},
      {"two Hosts",
       [] {
         Names out = and_field("host", "a.test");
         out.emplace_back("host", "a.test");
         return out;
       }()},
      {"two lengths",
       [] {
         Names out = and_field("content-length", "0");
         out.emplace_back("content-length", "0");
         return out;
       }()},
      {"a signed length", and_field("content-length", "+0")},
      {"an octal length", and_field("content-length", "00")},
      {"a list of lengths", and_field("content-length", "0, 0")},
      {"an empty length", and_field("content-length", "")},
      {"a length of 2^64", and_field("content-length", "18446744073709551616")},
      {"a length and no body", and_field("content-length", "1")},
  };
  for (const Case& c : cases) EXPECT_EQ(judge(c.why, headers(1, c.names)), c.want) << c.why;
}

TEST(Malformed, FramesThatBreakTheProtocolEndTheConnection) {
  struct Row {
    const char* why;
    std::string bytes;
  };
  const std::vector<Row> rows = {
      {"DATA on no stream", data(0, "x")},
      {"DATA on an idle stream", data(1, "x")},
      {"HEADERS on an even stream", headers(2, get())},
      {"HEADERS on no stream", headers(0, get())},
      {"a frame above 16 KiB", frame(FrameType::data, 0, 1, std::string(16'385, 'x'))},
      {"a PING of 7 bytes", frame(FrameType::ping, 0, 0, "0123456")},
      {"a WINDOW_UPDATE of 3 bytes", frame(FrameType::window_update, 0, 0, "abc")},
      {"a WINDOW_UPDATE of nothing", window_update(0, 0)},
      {"a window above 2^31", window_update(0, 0x7fff'ffff)},
      {"SETTINGS with a tail", frame(FrameType::settings, 0, 0, "abc")},
      {"SETTINGS that nobody waits for", settings_ack()},
      {"CONTINUATION of nothing", frame(FrameType::continuation, kEndHeaders, 1, "")},
      {"HEADERS that are broken off", frame(FrameType::headers, 0, 1, "") + ping()},
      {"a compression error",
       frame(FrameType::headers, kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff")},
      {"a push by a client", frame(FrameType::push_promise, kEndHeaders, 1, number32(2))},
      {"a stream that depends on itself",
       frame(FrameType::headers, kEndHeaders | 0x20, 1, number32(1) + "\x10" + block(get()))},
  };
  for (const Row& row : rows) EXPECT_EQ(judge(row.why, row.bytes), Error::connection) << row.why;
  Side server(Role::server);
  EXPECT_FALSE(server.hear("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
  EXPECT_STREQ(server.connection.fault(), "no HTTP/2 preface");
}

TEST(Malformed, ABodyKeepsThePromiseOfItsLength) {
  struct Row {
    const char* why;
    std::string bytes;
    Log want;
  };
  Names names = post();
  names.emplace_back("content-length", "3");
  const std::string head = headers(1, names, false);
  const std::string heard = "1 POST http://a.test/ content-length=3";
  const std::string sum =
      frame(FrameType::headers, kEndHeaders | kEndStream, 1, block({{"x", "y"}}));
  const std::string late =
      frame(FrameType::headers, kEndHeaders | kEndStream, 1, block({{"content-length", "3"}}));
  const std::string pseudo =
      frame(FrameType::headers, kEndHeaders | kEndStream, 1, block({{":path", "/"}}));
  const std::string open = frame(FrameType::headers, kEndHeaders, 1, block({{"x", "y"}}));
  const std::vector<Row> rows = {
      {"kept", head + data(1, "ab") + data(1, "c", true), {heard, "1 data abc", "1 end"}},
      {"kept with trailers",
       head + data(1, "abc") + sum,
       {heard, "1 data abc", "1 trailers x=y", "1 end"}},
      {"too short", head + data(1, "ab", true), {heard, "1 data ab", "1 closed 1"}},
      {"too short before trailers", head + data(1, "ab") + sum, {heard, "1 data ab", "1 closed 1"}},
      {"too long", head + data(1, "ab") + data(1, "cd", true), {heard, "1 data ab", "1 closed 1"}},
      {"a length in trailers",
       headers(1, post(), false) + late,
       {"1 POST http://a.test/", "1 closed 1"}},
      {"a path in trailers",
       headers(1, post(), false) + pseudo,
       {"1 POST http://a.test/", "1 closed 1"}},
      {"trailers that end nothing",
       headers(1, post(), false) + open,
       {"1 POST http://a.test/", "1 closed 1"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.why);
    Side server(Role::server);
    EXPECT_TRUE(server.hear(preface() + settings_ack() + row.bytes));
    server.take();
    EXPECT_EQ(server.heard.log, row.want);
  }
}

TEST(Malformed, ResponsesAreJudgedToo) {
  struct Row {
    const char* why;
    const char* method;
    std::string bytes;
    Log want;
  };
  const auto answer = [](Names names, bool end = true) { return headers(1, names, end); };
  const std::vector<Row> rows = {
      {"good", "GET", answer({{":status", "200"}}), {"1 status 200 .", "1 end", "1 closed 0"}},
      {"HEAD with a length",
       "HEAD",
       answer({{":status", "200"}, {"content-length", "9"}}),
       {"1 status 200 content-length=9 .", "1 end", "1 closed 0"}},
      {"304 with a length",
       "GET",
       answer({{":status", "304"}, {"content-length", "9"}}),
       {"1 status 304 content-length=9 .", "1 end", "1 closed 0"}},
      {"no status", "GET", answer({{"x", "y"}}), {"1 closed 1"}},
      {"two digits", "GET", answer({{":status", "20"}}), {"1 closed 1"}},
      {"099", "GET", answer({{":status", "099"}}), {"1 closed 1"}},
      {"600", "GET", answer({{":status", "600"}}), {"1 closed 1"}},
      {"no number", "GET", answer({{":status", "2x0"}}), {"1 closed 1"}},
      {"101", "GET", answer({{":status", "101"}}, false), {"1 closed 1"}},
      {"an interim end", "GET", answer({{":status", "100"}}), {"1 closed 1"}},
      {"a path", "GET", answer({{":status", "200"}, {":path", "/"}}), {"1 closed 1"}},
      {"Connection", "GET", answer({{":status", "200"}, {"connection", "close"}}), {"1 closed 1"}},
      {"Transfer-Encoding",
       "GET",
       answer({{":status", "200"}, {"transfer-encoding", "chunked"}}),
       {"1 closed 1"}},
      {"upper case", "GET", answer({{":status", "200"}, {"X", "y"}}), {"1 closed 1"}},
      {"a length and no body",
       "GET",
       answer({{":status", "200"}, {"content-length", "9"}}),
       {"1 closed 1"}},
      {"body of HEAD",
       "HEAD",
       answer({{":status", "200"}}, false) + data(1, "x", true),
       {"1 status 200", "1 closed 1"}},
      {"body of 204",
       "GET",
       answer({{":status", "204"}}, false) + data(1, "x", true),
       {"1 status 204", "1 closed 1"}},
      {"body of 304",
       "GET",
       answer({{":status", "304"}}, false) + data(1, "x", true),
       {"1 status 304", "1 closed 1"}},
      {"body before the head",
       "GET",
       answer({{":status", "100"}}, false) + data(1, "x", true),
       {"1 status 100", "1 closed 1"}},
      {"a response that is broken off without error",
       "GET",
       answer({{":status", "200"}}, false) + data(1, "x") + rst_stream(1, kNoError),
       {"1 status 200", "1 data x", "1 closed 8"}},
      {"reset", "GET", rst_stream(1, kRefusedStream), {"1 closed 7"}},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece : kPieces) {
      SCOPED_TRACE(row.why);
      Side client(Role::client);
      EXPECT_EQ(client.connection.submit_request(fields_of(with(":method", row.method)), true), 1);
      client.take();
      EXPECT_TRUE(client.hear(frame(FrameType::settings, 0, 0) + row.bytes, piece));
      client.take();
      EXPECT_EQ(client.heard.log, row.want);
    }
  }
}

}  // namespace
}  // namespace bd::http2
