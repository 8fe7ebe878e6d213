// Each bound of model::Timeouts, against a peer that waits.

#include <gtest/gtest.h>

#include "proxy/door_for_test.h"

namespace bd::proxy {
namespace {

using namespace std::chrono_literals;
using telemetry::Counter;
using testing::Client;
using testing::contains;
using testing::eventually;
using testing::head_is_there;
using testing::ManualUpstream;
using testing::TestDoor;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

TEST(Timeouts, ConnectEndsAfterThreeTries) {
  ManualUpstream upstream;
  upstream.stop_listening();
  TestDoor door([](model::Listener& l) { l.timeouts.connect = 50ms; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(kGet);
  EXPECT_TRUE(contains(client.response(), "X-Blastdoor-Cause: connect-failed\r\n"));
  EXPECT_EQ(door.counter(Counter::upstream_connects), model::kAttemptsMax);
  EXPECT_EQ(door.counter(Counter::upstream_connect_failures), model::kAttemptsMax);
}

TEST(Timeouts, AHeadThatDripsInIsAsLateAsNone) {
  ManualUpstream upstream;
  TestDoor door([](model::Listener& l) { l.timeouts.response_head = 150ms; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(kGet);
  Client served = upstream.accept();
  (void)served.receive_until(head_is_there);
  served.send("HTTP/1.1 200 OK\r\nX: ");
  // One byte at each look, until the door has had enough.
  EXPECT_TRUE(eventually([&] {
    served.send("x");
    return door.counter(Counter::timeouts_upstream) == 1;
  }));
  EXPECT_TRUE(contains(client.response(), "X-Blastdoor-Cause: upstream-timeout\r\n"));
}

TEST(Timeouts, AnUpstreamThatTakesNoBodyIsTooLate) {
  ManualUpstream upstream;  // Nobody accepts, and nobody reads.
  TestDoor door([](model::Listener& l) { l.timeouts.body_idle = 150ms; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  std::thread sender([&] {
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 67108864\r\n\r\n");
    const std::string block(1 << 20, 'x');
    for (int i = 0; i < 64; ++i) client.send(block);
  });
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::timeouts_upstream) == 1; }));
  EXPECT_EQ(door.counter(Counter::responses_5xx), 1U);
  EXPECT_TRUE(eventually([&] { return door.stats().open_connections.load() == 0; }));
  sender.join();
}

TEST(Timeouts, ABodyThatStopsIsTheClientsFault) {
  ManualUpstream upstream;
  TestDoor door([](model::Listener& l) { l.timeouts.body_idle = 100ms; });
  door.route("a.test", {upstream.port()});
  for (const char* body :
       {"Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    Client client(door.port());
    client.send(fmt::format("POST / HTTP/1.1\r\nHost: a.test\r\n{}", body));
    const std::string all = client.rest();
    EXPECT_TRUE(contains(all, "X-Blastdoor-Cause: client-timeout\r\n")) << all;
    EXPECT_TRUE(contains(all, "Connection: close\r\n")) << all;
  }
}

TEST(Timeouts, ABodyThatDripsInIsAsLateAsOneThatStops) {
  ManualUpstream upstream;
  TestDoor door([](model::Listener& l) { l.timeouts.body_idle = 200ms; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n");
  Client served = upstream.accept();
  // One byte at every eighth look: never a pause of 200 ms, but less than 240 in a second.
  EXPECT_TRUE(eventually([&, looks = 0]() mutable {
    if (++looks % 8 == 0) client.send("x");
    return door.counter(Counter::timeouts_downstream) == 1;
  }));
  EXPECT_TRUE(contains(client.rest(), "X-Blastdoor-Cause: client-timeout\r\n"));
}

TEST(Timeouts, AnAnswerThatStopsIsCutOff) {
  ManualUpstream upstream;
  TestDoor door([](model::Listener& l) { l.timeouts.body_idle = 100ms; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(kGet);
  Client served = upstream.accept();
  (void)served.receive_until(head_is_there);
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  EXPECT_TRUE(client.rest().ends_with("abc"));
  EXPECT_TRUE(client.was_reset());
  EXPECT_EQ(door.counter(Counter::timeouts_upstream), 1U);
}

TEST(Timeouts, PooledConnectionsDoNotWaitForever) {
  ManualUpstream upstream;
  TestDoor door([](model::Listener& l) { l.timeouts.upstream_idle = 50ms; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(kGet);
  Client served = upstream.accept();
  (void)served.receive_until(head_is_there);
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(client.response().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(served.rest(), "");
  EXPECT_TRUE(served.at_end());
  EXPECT_EQ(door.stats().idle_upstream.load(), 0U);
}

TEST(Timeouts, AnIdleClientIsClosedBetweenRequestsToo) {
  TestDoor door([](model::Listener& l) { l.timeouts.idle = 50ms; });
  door.route("a.test", {});
  Client client(door.port());
  client.send(kGet);
  EXPECT_FALSE(contains(client.response(), "Connection: close"));
  EXPECT_EQ(client.rest(), "");
  EXPECT_TRUE(client.at_end());
}

}  // namespace
}  // namespace bd::proxy
