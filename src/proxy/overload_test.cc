#include "proxy/overload.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "model/limits.h"
#include "proxy/door_for_test.h"

namespace bd::proxy {
namespace {

using telemetry::Counter;
using testing::Client;
using testing::eventually;
using testing::ManualUpstream;
using testing::ScriptedUpstream;
using testing::TestDoor;

constexpr std::uint64_t kBudget = std::uint64_t{1} << 30;
constexpr std::uint64_t kPercent = (kBudget + 99) / 100;
constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kProbe = "GET /-/healthz HTTP/1.1\r\nHost: probe\r\n\r\n";

std::string fine(const std::string&, bool&) {
  return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
}

TEST(OverloadStep, BeginsAtItsShareAndEndsFivePercentBelow) {
  using enum OverloadStep;
  struct Case {
    std::uint64_t percent;
    OverloadStep before, after;
  };
  constexpr Case cases[] = {
      {0, none, none},      {79, none, none},   {80, none, shed},   {89, none, shed},
      {90, none, refuse},   {94, shed, refuse}, {95, none, stop},   {500, shed, stop},
      {90, stop, stop},     {89, stop, refuse}, {85, stop, refuse}, {84, stop, shed},
      {85, refuse, refuse}, {84, refuse, shed}, {75, refuse, shed}, {75, shed, shed},
      {74, shed, none},     {74, stop, none},   {75, none, none},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.percent);
    EXPECT_EQ(overload_step(c.percent * kPercent, kBudget, c.before), c.after);
  }
}

TEST(OverloadStep, NeedsABudget) {
  EXPECT_EQ(overload_step(kBudget, 0, OverloadStep::none), OverloadStep::none);
  EXPECT_EQ(overload_step(kBudget, 0, OverloadStep::stop), OverloadStep::none);
}

TEST(OwnMemory, GrowsWithWhatIsTouched) {
  const MemoryReader read = read_own_memory();
  const std::uint64_t before = read();
  EXPECT_GT(before, 0U);
  const std::size_t size = std::size_t{32} << 20;
  const auto touched = std::make_unique_for_overwrite<char[]>(size);
  volatile char* const bytes = touched.get();  // Else the compiler does without.
  for (std::size_t i = 0; i < size; i += 1024) bytes[i] = 'x';
  EXPECT_GE(read(), before + size / 10 * 9);
}

TEST(SocketCensus, CountsSocketsAndPipesAndWhatTheyHold) {
  SocketCensus census;
  const std::uint64_t before = census.count();
  EXPECT_EQ(socket_memory(-1), 0U);
  {
    ManualUpstream server;
    Client client(server.port());
    Client accepted = server.accept();
    const std::uint64_t empty = census.count();
    EXPECT_GE(empty, before + 3 * 4096);
    client.send(std::string(50'000, 'x'));
    const std::uint64_t with_socket = census.count();
    EXPECT_GE(with_socket, empty + 50'000);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd out(ends[0]), in(ends[1]);
    ASSERT_EQ(::write(in.get(), "0123456789", 10), 10);
    EXPECT_EQ(census.count(), with_socket + 10);
  }
  EXPECT_EQ(census.count(), before);
}

// The numbers go on behind the first window, and come back to it.
TEST(SocketCensus, LooksAtManyDescriptorsInTurns) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const std::size_t many = model::kOverloadCensus + 500;
  if (files.rlim_max < 2 * many) GTEST_SKIP() << "too few descriptors";
  const rlimit raised{std::max<rlim_t>(files.rlim_cur, 2 * many), files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &raised), 0);
  std::vector<UniqueFd> sockets;
  while (sockets.size() < many) {
    sockets.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(sockets.back());
  }
  SocketCensus census;
  EXPECT_LT(census.count(), many * 4096);
  EXPECT_GE(census.count(), many * 4096);
  sockets.clear();
  census.count();
  EXPECT_LT(census.count(), many * 4096 / 2);
  ::setrlimit(RLIMIT_NOFILE, &files);
}

/// Waits until the door has seen what it is told to have.
void fill(TestDoor& door, std::uint64_t percent, OverloadStep want) {
  door.memory = percent * kPercent;
  EXPECT_TRUE(eventually([&] { return door.overload_step() == want; })) << percent;
}

TEST(Overload, FromEightyPercentNoConnectionIsKept) {
  ScriptedUpstream upstream(fine);
  TestDoor door({}, 1, kBudget);
  door.route("a.test", {upstream.port()});
  Client idle(door.port());
  idle.send(kGet);
  EXPECT_EQ(idle.response().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return door.stats().idle_upstream.load() == 1; }));
  fill(door, 80, OverloadStep::shed);
  EXPECT_EQ(idle.rest(), "");
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(eventually([&] { return door.stats().idle_upstream.load() == 0; }));
  Client client(door.port());
  client.send(kGet);
  const std::string answer = client.rest();
  EXPECT_TRUE(answer.ends_with("fine")) << answer;
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos) << answer;
  fill(door, 70, OverloadStep::none);
  Client kept(door.port());
  for (int i = 0; i < 2; ++i) {
    kept.send(kGet);
    EXPECT_TRUE(kept.response().ends_with("fine"));
  }
}

