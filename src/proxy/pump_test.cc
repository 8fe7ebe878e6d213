#include "proxy/pump.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/check.h"
#include "proxy/h1_sink.h"
#include "proxy/h1_source.h"

namespace bd::proxy {
namespace {

using http1::Framing;

/// A connection whose other end is in the test's hand.
struct Side {
  explicit Side(rt::Reactor& reactor) {
    int fds[2];
    BD_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    BD_ASSERT(stream.open(reactor, UniqueFd(fds[0])));
    peer = UniqueFd(fds[1]);
  }
  void say(std::string_view bytes) const {
    BD_ASSERT(send(peer.get(), bytes.data(), bytes.size(), 0) ==
              static_cast<ssize_t>(bytes.size()));
  }
  std::string hear() const {
    std::string out(1 << 20, 0);
    const ssize_t got = recv(peer.get(), out.data(), out.size(), 0);
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
  }
  /// Until the kernel takes no more from us.
  void clog() {
    const std::string block(65536, '.');
    const iovec part{const_cast<char*>(block.data()), block.size()};
    while (stream.write({&part, 1}).status == net::Io::ok) {
    }
  }
  void unclog() {
    while (!hear().empty()) {
    }
    stream.handle().writable = true;
  }
  net::Stream stream;
  UniqueFd peer;
};

class PumpTest : public ::testing::Test {
 protected:
  /// Moves all that moves.
  static void run(H1Source& from, H1Sink& to) {
    while (to.state() == Sink::State::open && pump(from, to)) {
    }
  }
  rt::Reactor reactor;
  BlockPool blocks;
  net::PipePool pipes{4, model::kPipeBytes};
  Side from{reactor}, to{reactor};
  Buffer buffer{blocks};
};

TEST_F(PumpTest, ABodyIsNotReadWhileItStandsInTheBuffer) {
  // Else what the buffer holds would be taken for the next request.
  struct Case {
    Framing framing;
    H1Sink::Framing out;
    const char* bytes;
    const char* want;
  };
  constexpr Case cases[] = {
      {{Framing::Kind::length, 5}, H1Sink::Framing::raw, "hello", "HEAD\r\n\r\nhello"},
      {{Framing::Kind::chunked, 0},
       H1Sink::Framing::chunked,
       "5\r\nhello\r\n0\r\n\r\n",
       "HEAD\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
  };
  for (const Case& c : cases) {
    H1Source source(from.stream, buffer, Party::downstream);
    H1Sink sink(to.stream, pipes);
    const std::string bytes = std::string(c.bytes) + "GET";
    bytes.copy(buffer.room().data(), bytes.size());
    buffer.filled(bytes.size());
    source.start(c.framing);
    sink.start("HEAD\r\n\r\n", c.out);
    to.clog();
    (void)pump(source, sink);
    EXPECT_FALSE(source.finished()) << c.bytes;
    EXPECT_TRUE(buffer.bytes().starts_with(c.bytes)) << buffer.bytes();
    to.unclog();
    run(source, sink);
    EXPECT_EQ(sink.state(), Sink::State::done) << c.bytes;
    EXPECT_TRUE(source.finished());
    EXPECT_EQ(to.hear(), c.want);
    EXPECT_EQ(buffer.bytes(), "GET");
    buffer.consume(3);
  }
}

// Else it would be the upstream's next request: a WebSocket over HTTP/2 may send before the answer.
TEST_F(PumpTest, NothingFollowsAHeadWithoutABody) {
  from.say("GET / HTTP/1.1\r\n\r\n");
  H1Source source(from.stream, buffer, Party::downstream);
  H1Sink sink(to.stream, pipes);
  source.start({Framing::Kind::until_close, 0});
  sink.start("HEAD\r\n\r\n", H1Sink::Framing::none);
  run(source, sink);
  EXPECT_EQ(sink.state(), Sink::State::done);
  EXPECT_EQ(to.hear(), "HEAD\r\n\r\n");
  sink.start("", H1Sink::Framing::raw);  // Now there is a tunnel.
  static_cast<void>(pump(source, sink));
  EXPECT_EQ(to.hear(), "GET / HTTP/1.1\r\n\r\n");
}

TEST_F(PumpTest, OneStepMakesABoundedNumberOfWrites) {
  std::string chunks;
  for (int i = 0; i < 2000; ++i) chunks += "1\r\nx\r\n";
  from.say(chunks);
  H1Source source(from.stream, buffer, Party::downstream);
  H1Sink sink(to.stream, pipes);
  source.start({Framing::Kind::chunked, 0});
  sink.start("", H1Sink::Framing::chunked);
  EXPECT_TRUE(pump(source, sink));
  EXPECT_EQ(sink.state(), Sink::State::open);
  EXPECT_LT(to.hear().size(), 100 * 6U);
}

TEST_F(PumpTest, ABodyAboveItsLimitStopsBeforeItIsSent) {
  struct Case {
    std::uint64_t limit;
    Source::State want;
  };
  constexpr Case cases[] = {
      {9, Source::State::too_large}, {10, Source::State::open}, {11, Source::State::open}};
  for (const Case& c : cases) {
    H1Source source(from.stream, buffer, Party::downstream);
    H1Sink sink(to.stream, pipes);
    source.start({Framing::Kind::chunked, 0}, c.limit);
    sink.start("", H1Sink::Framing::chunked);
    from.say("5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n");
    from.stream.handle().readable = true;
    run(source, sink);
    EXPECT_EQ(source.state(), c.want) << c.limit;
    EXPECT_EQ(source.finished(), c.want == Source::State::open) << c.limit;
    buffer.clear();
    (void)to.hear();
  }
}

TEST_F(PumpTest, TrailersGoOnlyToWhoTakesThemAndOnlyHarmlessOnes) {
  constexpr std::string_view body =
      "2\r\nhi\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\nX-Forwarded-For: 10.0.0.1\r\nGrpc-Status:0"
      "\r\n\r\n";
  for (const bool takes : {false, true}) {
    for (const std::size_t piece : {1UZ, 7UZ, 1000UZ}) {
      H1Source source(from.stream, buffer, Party::upstream);
      H1Sink sink(to.stream, pipes);
      source.start({Framing::Kind::chunked, 0});
      sink.start("", H1Sink::Framing::chunked, takes);
      std::string out;
      for (std::string_view left = body; !left.empty();) {
        from.say(left.substr(0, piece));
        from.stream.handle().readable = true;
        run(source, sink);
        out += to.hear();
        left.remove_prefix(std::min(piece, left.size()));
      }
      EXPECT_EQ(sink.state(), Sink::State::done);
      const std::string end = out.substr(out.find("\r\n0\r\n") + 5);
      EXPECT_EQ(end, takes ? "X-Sum: 7\r\nGrpc-Status: 0\r\n\r\n" : "\r\n") << piece;
    }
  }
}

TEST_F(PumpTest, ASlowSinkGetsEveryByteOnce) {
  std::string data(300'000, ' ');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>('a' + i % 23);
  for (const auto framing : {H1Sink::Framing::raw, H1Sink::Framing::chunked}) {
    H1Source source(from.stream, buffer, Party::upstream);
    H1Sink sink(to.stream, pipes);
    source.start({Framing::Kind::length, data.size()});
    sink.start("HEAD\r\n\r\n", framing);
    std::string got;
    for (std::string_view left = data; sink.state() == Sink::State::open;) {
      const ssize_t n = send(from.peer.get(), left.data(), std::min(left.size(), 50'000UZ), 0);
      if (n > 0) left.remove_prefix(static_cast<std::size_t>(n));
      from.stream.handle().readable = true;
      (void)pump(source, sink);
      if (got.size() % 3 == 0 || !to.stream.writable()) got += to.hear();
      to.stream.handle().writable = true;
    }
    for (std::string more = to.hear(); !more.empty(); more = to.hear()) got += more;
    if (framing == H1Sink::Framing::raw) {
      EXPECT_EQ(got, "HEAD\r\n\r\n" + data);
      continue;
    }
    http1::ChunkDecoder decoder(Party::upstream);
    std::string decoded;
    for (std::string_view rest = std::string_view(got).substr(8); !decoder.done();) {
      const auto step = decoder.next(rest);
      ASSERT_TRUE(step && (step->consumed > 0 || step->done));
      decoded += step->data;
      rest.remove_prefix(step->consumed);
    }
    EXPECT_EQ(decoded, data);
  }
}

}  // namespace
}  // namespace bd::proxy
