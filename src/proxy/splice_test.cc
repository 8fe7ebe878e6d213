// Large bodies that pass from socket to socket without a look at them: no byte may be lost, added
// or changed, whatever either side does.

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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
using testing::ScriptedUpstream;
using testing::TestDoor;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::size_t kHuge =
    32 << 20;  // More than the kernel's buffers of all sockets on the way.

/// Bytes that differ wherever a piece could be lost, doubled or swapped.
std::string body_of(std::size_t size) {
  std::string out(size, 0);
  std::uint32_t state = static_cast<std::uint32_t>(size) | 1;
  for (char& byte : out) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24);
  }
  return out;
}

std::string response_head(std::size_t length) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

std::string post_head(std::size_t length) {
  return "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: " + std::to_string(length) +
         "\r\n\r\n";
}

std::string_view body_in(std::string_view message) {
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string_view() : message.substr(end + 4);
}

/// How many pipes this process has open.
std::size_t pipes() {
  std::size_t ends = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
  while (const dirent* entry = ::readdir(directory.get())) {
    std::array<char, 32> target{};
    const std::string path = std::string("/proc/self/fd/") + entry->d_name;
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    if (size > 0 &&
        std::string_view(target.data(), static_cast<std::size_t>(size)).starts_with("pipe:"))
      ++ends;
  }
  return ends / 2;
}

class SpliceTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::size_t pipes_made() const { return pipes() - before_; }

  /// A client that asks, and reads nothing until the door holds bytes for it in a pipe.
  std::unique_ptr<Client> stalled(TestDoor& door) const {
    const std::size_t made = pipes_made();
    auto client = std::make_unique<Client>(door.port());
    client->send(kGet);
    EXPECT_TRUE(eventually([&] { return pipes_made() == made + 1; }));
    stands_still(door, Counter::response_bytes);
    return client;
  }
  /// Whoever is sent to takes no more: nothing changes from one look to the next, many times.
  static void stands_still(TestDoor& door, Counter counter) {
    std::uint64_t last = 0;
    int same = 0;
    EXPECT_TRUE(eventually([&] {
      const std::uint64_t now = door.counter(counter);
      same = std::exchange(last, now) == now ? same + 1 : 0;
      return now > kHuge / 64 && same == 50;
    }));
  }

 private:
  std::size_t before_ = pipes();
};

