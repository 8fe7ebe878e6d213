#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstdio>

namespace bd::net {
namespace {

using namespace std::chrono_literals;

const SocketAddress kLoopback{IpAddress::v4({127, 0, 0, 1}), 0};

UniqueFd listen_at(const SocketAddress& address) {
  sockaddr_storage storage;
  const socklen_t size = to_kernel(address, storage);
  UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 ||
      ::listen(fd.get(), 16) != 0)
    fd.reset();
  return fd;
}

/// Runs turns until `done`, once: a Reactor that was stopped stays stopped.
struct Loop {
  rt::Reactor reactor;
  void run_until(const std::function<bool()>& done) {
    const rt::Instant end = std::chrono::steady_clock::now() + 5s;
    bool is_done = false;
    reactor.run(
        [&] {
          is_done = done();
          if (is_done || reactor.now() > end) reactor.stop();
        },
        10ms);
    EXPECT_TRUE(is_done);
  }
};

/// A connection through the kernel: `near` is a Stream in the loop, `far` a plain socket.
struct Connected : Loop {
  Connected() {
    const UniqueFd listener = listen_at(kLoopback);
    far.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage;
    const socklen_t size = to_kernel(local_address(listener.get()), storage);
    EXPECT_EQ(::connect(far.get(), reinterpret_cast<const sockaddr*>(&storage), size), 0);
    Accepted accepted = accept(listener.get());
    EXPECT_EQ(accepted.peer, local_address(far.get()));
    EXPECT_TRUE(near.open(reactor, std::move(accepted.fd)));
  }
  std::string read(std::size_t most) {
    std::string out(most, '\0');
    last = near.read(out);
    out.resize(last.bytes);
    return out;
  }
  Io write(std::string_view bytes) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    last = near.write({&part, 1});
    return last.status;
  }
  void say(std::string_view bytes) const {
    EXPECT_EQ(::send(far.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), std::ssize(bytes));
  }
  UniqueFd far;
  Stream near;
  IoResult last;
};

TEST(Stream, ReadsWhatIsThereAndKnowsWhenThatWasAll) {
  Connected tcp;
  tcp.say("hello");
  EXPECT_EQ(tcp.read(2), "he");
  EXPECT_TRUE(tcp.near.handle().readable) << "a full read may have left more";
  EXPECT_EQ(tcp.read(100), "llo");
  EXPECT_FALSE(tcp.near.handle().readable) << "a short read drained the socket";
  EXPECT_EQ(tcp.read(100), "");
  EXPECT_EQ(tcp.last.status, Io::again);
  tcp.say("more");
  tcp.run_until([&] { return tcp.near.handle().readable; });
  EXPECT_EQ(tcp.read(100), "more");
}

TEST(Stream, TellsTheEndAfterTheLastBytes) {
  Connected tcp;
  tcp.say("bye");
  ::shutdown(tcp.far.get(), SHUT_WR);
  tcp.run_until([&] { return tcp.near.handle().peer_closed; });
  EXPECT_EQ(tcp.read(100), "bye");
  EXPECT_TRUE(tcp.near.handle().readable) << "no event will tell of the end again";
  EXPECT_EQ(tcp.read(100), "");
  EXPECT_EQ(tcp.last.status, Io::end);
  EXPECT_EQ(tcp.write("still heard"), Io::ok);
}

TEST(Stream, AResetIsAnErrorBothWays) {
  Connected tcp;
  const linger now{1, 0};
  ::setsockopt(tcp.far.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  tcp.far.reset();
  tcp.run_until([&] { return tcp.near.handle().broken; });
  EXPECT_EQ(tcp.read(100), "");
  EXPECT_EQ(tcp.last.status, Io::error);
  EXPECT_EQ(tcp.write("x"), Io::error) << "and no SIGPIPE";
}

TEST(Stream, AFullSocketWaitsUntilThePeerReads) {
  Connected tcp;
  const std::string block(64 << 10, 'x');
  std::size_t sent = 0;
  while (tcp.near.handle().writable) {
    tcp.write(block);
    sent += tcp.last.bytes;
    ASSERT_LT(sent, 64u << 20);
  }
  std::string sink(1 << 20, '\0');
  std::size_t received = 0;
  const auto drain = [&] {
    const ssize_t got = ::recv(tcp.far.get(), sink.data(), sink.size(), MSG_DONTWAIT);
    if (got > 0) received += static_cast<std::size_t>(got);
    return tcp.near.handle().writable;
  };
  tcp.run_until(drain);
  while (received < sent) {
    const ssize_t got = ::recv(tcp.far.get(), sink.data(), sink.size(), 0);
    ASSERT_GT(got, 0);
    received += static_cast<std::size_t>(got);
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(tcp.write("x"), Io::ok);
}

TEST(Stream, WritesAllPartsInOrder) {
  Connected tcp;
  const std::string head = "head ", body = "body";
  const iovec parts[] = {{const_cast<char*>(head.data()), head.size()},
                         {const_cast<char*>(body.data()), body.size()}};
  const IoResult put = tcp.near.write(parts);
  EXPECT_EQ(put.bytes, 9u);
  EXPECT_TRUE(tcp.near.handle().writable);
  char buffer[64];
  const ssize_t got = ::recv(tcp.far.get(), buffer, sizeof buffer, 0);
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0))), "head body");
}

