// Who gets a request, and what a worker remembers of its endpoints over changes.

#include <map>

#include "model/limits.h"
#include "upstream/upstream.h"

namespace bd::upstream {
namespace {

using namespace std::chrono_literals;
using model::BalancePolicy;

std::string text(int i) {
  return fmt::format("10.0.0.{}:80", i);
}

struct PickTest : ::testing::Test {
  /// Endpoints 1 to n, all of the weight 1 but for what `weights` says.
  void apply(int n, const std::map<int, std::uint32_t>& weights = {}) {
    auto next = std::make_shared<snapshot::Door>();
    next->upstreams["a"] = {.key = "a", .balance = balance, .circuit = circuit};
    for (int i = 1; i <= n; ++i) {
      const auto weight = weights.contains(i) ? weights.at(i) : 1;
      next->endpoints["a"].push_back({SocketAddress::parse(text(i)).value(), 0, weight});
    }
    upstreams.apply(next);
    upstream = upstreams.find("a");
  }
  std::shared_ptr<Endpoint> pick(const Affinity& affinity = {}) {
    return upstream->pick({affinity, {}}, random, now);
  }
  std::map<std::string, double> share(int rounds = 20'000) {
    std::map<std::string, double> out;
    for (int i = 0; i < rounds; ++i) out[pick()->address().text()] += 1.0 / rounds;
    return out;
  }
  std::shared_ptr<Endpoint> endpoint(int i) {
    for (;;) {
      if (auto out = pick(); out->address().text() == text(i)) return out;
    }
  }
  void fail(const std::shared_ptr<Endpoint>& which, unsigned times = model::kFailuresToEject) {
    for (unsigned i = 0; i < times; ++i) upstream->failed(*which, now);
  }

