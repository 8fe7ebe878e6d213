#include "upstream/endpoint.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include "model/limits.h"

namespace bd::upstream {
namespace {

using namespace std::chrono_literals;
using Check = Endpoint::Check;

struct Pool : ::testing::Test {
  Pool()
      : endpoint(std::make_shared<Endpoint>(
            reactor, stats, SocketAddress::parse("10.0.0.1:80").value(),
            std::make_shared<const Profile>(model::Upstream{}, snapshot::Door{}))) {}

  /// A connection that has just carried an exchange; the far end goes to `far`.
  std::unique_ptr<Connection> used() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    far.emplace_back(ends[1]);
    auto connection = std::make_unique<Connection>(*endpoint);
    EXPECT_TRUE(connection->stream.open(reactor, UniqueFd(ends[0])));
    connection->stream.handle().readable = false;  // The last read was short.
    return connection;
  }
  Connection* keep(rt::Duration idle_max = 1h) {
    std::unique_ptr<Connection> connection = used();
    Connection* const out = connection.get();
    endpoint->keep_idle(std::move(connection), idle_max);
    return out;
  }
  void say(std::size_t which) const {
    EXPECT_EQ(::send(far[which].get(), "x", 1, MSG_NOSIGNAL), 1);
  }
  [[nodiscard]] bool was_closed(std::size_t which) const {
    char byte;
    const ssize_t got = ::recv(far[which].get(), &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);  // The latter if we had not read all.
  }
  [[nodiscard]] std::uint64_t idle() const { return stats.idle_upstream; }
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

  rt::Reactor reactor;
  telemetry::WorkerStats stats{};
  std::shared_ptr<Endpoint> endpoint;
  std::vector<UniqueFd> far;
};

using EndpointTest = Pool;

TEST_F(EndpointTest, GivesTheHottestConnectionFirst) {
  Connection* const first = keep();
  Connection* const second = keep();
  EXPECT_EQ(idle(), 2u);
  const auto a = endpoint->take_idle(Check::events);
  const auto b = endpoint->take_idle(Check::probe);
  EXPECT_EQ(a.get(), second);
  EXPECT_EQ(b.get(), first);
  EXPECT_TRUE(a->reused);
  EXPECT_EQ(endpoint->take_idle(Check::events), nullptr);
  EXPECT_EQ(idle(), 0u);
}

TEST_F(EndpointTest, AnIdleConnectionThatThePeerClosesGoes) {
  keep();
  far[0].reset();
  run_until([&] { return idle() == 0; });
  EXPECT_EQ(endpoint->take_idle(Check::events), nullptr);
}

TEST_F(EndpointTest, AnIdleConnectionThatSaysSomethingUnaskedGoes) {
  keep();
  say(0);
  run_until([&] { return idle() == 0; });
  EXPECT_TRUE(was_closed(0));
}

TEST_F(EndpointTest, RoomToWriteIsNoReasonToGo) {
  keep();  // The descriptor is new to epoll, which tells at once that it can be written.
  const rt::Instant begin = reactor.now();
  run_until([&] { return reactor.now() > begin + 5ms; });
  EXPECT_EQ(idle(), 1u);
}

TEST_F(EndpointTest, TheProbeSeesWhatNoEventHasToldYet) {
  keep();
  keep();
  keep();
  say(2);
  far[1].reset();
  const auto got = endpoint->take_idle(Check::probe);
  ASSERT_NE(got, nullptr);
  EXPECT_TRUE(was_closed(2));
  EXPECT_EQ(endpoint->take_idle(Check::probe), nullptr);
  EXPECT_EQ(idle(), 0u);
}

TEST_F(EndpointTest, BytesAfterTheResponseKeepAConnectionOutOfThePool) {
  std::unique_ptr<Connection> connection = used();
  say(0);
  say(0);
  char one;
  connection->stream.handle().readable = true;
  EXPECT_EQ(connection->stream.read({&one, 1}).bytes,
            1u);  // A full read: nobody knows that there is more.
  endpoint->keep_idle(std::move(connection), 1h);
  EXPECT_EQ(endpoint->take_idle(Check::events), nullptr);
}

TEST_F(EndpointTest, AFullReadThatTookEverythingDoesNoHarm) {
  std::unique_ptr<Connection> connection = used();
  connection->stream.handle().readable = true;
  endpoint->keep_idle(std::move(connection), 1h);
  EXPECT_NE(endpoint->take_idle(Check::events), nullptr);
}

TEST_F(EndpointTest, AConnectionThatIsClosedAlreadyIsNotKept) {
  std::unique_ptr<Connection> connection = used();
  connection->stream.handle().peer_closed = true;
  endpoint->keep_idle(std::move(connection), 1h);
  EXPECT_EQ(idle(), 0u);
  EXPECT_TRUE(was_closed(0));
}

TEST_F(EndpointTest, IdleConnectionsGoInTime) {
  keep(20ms);
  keep(1h);
  run_until([&] { return idle() == 1; });
  EXPECT_TRUE(was_closed(0));
  EXPECT_FALSE(was_closed(1));
}

TEST_F(EndpointTest, AConnectionInUseHasNoIdleDeadline) {
  keep(20ms);
  const std::unique_ptr<Connection> taken = endpoint->take_idle(Check::events);
  const rt::Instant begin = reactor.now();
  run_until([&] { return reactor.now() > begin + 60ms; });
  EXPECT_FALSE(was_closed(0));
}

TEST_F(EndpointTest, ThePoolIsBounded) {
  rlimit files{};  // Both ends of them are open here, and 1024 is a common limit.
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  for (std::size_t i = 0; i <= model::kIdlePerEndpointMax; ++i) keep();
  EXPECT_EQ(idle(), model::kIdlePerEndpointMax);
  EXPECT_TRUE(was_closed(model::kIdlePerEndpointMax));
}

TEST_F(EndpointTest, ARetiredEndpointKeepsNothing) {
  keep();
  endpoint->retire();
  EXPECT_EQ(idle(), 0u);
  EXPECT_TRUE(was_closed(0));
  keep();
  EXPECT_EQ(idle(), 0u);
  EXPECT_TRUE(was_closed(1));
}

TEST_F(EndpointTest, EndsWithItsPool) {
  keep();
  endpoint.reset();
  EXPECT_TRUE(was_closed(0));
  EXPECT_EQ(idle(), 0u);
}

}  // namespace
}  // namespace bd::upstream