// One upstream that sends back what it gets: both ways at once.
TEST_F(SpliceTest, BodiesOfAnyLengthArriveByteForByte) {
  ScriptedUpstream upstream([](const std::string& request, bool&) {
    return response_head(body_in(request).size()) + std::string(body_in(request));
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  std::uint64_t asked = 0, answered = 0;
  for (const std::size_t about :
       {model::kSpliceMin, model::kRelayBuffer + model::kSpliceMin, model::kPipeBytes,
        model::kPipeBytes + model::kRelayBuffer, 2 * model::kPipeBytes, std::size_t{1} << 20}) {
    for (const std::size_t size : {about - 200, about - 1, about, about + 1, about + 4097}) {
      SCOPED_TRACE(size);
      const std::string request = post_head(size) + body_of(size);
      client.send(request);
      const std::string response = client.response();
      ASSERT_TRUE(body_in(response) == body_of(size));
      asked += request.size();
      answered += response.size();
    }
  }
  EXPECT_EQ(upstream.connections(), 1) << "every message ended where it should";
  EXPECT_EQ(door.counter(Counter::request_bytes), asked);
  EXPECT_EQ(door.counter(Counter::response_bytes), answered);
  EXPECT_GE(pipes_made(), 1U);
  EXPECT_LE(pipes_made(), 2U);
}

TEST_F(SpliceTest, ASmallBodyOrOneWithoutALengthNeedsNoPipe) {
  const std::string small = body_of(model::kSpliceMin);
  std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100; ++i) chunked += "1000\r\n" + std::string(4096, 'x') + "\r\n";
  chunked += "0\r\n\r\n";
  ScriptedUpstream upstream([&](const std::string& request, bool&) {
    return contains(request, "/small") ? response_head(small.size()) + small : chunked;
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send("GET /small HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_TRUE(body_in(client.response()) == small);
  client.send(kGet);
  EXPECT_GE(client.response().size(), 100 * 4096U);
  EXPECT_EQ(pipes_made(), 0U);
}

TEST_F(SpliceTest, AnUpstreamThatEndsTooSoonIsNoCompleteMessage) {
  for (const bool reset : {false, true}) {
    ManualUpstream upstream;
    TestDoor door;
    door.route("a.test", {upstream.port()});
    Client client(door.port());
    client.send(kGet);
    auto served = std::make_unique<Client>(upstream.accept());
    (void)served->receive_until(head_is_there);
    served->send(response_head(1 << 20) + body_of(500'000));
    EXPECT_TRUE(client.receive_until(head_is_there).starts_with("HTTP/1.1 200 "));
    EXPECT_TRUE(eventually([&] { return door.counter(Counter::response_bytes) > 500'000; }));
    if (reset) {
      const UniqueFd socket = served->take();
      const linger now{1, 0};
      ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    served.reset();
    EXPECT_TRUE(eventually([&] { return door.counter(Counter::upstream_resets) == 1; }));
    EXPECT_LE(client.rest().size(), 500'000U);
    EXPECT_TRUE(client.was_reset());
  }
}

// Its bytes are in a pipe when it goes; the next client must not get them.
TEST_F(SpliceTest, AClientThatGoesTakesItsPipeWithIt) {
  const std::string huge = body_of(kHuge);
  const std::string other = std::string(1 << 20, 'o');
  ScriptedUpstream upstream([&](const std::string& request, bool&) {
    const std::string& body = contains(request, "/other") ? other : huge;
    return response_head(body.size()) + body;
  });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  std::unique_ptr<Client> client = stalled(door);
  client.reset();
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::client_aborts) == 1; }));
  EXPECT_TRUE(eventually([&] { return pipes_made() == 0; }));
  Client next(door.port());
  next.send("GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_TRUE(body_in(next.response()) == other);
  EXPECT_EQ(pipes_made(), 1U);
}

TEST_F(SpliceTest, ASlowReaderGetsEveryByteInTheEnd) {
  const std::string huge = body_of(kHuge);
  ScriptedUpstream upstream(
      [&](const std::string&, bool&) { return response_head(huge.size()) + huge; });
  TestDoor door;
  door.route("a.test", {upstream.port()});
  const std::unique_ptr<Client> client = stalled(door);
  EXPECT_LT(door.counter(Counter::response_bytes), huge.size()) << "nothing stalled";
  std::string got;
  for (std::size_t before = 1; before != got.size() && body_in(got).size() < huge.size();) {
    before = got.size();
    const std::size_t left = huge.size() - body_in(got).size();
    got += client->receive_until(
        [&](std::string_view more) { return (got.empty() ? body_in(more) : more).size() >= left; });
  }
  EXPECT_TRUE(body_in(got) == huge);
}

TEST_F(SpliceTest, AReaderThatStallsForGoodIsTooSlow) {
  const std::string huge = body_of(kHuge);
  ScriptedUpstream upstream(
      [&](const std::string&, bool&) { return response_head(huge.size()) + huge; });
  TestDoor door([](model::Listener& l) { l.timeouts.body_idle = 300ms; });
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  client.send(kGet);
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::timeouts_downstream) == 1; }));
  EXPECT_TRUE(eventually([&] { return pipes_made() == 0; }));
  EXPECT_LT(client.rest().size(), huge.size());
}

TEST_F(SpliceTest, WhoFindsNoPipeIsCopied) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlimit low{64, files.rlim_max};  // Half of it is for upstreams, of which pipes have two.
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const std::string huge = body_of(kHuge);
  const std::string other = body_of(1 << 20);
  ScriptedUpstream upstream([&](const std::string& request, bool&) {
    const std::string& body = contains(request, "/other") ? other : huge;
    return response_head(body.size()) + body;
  });
  TestDoor door;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  door.route("a.test", {upstream.port()});
  const std::unique_ptr<Client> first = stalled(door);
  const std::unique_ptr<Client> second = stalled(door);
  EXPECT_EQ(pipes_made(), 2U);
  Client third(door.port());
  for (int i = 0; i < 3; ++i) {
    third.send("GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n");
    EXPECT_TRUE(body_in(third.response()) == other);
  }
  EXPECT_EQ(pipes_made(), 2U);
}

TEST_F(SpliceTest, AnUpstreamThatBreaksWhileItIsSentABodyIsSaidSo) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  std::thread sender([&] { client.send(post_head(kHuge) + body_of(kHuge)); });
  {
    Client served = upstream.accept();
    EXPECT_TRUE(served.receive_until(head_is_there).starts_with("POST / "));
    stands_still(door, Counter::request_bytes);
    EXPECT_EQ(pipes_made(), 1U);
  }  // What it did not read makes its close a reset.
  EXPECT_TRUE(contains(client.response(), "X-Blastdoor-Cause: upstream-closed\r\n"));
  sender.join();
  EXPECT_TRUE(eventually([&] { return pipes_made() == 0; }));
}

TEST_F(SpliceTest, AnEarlyAnswerIsPassedOnAndTheRestOfTheBodyIsNot) {
  ManualUpstream upstream;
  TestDoor door;
  door.route("a.test", {upstream.port()});
  Client client(door.port());
  std::thread sender([&] { client.send(post_head(kHuge) + body_of(kHuge)); });
  Client served = upstream.accept();
  EXPECT_TRUE(served.receive_until(head_is_there).starts_with("POST / "));
  stands_still(door, Counter::request_bytes);
  EXPECT_EQ(pipes_made(), 1U);
  served.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  const std::string answer = client.response();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("no")) << answer;
  EXPECT_TRUE(contains(answer, "Connection: close\r\n")) << answer;
  sender.join();
  EXPECT_TRUE(eventually([&] { return pipes_made() == 0; }));
}

}  // namespace
}  // namespace bd::proxy