  rt::Reactor reactor;
  telemetry::WorkerStats stats{};
  Upstreams upstreams{reactor, stats};
  std::shared_ptr<Upstream> upstream;
  model::Balance balance;
  model::Circuit circuit;
  Random random{1, 2};
  rt::Instant now = reactor.now();
};

TEST_F(PickTest, EveryPolicyKeepsTheWeights) {
  for (const auto policy :
       {BalancePolicy::least_requests, BalancePolicy::round_robin, BalancePolicy::random}) {
    balance.policy = policy;
    apply(3, {{3, 2}});
    const auto got = share();
    for (int i = 1; i <= 3; ++i) {
      EXPECT_NEAR(got.at(text(i)), i == 3 ? 0.5 : 0.25, 0.02) << static_cast<int>(policy);
    }
  }
}

TEST_F(PickTest, RoundRobinTakesTurns) {
  balance.policy = BalancePolicy::round_robin;
  apply(3, {{1, 3}});
  std::string order;
  for (int i = 0; i < 10; ++i) order += pick()->address().text()[7];
  EXPECT_EQ(order.substr(0, 5), order.substr(5)) << "a round is five turns: " << order;
  EXPECT_EQ(std::ranges::count(order.substr(0, 5), '1'), 3);
  EXPECT_EQ(order.find("111"), std::string::npos) << "the heavy one does not take all at once";
}

TEST_F(PickTest, AHashGoesToOneEndpointWhoeverComes) {
  balance.policy = BalancePolicy::hash;
  apply(10);
  std::map<std::uint64_t, std::string> homes;
  for (std::uint64_t key = 0; key < 1000; ++key) homes[key] = pick({{}, key})->address().text();
  apply(11);
  now += 1h;
  int moved = 0;
  for (const auto& [key, home] : homes) {
    const std::string after = pick({{}, key})->address().text();
    if (after != home) ++moved;
    EXPECT_TRUE(after == home || after == text(11));
  }
  EXPECT_NEAR(moved, 1000 / 11, 40);
  EXPECT_EQ(share().size(), 11U) << "without a key";
}

TEST_F(PickTest, TheOneThatACookieNamesIsTaken) {
  balance.sticky_cookie = "sid";
  apply(5);
  const auto third = endpoint(3);
  const std::uint64_t identity = upstream->identity(*third);
  EXPECT_EQ(identity, identity_of(third->address()));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pick({identity, {}}), third);
  fail(third);
  for (int i = 0; i < 50; ++i) EXPECT_NE(pick({identity, {}}), third) << "it is ejected";
  EXPECT_NE(pick({4711, {}}), nullptr) << "nobody's name";
}

TEST_F(PickTest, AnIdentityOutlivesTheAddress) {
  auto door = std::make_shared<snapshot::Door>();
  door->upstreams["a"] = {"a"};
  door->endpoints["a"] = {{SocketAddress::parse(text(1)).value(), 77, 1},
                          {SocketAddress::parse(text(2)).value(), 88, 1}};
  upstreams.apply(door);
  upstream = upstreams.find("a");
  EXPECT_EQ(pick({88, {}})->address().text(), text(2));
  auto moved = std::make_shared<snapshot::Door>(*door);
  moved->endpoints["a"][1].address = SocketAddress::parse(text(9)).value();
  upstreams.apply(moved);
  EXPECT_EQ(pick({88, {}})->address().text(), text(9));
}

TEST_F(PickTest, WhoFailsIsLeftOutForAWhile) {
  apply(4);
  fail(endpoint(2), model::kFailuresToEject - 1);
  EXPECT_TRUE(share().contains(text(2)));
  fail(endpoint(2), 1);
  EXPECT_EQ(stats.counters[static_cast<std::size_t>(telemetry::Counter::ejections)], 1U);
  EXPECT_FALSE(share().contains(text(2)));
  now += model::kEjection;
  const double first = share().at(text(2));
  EXPECT_NEAR(first, 0.1 / 3.1, 0.02) << "it comes back slowly";
  now += model::kSlowStart;
  EXPECT_NEAR(share().at(text(2)), 0.25, 0.02);
}

TEST_F(PickTest, HalfOfAllAreLeftOutAtMost) {
  apply(5);
  for (int i = 1; i <= 5; ++i) {
    const auto each = SocketAddress::parse(text(i)).value();
    for (int tries = 0; tries < 1000; ++tries) {
      if (const auto one = pick(); one->address() == each) upstream->failed(*one, now);
    }
  }
  EXPECT_EQ(share().size(), 3U);
  apply(1);
  EXPECT_EQ(share().size(), 1U) << "if it is all that is left, it is asked";
}

TEST_F(PickTest, TheOnlyOneIsNeverLeftOut) {
  apply(1);
  fail(endpoint(1), 100);
  EXPECT_EQ(share().size(), 1U);
}

TEST_F(PickTest, WhoJoinsStartsSlowly) {
  apply(2);
  apply(3);
  EXPECT_NEAR(share().at(text(3)), 0.1 / 2.1, 0.02);
  now += model::kSlowStart / 2;
  EXPECT_NEAR(share().at(text(3)), 0.55 / 2.55, 0.02);
  now += model::kSlowStart / 2;
  EXPECT_NEAR(share().at(text(3)), 1.0 / 3, 0.02);
}

TEST_F(PickTest, WhatIsKnownSurvivesAThousandGenerations) {
  balance.policy = BalancePolicy::round_robin;
  circuit.requests = 3;
  apply(8);
  const auto bad = endpoint(5);
  fail(bad);
  bad->begin();
  ASSERT_TRUE(upstream->load().begin_request());
  while (upstream->load().begin_retry()) {
  }
  const std::shared_ptr<Upstream> before = upstream;
  for (int generation = 0; generation < 1000; ++generation) {
    apply(8 + generation % 3);
    now += 1ms;
    ASSERT_EQ(upstream, before);
    ASSERT_TRUE(bad->health.is_ejected(now)) << "ejection";
    ASSERT_EQ(bad->in_flight(), 1U) << "balancer";
    ASSERT_FALSE(upstream->load().begin_retry()) << "budget";
  }
  EXPECT_FALSE(share().contains(text(5)));
  ASSERT_TRUE(upstream->load().begin_request());
  ASSERT_TRUE(upstream->load().begin_request());
  EXPECT_FALSE(upstream->load().begin_request()) << "breaker: one was in flight all the time";
}

TEST_F(PickTest, SlowStartGoesOnOverChanges) {
  apply(2);
  apply(3);
  for (int i = 0; i < 100; ++i) {
    now += model::kSlowStart / 100;
    apply(i % 2 == 0 ? 3 : 4);
  }
  now += 1ms;
  apply(3);
  EXPECT_NEAR(share().at(text(3)), 1.0 / 3, 0.02);
}

TEST_F(PickTest, TurnsGoOnOverChanges) {
  balance.policy = BalancePolicy::round_robin;
  apply(4);
  std::string order;
  for (int i = 0; i < 400; ++i) {
    circuit.requests = static_cast<std::uint32_t>(100 + i);  // Something changes each time.
    apply(4);
    order += pick()->address().text()[7];
  }
  for (std::size_t i = 4; i < order.size(); ++i) ASSERT_EQ(order[i], order[i - 4]) << i;
}

TEST_F(PickTest, OneThatIsGoneHasNoEndpointsAndStillCounts) {
  apply(2);
  const auto held = upstream;
  ASSERT_TRUE(held->load().begin_request());
  upstreams.apply(std::make_shared<snapshot::Door>());
  EXPECT_EQ(held->pick({}, random, now), nullptr);
  held->load().end_request();
}

}  // namespace
}  // namespace bd::upstream
