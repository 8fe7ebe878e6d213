#include "net/pipe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <csignal>
#include <string>

#include "base/check.h"

namespace bd::net {
namespace {

constexpr std::size_t kRoom = 65536;

/// A connection whose other end is in the test's hand.
struct Side {
  explicit Side(rt::Reactor& reactor) {
    int fds[2];
    BD_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    BD_ASSERT(stream.open(reactor, UniqueFd(fds[0])));
    peer = UniqueFd(fds[1]);
  }
  /// As much as the kernel takes; returns how much that was.
  std::size_t say(std::string_view bytes) const {
    const ssize_t sent = ::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
  }
  std::string hear() const {
    std::string out(1 << 20, 0);
    const ssize_t got = recv(peer.get(), out.data(), out.size(), 0);
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
  }
  Stream stream;
  UniqueFd peer;
};

class PipeTest : public ::testing::Test {
 protected:
  PipeTest() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~PipeTest() override { std::signal(SIGPIPE, before_); }

  rt::Reactor reactor;
  Side from{reactor}, to{reactor};
  PipePool pool{2, kRoom};

 private:
  void (*before_)(int);
};

TEST_F(PipeTest, PassesOnNoMoreThanItIsAskedFor) {
  const std::unique_ptr<Pipe> pipe = pool.take();
  ASSERT_EQ(from.say("hello, world"), 12U);
  EXPECT_EQ(pipe->fill(from.stream, 5).bytes, 5U);
  EXPECT_EQ(pipe->size(), 5U);
  EXPECT_EQ(pipe->drain(to.stream).bytes, 5U);
  EXPECT_TRUE(pipe->empty());
  EXPECT_EQ(to.hear(), "hello");
  EXPECT_EQ(pipe->fill(from.stream, 100).bytes, 7U);
  EXPECT_TRUE(from.stream.readable()) << "a short one does not say that this was all";
  EXPECT_EQ(pipe->drain(to.stream).bytes, 7U);
  EXPECT_EQ(to.hear(), ", world");
}

TEST_F(PipeTest, TellsHowThingsStand) {
  const std::unique_ptr<Pipe> pipe = pool.take();
  EXPECT_EQ(pipe->fill(from.stream, 9).status, Io::again);
  EXPECT_FALSE(from.stream.readable());
  std::string block(kRoom, 'x');
  std::size_t sent = 0;
  Io status = Io::ok;
  while (status == Io::ok) {
    if (pipe->empty()) {
      ASSERT_GT(from.say(block), 0U);
      ASSERT_EQ(pipe->fill(from.stream, kRoom).status, Io::ok);
    }
    const IoResult result = pipe->drain(to.stream);
    status = result.status;
    sent += result.bytes;
  }
  EXPECT_EQ(status, Io::again);
  EXPECT_FALSE(to.stream.writable());
  EXPECT_FALSE(pipe->empty());
  std::size_t heard = 0;
  for (std::string part = to.hear(); !part.empty(); part = to.hear()) heard += part.size();
  EXPECT_EQ(heard, sent);
  to.peer.reset();
  EXPECT_EQ(pipe->drain(to.stream).status, Io::error) << "and no SIGPIPE ends us";

  const std::unique_ptr<Pipe> next = pool.take();
  from.say("bye");
  from.peer.reset();
  while (next->fill(from.stream, kRoom).status == Io::ok) {
  }
  EXPECT_EQ(next->fill(from.stream, kRoom).status, Io::end);
}

TEST_F(PipeTest, ThePoolHasItsBoundAndUsesTheLastOneAgain) {
  std::unique_ptr<Pipe> one = pool.take();
  std::unique_ptr<Pipe> two = pool.take();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(pool.take(), nullptr);
  const Pipe* const last = one.get();
  pool.give_back(std::move(two));
  pool.give_back(std::move(one));
  EXPECT_EQ(pool.idle(), 2U);
  one = pool.take();
  EXPECT_EQ(one.get(), last);
  pool.drop();
  EXPECT_EQ(pool.idle(), 0U);
  EXPECT_EQ(pool.lent(), 1U);
  pool.give_back(std::move(one));
}

// What it holds belongs to a message that broke: nobody else may ever get it.
TEST_F(PipeTest, OneWithBytesInItIsClosed) {
  std::unique_ptr<Pipe> pipe = pool.take();
  from.say("a secret");
  ASSERT_EQ(pipe->fill(from.stream, 100).bytes, 8U);
  pool.give_back(std::move(pipe));
  EXPECT_EQ(pool.idle(), 0U);
  EXPECT_EQ(pool.lent(), 0U);
  pipe = pool.take();
  ASSERT_TRUE(pipe);
  EXPECT_TRUE(pipe->empty());
  from.say("b");
  ASSERT_EQ(pipe->fill(from.stream, 100).bytes, 1U);
  ASSERT_EQ(pipe->drain(to.stream).bytes, 1U);
  EXPECT_EQ(to.hear(), "b");
  pool.give_back(std::move(pipe));
}

TEST_F(PipeTest, AKernelThatGivesNoneIsAskedAgainNowAndThen) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const UniqueFd next(::fcntl(from.peer.get(), F_DUPFD_CLOEXEC, 0));
  const rlimit low{static_cast<rlim_t>(next.get()) + 1, files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  std::unique_ptr<Pipe> pipe = pool.take();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(pipe, nullptr);
  int asked = 1;
  while (pipe == nullptr && asked < 1000) {
    pipe = pool.take();
    ++asked;
  }
  EXPECT_GT(asked, 100);
  ASSERT_TRUE(pipe);
  EXPECT_EQ(pool.lent(), 1U);
  pool.give_back(std::move(pipe));
  EXPECT_NE(pool.take(), nullptr);
}

}  // namespace
}  // namespace bd::net