TEST(Overload, FromNinetyPercentOnlyProbesAreServed) {
  ScriptedUpstream upstream(fine);
  TestDoor door({}, 1, kBudget);
  door.route("a.test", {upstream.port()});
  fill(door, 90, OverloadStep::refuse);
  Client client(door.port());
  client.send(kGet);
  const std::string answer = client.rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("X-Blastdoor-Cause: overloaded\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Retry-After: 1\r\n"), std::string::npos) << answer;
  EXPECT_EQ(door.counter(Counter::overload_refusals), 1U);
  EXPECT_TRUE(upstream.requests().empty());
  Client probe(door.port());
  probe.send(kProbe);
  EXPECT_TRUE(probe.rest().starts_with("HTTP/1.1 200 "));
  // A body that nobody wants keeps nobody: what is read of it is bounded.
  Client large(door.port());
  large.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n" +
             std::string(10'000, 'x'));
  EXPECT_TRUE(large.response().starts_with("HTTP/1.1 503 "));
}

/// A client that asks for an endless body, and does not read it.
struct SlowReader {
  explicit SlowReader(TestDoor& door, const ManualUpstream& upstream)
      : client(door.port()), server((client.send(kGet), upstream.accept())) {
    EXPECT_FALSE(
        server.receive_until([](std::string_view all) { return all.ends_with("\r\n\r\n"); })
            .empty());
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + std::string(30'000, 'x'));
    EXPECT_FALSE(client.receive_until([](std::string_view all) { return !all.empty(); }).empty());
    server.send(std::string(200'000, 'x'));
  }
  Client client, server;
};

TEST(Overload, FromNinetyFivePercentTheLargestIsResetAndNothingAccepted) {
  ManualUpstream upstream;
  TestDoor door({}, 1, kBudget);
  door.route("a.test", {upstream.port()});
  SlowReader reader(door, upstream);
  // It asked for something that is on its way, and holds next to nothing.
  Client small(door.port());
  small.send(kGet);
  Client small_server = upstream.accept();
  fill(door, 95, OverloadStep::stop);
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::overload_resets) == 1; }));
  static_cast<void>(reader.client.rest());
  EXPECT_TRUE(reader.client.was_reset());
  EXPECT_TRUE(eventually([&] { return door.stats().active_requests.load() == 1; }));
  Client late(door.port());
  late.send(kProbe);
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::overload_pauses) > 0; }));
  EXPECT_EQ(door.counter(Counter::connections), 2U);
  fill(door, 50, OverloadStep::none);
  EXPECT_TRUE(late.response().starts_with("HTTP/1.1 200 "));
  small_server.receive_until([](std::string_view all) { return all.ends_with("\r\n\r\n"); });
  bool close = false;
  small_server.send(fine("", close));
  EXPECT_TRUE(small.response().ends_with("fine"));
}

// Nobody who stalls may have the door refuse everybody else for as long as he likes.
TEST(Overload, ThatIsRefusedForASecondResetsTheLargest) {
  ManualUpstream upstream;
  TestDoor door({}, 1, kBudget);
  door.route("a.test", {upstream.port()});
  SlowReader reader(door, upstream);
  fill(door, 90, OverloadStep::refuse);
  EXPECT_EQ(door.counter(Counter::overload_resets), 0U);
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::overload_resets) == 1; }));
  static_cast<void>(reader.client.rest());
  EXPECT_TRUE(reader.client.was_reset());
}

// What holds the memory may be the table: then probes are answered, and clients told why.
TEST(Overload, ThatNoConnectionCausesIsToldToOneAfterTheOther) {
  TestDoor door({}, 1, kBudget);
  door.route("a.test", {});
  fill(door, 200, OverloadStep::stop);
  for (int i = 0; i < 3; ++i) {
    for (const auto& [request, answer] :
         {std::pair{kProbe, "HTTP/1.1 200 "}, {kGet, "X-Blastdoor-Cause: overloaded\r\n"}}) {
      Client client(door.port());
      client.send(request);
      EXPECT_NE(client.rest().find(answer), std::string::npos);
    }
  }
}

/// Changes the soft limit of descriptors for a while.
class FilesLimit {
 public:
  FilesLimit() { EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0); }
  ~FilesLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  void set(rlim_t soft) const {
    const rlimit limit{soft, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  void restore() const { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(Descriptors, ClientsHaveHalfOfThem) {
  const FilesLimit limit;
  limit.set(80);
  TestDoor door;
  limit.restore();
  door.route("a.test", {});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 41; ++i) clients.push_back(std::make_unique<Client>(door.port()));
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::limit_connections) == 1; }));
  EXPECT_EQ(door.stats().open_connections.load(), 40U);
  clients.front().reset();
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::connections) == 41; }));
}

TEST(Descriptors, WhenNoneIsLeftOneClientIsRefusedAndTheOthersWait) {
  const FilesLimit limit;
  TestDoor door;
  door.route("a.test", {});
  std::array<UniqueFd, 3> sockets;
  for (UniqueFd& fd : sockets) fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // The next descriptor would be this one.
  const UniqueFd next(::dup(sockets[0].get()));
  limit.set(static_cast<rlim_t>(next.get()) + 1);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(door.port());
  std::vector<Client> clients;
  for (UniqueFd& fd : sockets) {
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    clients.emplace_back(std::move(fd));
  }
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::descriptors_used_up) > 0; }));
  clients[1].send(kProbe);
  clients[2].send(kProbe);
  static_cast<void>(clients[0].rest());
  EXPECT_TRUE(clients[0].was_reset());
  // Two wait, and nobody looks at them more than ten times a second.
  EXPECT_LE(door.counter(Counter::descriptors_used_up), 20U);
  limit.restore();
  Client later(door.port());
  later.send(kProbe);
  EXPECT_TRUE(later.response().starts_with("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace bd::proxy
