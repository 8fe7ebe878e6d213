#pragma once
// For tests only: a mux::Connection over one end of a socket pair, and at the other end a peer that
// the same thread moves. The test is a coroutine that goes on when what it waits for has happened.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "http2/peer_for_test.h"
#include "mux/connection.h"
#include "net/stream.h"
#include "rt/reactor.h"
#include "rt/task.h"

namespace bd::mux {

using http2::FrameType;
using http2::Options;
using http2::Role;

/// The other end of the connection. What it heard is in `side.heard`.
struct Peer {
  Peer(Role role, const Options& options) : side(role, options) {}

  /// Moves what can be moved now, both ways.
  void pump() {
    if (!fd || is_deaf) return;
    std::string bytes(64 << 10, '\0');
    for (;;) {
      const ssize_t got = ::recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got <= 0) break;
      ++reads;
      const std::string_view heard(bytes.data(), static_cast<std::size_t>(got));
      raw += heard;
      if (!is_raw) static_cast<void>(side.hear(heard));
    }
    if (!is_raw) outgoing += side.take();
    push();
  }
  /// Frames made by hand, after those that the side has ready.
  void say(std::string_view bytes) {
    if (!is_raw) outgoing += side.take();
    outgoing += bytes;
  }
  /// More than one turn's reading fits into the socket.
  void widen() const {
    const int bytes = 1 << 20;
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
  }
  /// Sends what the socket takes.
  void push() {
    while (!outgoing.empty()) {
      const ssize_t sent =
          ::send(fd.get(), outgoing.data(), outgoing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent <= 0) return;
      outgoing.erase(0, static_cast<std::size_t>(sent));
    }
  }
  [[nodiscard]] std::vector<http2::Seen> frames(FrameType type) const {
    constexpr std::size_t kPrefaceSize = 24;
    const bool is_server = raw.starts_with("PRI");
    return http2::frames_of(std::string_view(raw).substr(is_server ? kPrefaceSize : 0), type);
  }
  [[nodiscard]] bool heard(std::string_view what) const {
    return std::ranges::find(side.heard.log, what) != side.heard.log.end();
  }
  /// Gives back the window for all that comes.
  void consume_all() {
    side.heard.then_data = [this](std::int32_t id, std::size_t n) {
      side.connection.consume(id, n);
    };
  }

  http2::Side side;
  UniqueFd fd;
  std::string raw;       ///< All that came.
  std::string outgoing;  ///< Waits for the socket.
  int reads = 0;         ///< That gave something.
  bool is_deaf = false;  ///< Neither reads nor writes.
  bool is_raw = false;   ///< Says nothing of its own.
};

/// A stream that came, whose head was taken.
struct Came {
  std::shared_ptr<Stream> stream;
  http2::Head head;
};

struct Room final : Owner {
  /// `role` is ours; `socket_type` SOCK_SEQPACKET keeps the bounds of what was written at once.
  explicit Room(Role role, const Options& ours = {}, const Options& theirs = {},
                int socket_type = SOCK_STREAM)
      : peer(role == Role::server ? Role::client : Role::server, theirs) {
    int ends_of_pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, socket_type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_of_pair),
              0);
    peer.fd.reset(ends_of_pair[1]);
    EXPECT_TRUE(socket.open(reactor, UniqueFd(ends_of_pair[0])));
    mux = std::make_unique<Connection>(reactor, socket, role, ours, *this);
  }

  void on_stream(std::shared_ptr<Stream> stream) override {
    http2::Head head = std::move(stream->heads.front());
    stream->heads.pop_front();
    came.push_back({std::move(stream), std::move(head)});
  }
  void on_end() override {
    ++ends;
    log.emplace_back("end");
  }
  std::shared_ptr<void> hold() override { return nullptr; }

  /// Runs the test, and then gives up the connection so that nobody listens any more.
  void run(const std::function<rt::Task<void>()>& test) {
    rt::Scope tests;
    tests.spawn(test());
    const auto turn = [&] {
      peer.pump();
      ++turns;
      test_waiter.wake();
      is_over_ = tests.running() == 0;
      if (is_over_ && mux) mux->abandon();
      if (is_over_ && listeners.running() == 0) reactor.stop();
    };
    reactor.run(turn, std::chrono::milliseconds(1));
  }
  /// What reached() waits for.
  void goal(const char* what, std::function<bool()> is_so) {
    goal_ = what;
    is_reached_ = std::move(is_so);
  }
  /// Turn after turn, until the goal is reached; the test fails if that takes too long.
  rt::Task<void> reached() {
    while (!is_reached_() && std::chrono::steady_clock::now() < deadline) {
      co_await test_waiter.wait(deadline);
    }
    EXPECT_TRUE(is_reached_()) << goal_;
  }
  /// Both know each other's settings.
  rt::Task<void> settle() {
    goal("settings and their acknowledgement",
         [&] { return peer.frames(FrameType::settings).size() >= 2; });
    co_await reached();
  }
  /// All that the peer has sent was heard, and what it led to has come back.
  rt::Task<void> round_trip() {
    const std::size_t before = peer.frames(FrameType::ping).size();
    peer.say(http2::ping());
    goal("an answer to PING", [&] { return peer.frames(FrameType::ping).size() > before; });
    co_await reached();
  }
  /// Nothing is put off any more to the end of a turn.
  rt::Task<void> quiet() {
    const int now = turns;
    goal("some turns", [&] { return turns > now + 3; });
    co_await reached();
  }

  /// Waits for news of the stream until it is closed, as an exchange does.
  void listen(std::shared_ptr<Stream> stream, std::function<void()> on_news = {}) {
    listeners.spawn(wait_for_news(std::move(stream), std::move(on_news)));
  }

  rt::Reactor reactor;
  rt::Waiter test_waiter{reactor};
  rt::Instant deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  rt::Scope listeners;
  int wakes = 0;                 ///< Of listeners, by news.
  std::vector<std::string> log;  ///< The ends of listeners and of the connection.
  std::deque<Came> came;
  int ends = 0;
  int turns = 0;
  Peer peer;
  net::Stream socket;
  std::unique_ptr<Connection> mux;

 private:
  const char* goal_ = "";
  std::function<bool()> is_reached_;
  bool is_over_ = false;  // What the test had is gone.

  rt::Task<void> wait_for_news(std::shared_ptr<Stream> stream, std::function<void()> on_news) {
    rt::Waiter waiter(reactor);
    stream->waiter = &waiter;
    while (!stream->closed()) {
      const rt::Waiter::Woken woken = co_await waiter.wait(deadline);
      if (woken == rt::Waiter::Woken::deadline) {
        ADD_FAILURE() << "nobody told that the stream is closed";
        break;
      }
      ++wakes;
      if (on_news && !is_over_) on_news();
    }
    stream->waiter = nullptr;
    log.emplace_back("closed");
  }
};

}  // namespace bd::mux
