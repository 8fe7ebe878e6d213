#include "upstream/upstream.h"

#include <sys/socket.h>

#include <random>
#include <set>

namespace bd::upstream {
namespace {

using namespace std::chrono_literals;

SocketAddress address(std::string_view text) {
  return SocketAddress::parse(text).value();
}

TEST(AddressPolicy, DeniesWhatIsNeverAnEndpoint) {
  struct Case {
    const char* address;
    bool denied;           ///< With loopback refused.
    bool denied_loopback;  ///< With allow_loopback.
  };
  constexpr Case cases[] = {
      {"10.0.0.1:80", false, false},
      {"[2001:db8::1]:80", false, false},
      {"[fd00:ec2::253]:80", false, false},
      {"10.0.0.1:0", true, true},
      {"0.0.0.0:80", true, true},
      {"[::]:80", true, true},
      {"169.254.169.254:80", true, true},
      {"[fe80::1]:80", true, true},
      {"[::ffff:169.254.169.254]:80", true, true},
      {"224.0.0.1:80", true, true},
      {"255.255.255.255:80", true, true},
      {"[ff02::1]:80", true, true},
      {"127.0.0.1:80", true, false},
      {"127.9.9.9:80", true, false},
      {"[::1]:80", true, false},
      {"[::ffff:127.0.0.1]:80", true, false},
      // Ours: one address, and one port on every address.
      {"10.0.0.9:10000", true, true},
      {"[::ffff:10.0.0.9]:10000", true, true},
      {"10.0.0.9:10001", false, false},
      {"10.0.0.8:10000", false, false},
      {"127.0.0.1:10002", true, true},
      {"127.0.0.77:10002", true, true},
      {"[::1]:10002", true, true},
      {"127.0.0.1:9900", true, true},
  };
  const std::vector<SocketAddress> own = {address("10.0.0.9:10000"), address("0.0.0.0:10002"),
                                          address("127.0.0.1:9900")};
  const AddressPolicy strict(own, false), lenient(own, true);
  for (const Case& c : cases) {
    EXPECT_EQ(strict.is_denied(address(c.address)), c.denied) << c.address;
    EXPECT_EQ(lenient.is_denied(address(c.address)), c.denied_loopback)
        << c.address << " with allow_loopback";
  }
}

using Lists = std::map<std::string, std::vector<std::string>>;

struct Picture : ::testing::Test {
  static std::shared_ptr<snapshot::Door> door(const Lists& lists) {
    auto out = std::make_shared<snapshot::Door>();
    for (const auto& [key, addresses] : lists) {
      out->upstreams[key] = {key};
      for (const std::string& text : addresses) out->endpoints[key].push_back({address(text)});
    }
    return out;
  }
  void apply(const Lists& lists) { upstreams.apply(door(lists)); }
  using Tried = std::vector<std::shared_ptr<Endpoint>>;
  /// All that pick() may give.
  std::set<std::string> picked(const std::string& key, const Tried& tried = {}) {
    std::set<std::string> out;
    for (int i = 0; i < 400; ++i) {
      if (const auto endpoint = one(key, tried)) out.insert(endpoint->address().text());
    }
    return out;
  }
  std::shared_ptr<Endpoint> one(const std::string& key, const Tried& tried = {}) {
    return upstreams.find(key)->pick({{}, tried}, random, reactor.now());
  }
  /// Puts an idle connection into the pool; its far end.
  UniqueFd pool(Endpoint& endpoint) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    auto connection = std::make_unique<Connection>(endpoint);
    EXPECT_TRUE(connection->stream.open(reactor, UniqueFd(ends[0])));
    endpoint.keep_idle(std::move(connection), 1h);
    return UniqueFd(ends[1]);
  }
  [[nodiscard]] std::uint64_t count(telemetry::Counter counter) const {
    return stats.counters[static_cast<std::size_t>(counter)];
  }

