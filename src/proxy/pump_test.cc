#include "proxy/pump.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/check.h"

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
  rt::Reactor reactor;
  BlockPool blocks;
  Side source{reactor}, sink{reactor};
  Buffer buffer{blocks};
  Pump pump{source.stream, buffer, Party::downstream};
};

TEST_F(PumpTest, ABodyIsNotReadWhileItStandsInTheBuffer) {
  // Else what the buffer holds would be taken for the next request.
  struct Case {
    Framing framing;
    Pump::Out out;
    const char* bytes;
    const char* want;
  };
  constexpr Case cases[] = {
      {{Framing::Kind::length, 5}, Pump::Out::raw, "hello", "HEAD\r\n\r\nhello"},
      {{Framing::Kind::chunked, 0},
       Pump::Out::chunked,
       "5\r\nhello\r\n0\r\n\r\n",
       "HEAD\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
  };
  for (const Case& c : cases) {
    Pump one(source.stream, buffer, Party::downstream);
    one.start("HEAD\r\n\r\n", c.framing, c.out);
    const std::string bytes = std::string(c.bytes) + "GET";
    bytes.copy(buffer.room().data(), bytes.size());
    buffer.filled(bytes.size());
    sink.clog();
    (void)one.step(sink.stream);
    EXPECT_FALSE(one.body_read()) << c.bytes;
    EXPECT_TRUE(buffer.bytes().starts_with(c.bytes)) << buffer.bytes();
    sink.unclog();
    while (one.state() == Pump::State::moving && one.step(sink.stream)) {
    }
    EXPECT_EQ(one.state(), Pump::State::done) << c.bytes;
    EXPECT_TRUE(one.body_read());
    EXPECT_EQ(sink.hear(), c.want);
    EXPECT_EQ(buffer.bytes(), "GET");
    buffer.consume(3);
  }
}

TEST_F(PumpTest, OneStepMakesABoundedNumberOfWrites) {
  std::string chunks;
  for (int i = 0; i < 2000; ++i) chunks += "1\r\nx\r\n";
  source.say(chunks);
  pump.start("", {Framing::Kind::chunked, 0}, Pump::Out::chunked);
  EXPECT_TRUE(pump.step(sink.stream));
  EXPECT_EQ(pump.state(), Pump::State::moving);
  EXPECT_LT(sink.hear().size(), 100 * 6U);
}

TEST_F(PumpTest, ABodyAboveItsLimitStopsBeforeItIsSent) {
  struct Case {
    std::uint64_t limit;
    Pump::State want;
  };
  constexpr Case cases[] = {
      {9, Pump::State::too_large}, {10, Pump::State::done}, {11, Pump::State::done}};
  for (const Case& c : cases) {
    Pump one(source.stream, buffer, Party::downstream);
    one.start("", {Framing::Kind::chunked, 0}, Pump::Out::chunked, c.limit);
    source.say("5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n");
    source.stream.handle().readable = true;
    while (one.state() == Pump::State::moving && one.step(sink.stream)) {
    }
    EXPECT_EQ(one.state(), c.want) << c.limit;
    EXPECT_EQ(one.body_read(), c.want == Pump::State::done) << c.limit;
    buffer.clear();
    (void)sink.hear();
  }
}

}  // namespace
}  // namespace bd::proxy
