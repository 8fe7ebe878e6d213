#include "upstream/shared.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "model/limits.h"
#include "upstream/endpoint.h"

namespace bd::upstream {
namespace {

using namespace std::chrono_literals;

struct SharedTest : ::testing::Test {
  SharedTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    far = UniqueFd(ends[1]);
    auto connection = std::make_unique<Connection>(*endpoint);
    EXPECT_TRUE(connection->stream.open(reactor, UniqueFd(ends[0])));
    auto shared = std::make_shared<Shared>(reactor, std::move(connection), http2::Options{});
    endpoint->share(shared);
  }
  [[nodiscard]] std::shared_ptr<mux::Stream> open() const {
    static constexpr http::Field fields[] = {
        {":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}};
    return endpoint->shared()->open(fields, true);
  }
  /// Runs `work`, between what was put off before it and what it puts off.
  void run(const std::function<void()>& work) {
    int turns = 0;
    reactor.run(
        [&] {
          if (++turns == 3) work();
          if (turns == 6) reactor.stop();
        },
        1ms);
  }
  void pass(rt::Duration time) { reactor.timers().advance(reactor.now() + time); }

  rt::Reactor reactor;
  telemetry::WorkerStats stats{};
  std::shared_ptr<Endpoint> endpoint = std::make_shared<Endpoint>(
      reactor, stats, SocketAddress::parse("10.0.0.1:80").value(),
      std::make_shared<const Profile>(model::Upstream{}, snapshot::Door{}));
  UniqueFd far;
};

TEST_F(SharedTest, LeavesAWhileAfterItsLastStreamWasCancelled) {
  const auto stream = open();
  ASSERT_NE(stream, nullptr);
  run([&] {
    stream->reset(mux::Stream::kCancel);
    endpoint->shared()->rest();  // The cancelled stream is still counted.
  });
  EXPECT_TRUE(stream->closed());
  EXPECT_NE(endpoint->shared(), nullptr);
  pass(model::kSharedIdle + 1s);
  EXPECT_EQ(endpoint->shared(), nullptr);
}

TEST_F(SharedTest, StaysWhileAStreamRuns) {
  const auto first = open();
  const auto second = open();
  run([&] {
    first->reset(mux::Stream::kCancel);
    endpoint->shared()->rest();
  });
  pass(model::kSharedIdle + 1s);
  EXPECT_NE(endpoint->shared(), nullptr);
  EXPECT_FALSE(second->closed());
}

}  // namespace
}  // namespace bd::upstream