  rt::Reactor reactor;
  telemetry::WorkerStats stats{};
  Upstreams upstreams{reactor, stats};
  Random random{1, 2};
};

using UpstreamTest = Picture;
using Addresses = std::set<std::string>;

TEST_F(UpstreamTest, PicksNothingFromNothing) {
  apply({{"shop/web:80", {}}});
  EXPECT_EQ(upstreams.find("shop/other:80"), nullptr);
  ASSERT_NE(upstreams.find("shop/web:80"), nullptr);
  EXPECT_EQ(one("shop/web:80"), nullptr);
}

TEST_F(UpstreamTest, PicksEvenlyAmongEquals) {
  for (const std::size_t n : {1uz, 2uz, 3uz, 7uz, 16uz}) {
    std::vector<std::string> list;
    for (std::size_t i = 1; i <= n; ++i) list.push_back(fmt::format("10.0.0.{}:80", i));
    const std::string key = std::to_string(n);  // Who joins others starts slowly.
    apply({{key, list}});
    std::map<SocketAddress, int> counts;
    constexpr int kRounds = 20'000;
    for (int i = 0; i < kRounds; ++i) ++counts[one(key)->address()];
    ASSERT_EQ(counts.size(), n);
    for (const auto& [who, got] : counts) {
      const double fair = static_cast<double>(kRounds) / static_cast<double>(n);
      EXPECT_NEAR(got, fair, fair / 8) << who.text() << " of " << n;
    }
  }
}

TEST_F(UpstreamTest, PrefersTheOneWithLessInFlight) {
  apply({{"a", {"10.0.0.1:80", "10.0.0.2:80"}}});
  const auto busy = one("a");
  busy->begin();
  EXPECT_FALSE(picked("a").contains(busy->address().text()));
  busy->end();
  EXPECT_EQ(picked("a").size(), 2u);
}

TEST_F(UpstreamTest, SpreadsLoadThatStays) {
  // Two choices keep the longest queue near the mean, where one choice would let it run ahead.
  std::vector<std::string> list;
  for (int i = 1; i <= 10; ++i) list.push_back(fmt::format("10.0.0.{}:80", i));
  apply({{"a", list}});
  std::vector<std::shared_ptr<Endpoint>> held;
  for (int i = 0; i < 1000; ++i) {
    held.push_back(one("a"));
    held.back()->begin();
  }
  for (const auto& endpoint : held) EXPECT_NEAR(endpoint->in_flight(), 100, 8);
}

TEST_F(UpstreamTest, ARetryGoesElsewhereIfThereIsAnElsewhere) {
  apply({{"one", {"10.0.0.1:80"}},
         {"two", {"10.0.0.1:80", "10.0.0.2:80"}},
         {"three", {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}}});
  const auto failed = one("one");
  EXPECT_EQ(picked("one", {failed}), (Addresses{"10.0.0.1:80"}));
  EXPECT_EQ(picked("two", {failed}), (Addresses{"10.0.0.2:80"}));
  EXPECT_EQ(picked("three", {failed}), (Addresses{"10.0.0.2:80", "10.0.0.3:80"}));
  const Tried all = {failed, upstreams.find("two")->pick({{}, {&failed, 1}}, random, {})};
  EXPECT_EQ(picked("two", all), (Addresses{"10.0.0.1:80", "10.0.0.2:80"}));
}

TEST_F(UpstreamTest, EndpointsThatStayKeepPoolAndLoad) {
  apply({{"a", {"10.0.0.1:80"}}});
  const auto before = one("a");
  before->begin();
  const UniqueFd far = pool(*before);
  apply({{"a", {"10.0.0.1:80", "10.0.0.2:80"}}, {"b", {"10.0.0.3:80"}}});
  apply({{"a", {"10.0.0.1:80"}}});
  EXPECT_EQ(one("a"), before);
  EXPECT_EQ(before->in_flight(), 1u);
  EXPECT_EQ(stats.idle_upstream, 1u);
  EXPECT_NE(before->take_idle(Endpoint::Check::probe), nullptr);
}

TEST_F(UpstreamTest, EndpointsThatGoLoseTheirPoolAndNoRunningRequest) {
  apply({{"a", {"10.0.0.1:80"}}});
  const auto gone = one("a");
  const UniqueFd far = pool(*gone);
  gone->begin();  // An exchange holds it.
  apply({{"a", {"10.0.0.2:80"}}});
  EXPECT_EQ(picked("a"), (Addresses{"10.0.0.2:80"}));
  EXPECT_EQ(stats.idle_upstream, 0u);
  const UniqueFd late = pool(*gone);
  EXPECT_EQ(stats.idle_upstream, 0u) << "what the exchange gives back is not kept";
  apply({{"a", {"10.0.0.1:80"}}});
  EXPECT_NE(one("a"), gone) << "an address that comes back starts afresh";
  gone->end();
}

TEST_F(UpstreamTest, UpstreamsThatShareAnAddressShareItsPool) {
  apply({{"a", {"10.0.0.1:80"}}, {"b", {"10.0.0.1:80"}}});
  EXPECT_EQ(one("a"), one("b"));
  const UniqueFd far = pool(*one("a"));
  apply({{"b", {"10.0.0.1:80"}}});
  EXPECT_EQ(upstreams.find("a"), nullptr);
  EXPECT_EQ(stats.idle_upstream, 1u) << "b still uses it";
  apply({});
  EXPECT_EQ(stats.idle_upstream, 0u);
}

TEST_F(UpstreamTest, RenamingAnUpstreamKeepsThePool) {
  apply({{"a", {"10.0.0.1:80"}}});
  const auto before = one("a");
  apply({{"b", {"10.0.0.1:80"}}});
  EXPECT_EQ(one("b"), before);
}

TEST_F(UpstreamTest, DeniedAddressesAreNoEndpoints) {
  auto state =
      door({{"a", {"10.0.0.1:80", "169.254.169.254:80", "10.0.0.9:10000", "127.0.0.1:80"}}});
  state->denied = {address("10.0.0.9:10000")};
  upstreams.apply(state);
  EXPECT_EQ(picked("a"), (Addresses{"10.0.0.1:80"}));
  EXPECT_EQ(count(telemetry::Counter::denied_endpoints), 3u);
}

TEST_F(UpstreamTest, APolicyThatChangesJudgesAllEndpointsAgain) {
  const Lists lists = {{"a", {"127.0.0.1:80", "10.0.0.1:80"}}};
  auto lenient = door(lists);
  lenient->allow_loopback = true;
  upstreams.apply(lenient);
  EXPECT_EQ(picked("a").size(), 2u);
  apply(lists);
  EXPECT_EQ(picked("a"), (Addresses{"10.0.0.1:80"}));
  auto own = door(lists);
  own->denied = {address("10.0.0.1:80")};
  upstreams.apply(own);
  EXPECT_EQ(one("a"), nullptr);
  EXPECT_TRUE(upstreams.policy().is_denied(address("10.0.0.1:80")));
}

TEST_F(UpstreamTest, AnEndpointListMayBeMissing) {
  auto state = door({});
  state->upstreams["a"] = {"a"};
  upstreams.apply(state);
  EXPECT_EQ(one("a"), nullptr);
}

TEST_F(UpstreamTest, DropIdleEmptiesEveryPool) {
  apply({{"a", {"10.0.0.1:80"}}, {"b", {"10.0.0.2:80"}}});
  const UniqueFd first = pool(*one("a"));
  const UniqueFd second = pool(*one("b"));
  EXPECT_EQ(stats.idle_upstream, 2u);
  upstreams.drop_idle();
  EXPECT_EQ(stats.idle_upstream, 0u);
}

/// Random changes against a plain picture of what should be there.
TEST_F(UpstreamTest, AlwaysHoldsWhatWasAppliedLast) {
  for (int round = 0; round < 300; ++round) {
    Lists lists;
    for (const char* key : {"a", "b", "c"}) {
      if (random() % 4 == 0) continue;
      for (int i = 1; i <= 4; ++i) {
        if (random() % 2 == 0) lists[key].push_back(fmt::format("10.0.0.{}:80", i));
      }
    }
    apply(lists);
    for (const char* key : {"a", "b", "c"}) {
      ASSERT_EQ(upstreams.find(key) != nullptr, lists.contains(key)) << round;
      if (!lists.contains(key)) continue;
      ASSERT_EQ(picked(key), Addresses(lists[key].begin(), lists[key].end())) << round;
    }
  }
}

}  // namespace
}  // namespace bd::upstream