TEST(Stream, CloseIsAFinAndResetIsNot) {
  char byte;
  Connected closed;
  closed.near.close();
  EXPECT_FALSE(closed.near.is_open());
  EXPECT_EQ(::recv(closed.far.get(), &byte, 1, 0), 0);
  Connected reset;
  reset.near.reset();
  EXPECT_EQ(::recv(reset.far.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  Connected half;
  half.near.shutdown_write();
  EXPECT_EQ(::recv(half.far.get(), &byte, 1, 0), 0);
  half.say("x");
  half.run_until([&] { return half.read(1) == "x"; });
}

TEST(Stream, ConnectsAndTellsWhen) {
  Loop loop;
  const UniqueFd listener = listen_at(kLoopback);
  Stream stream;
  ASSERT_TRUE(stream.connect(loop.reactor, local_address(listener.get())));
  EXPECT_EQ(stream.connect_error(), EINPROGRESS);
  loop.run_until([&] { return stream.connect_error() != EINPROGRESS; });
  EXPECT_EQ(stream.connect_error(), 0);
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ::getsockopt(stream.fd(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
  EXPECT_NE(no_delay, 0);
  EXPECT_EQ(peer_address(stream.fd()), local_address(listener.get()));
}

TEST(Stream, AConnectThatCannotStartFailsAtOnce) {
  Loop loop;
  Stream stream;
  EXPECT_FALSE(stream.connect(loop.reactor, {IpAddress::v4({255, 255, 255, 255}), 80}));
  EXPECT_FALSE(stream.is_open());
}

TEST(Stream, AConnectErrorIsTheKernelsOwn) {
  Loop loop;
  const UniqueFd bound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // And does not listen.
  sockaddr_storage storage;
  const socklen_t size = to_kernel(kLoopback, storage);
  ASSERT_EQ(::bind(bound.get(), reinterpret_cast<const sockaddr*>(&storage), size), 0);
  Stream stream;
  ASSERT_TRUE(stream.connect(loop.reactor, local_address(bound.get())));
  int error = EINPROGRESS;
  loop.run_until([&] {
    if (error == EINPROGRESS) error = stream.connect_error();  // Reading it takes it.
    return error != EINPROGRESS;
  });
  EXPECT_EQ(error, ECONNREFUSED);
}

TEST(Stream, IsClosedIfItCannotBeWatched) {
  Loop loop;
  std::FILE* const file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  Stream stream;
  EXPECT_FALSE(
      stream.open(loop.reactor, UniqueFd(::dup(::fileno(file)))));  // epoll takes no regular files.
  EXPECT_FALSE(stream.is_open());
  std::fclose(file);
}

TEST(Addresses, SurviveTheKernel) {
  for (const char* text : {"127.0.0.1:0", "[::1]:0"}) {
    const UniqueFd listener = listen_at(SocketAddress::parse(text).value());
    if (!listener) continue;  // No IPv6 here.
    const SocketAddress bound = local_address(listener.get());
    EXPECT_NE(bound.port, 0);
    EXPECT_EQ(bound.ip, SocketAddress::parse(text)->ip);
  }
  EXPECT_EQ(peer_address(-1), SocketAddress{});
  sockaddr_storage storage;
  EXPECT_EQ(to_kernel(SocketAddress::parse("1.2.3.4:258").value(), storage), sizeof(sockaddr_in));
  EXPECT_EQ(reinterpret_cast<const sockaddr_in&>(storage).sin_port, htons(258));
}

TEST(Addresses, OfThisHostHoldLoopback) {
  const std::vector<IpAddress> all = interface_addresses();
  EXPECT_NE(std::find(all.begin(), all.end(), kLoopback.ip), all.end());
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST(Accept, SaysThatNobodyWaits) {
  const UniqueFd listener = listen_at(kLoopback);
  const Accepted nobody = accept(listener.get());
  EXPECT_FALSE(nobody.fd);
  EXPECT_EQ(nobody.error, EAGAIN);
}

}  // namespace
}  // namespace bd::net
