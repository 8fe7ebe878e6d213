// One door and what the controller remembers of it. Both ends are real: a Sender inside the link, a
// Receiver behind the other end of a socket pair.

#include "control/link.h"

#include <gtest/gtest.h>

#include "control/door_for_test.h"

namespace bd::control {
namespace {

using namespace std::chrono_literals;

constexpr const char* kDoor = "internal-http";
const std::string kUpstream = "shop/web:80";

std::shared_ptr<const snapshot::Door> state(const std::vector<std::string>& hosts,
                                            const std::string& endpoint = "10.0.0.1:80") {
  auto out = std::make_shared<snapshot::Door>();
  out->exposure = model::make_exposure(kDoor, model::Side::internal, model::Scheme::http, 10000);
  out->upstreams[kUpstream] = {kUpstream};
  out->endpoints[kUpstream] = {{SocketAddress::parse(endpoint).value()}};
  for (const std::string& name : hosts) {
    auto host = std::make_shared<model::VirtualHost>();
    host->host = model::HostPattern::parse(name).value();
    host->routes = {{{model::PathPattern::Kind::prefix, "/"}, model::Forward{kUpstream}, "x"}};
    out->hosts[{"main", host->host}] = host;
  }
  return out;
}

class LinkTest : public testing::Test {
 protected:
  struct Kept {
    std::uint64_t generation = 0;
    std::string endpoint;
    rt::Instant at;
  };

  void SetUp() override {
    loop_.call([this] {
      link_.emplace(loop_.reactor(), kDoor, 1, [this](const snapshot::Door& door, std::uint64_t g) {
        kept_.push_back(
            {g, door.endpoints.at(kUpstream)[0].address.text(), std::chrono::steady_clock::now()});
      });
    });
  }
  void TearDown() override { loop_.stop(); }

  void attach() {
    loop_.call([this] { link_->attach(door_.connect()); });
  }
  void update(std::shared_ptr<const snapshot::Door> door, std::uint64_t generation) {
    loop_.call([&] { link_->update(std::move(door), generation); });
  }
  void update_endpoints(std::shared_ptr<const snapshot::Door> door) {
    loop_.call([&] { link_->update_endpoints(std::move(door), std::span(&kUpstream, 1)); });
  }
  bool quarantine(std::uint64_t generation) {
    bool known = false;
    loop_.call([&] { known = link_->quarantine(generation); });
    return known;
  }
  std::uint64_t quarantined() {
    std::uint64_t out = 0;
    loop_.call([&] { out = link_->quarantined_generation(); });
    return out;
  }
  std::vector<std::uint64_t> generations() {
    std::vector<std::uint64_t> out;
    loop_.call([&] {
      for (const auto& update : door_.updates) out.push_back(update.generation);
    });
    return out;
  }
  [[nodiscard]] bool wait_acked(std::uint64_t generation) {
    return loop_.wait([&] { return link_->acked_generation() == generation; });
  }
  [[nodiscard]] bool wait_hosts(const std::string& hosts) {
    return loop_.wait([&] { return door_.hosts() == hosts; });
  }

  LoopForTest loop_;
  DoorForTest door_{loop_.reactor(), kDoor};
  std::optional<Link> link_;
  std::vector<Kept> kept_;  // On the loop's thread.
};

TEST_F(LinkTest, ADoorGetsTheNewestStateWhenItComesAndWhenItComesBack) {
  update(state({"old.test"}), 1);
  update(state({"a.test"}), 2);
  attach();
  ASSERT_TRUE(wait_acked(2));
  EXPECT_TRUE(wait_hosts("a.test"));
  update(state({"b.test"}), 3);
  ASSERT_TRUE(wait_acked(3));
  loop_.call([this] { door_.disconnect(); });
  ASSERT_TRUE(loop_.wait([this] { return !link_->is_connected(); }));
  update(state({"c.test"}), 4);
  attach();
  ASSERT_TRUE(wait_acked(4));
  EXPECT_EQ(generations(), (std::vector<std::uint64_t>{2, 3, 4}));
  attach();  // Nobody told the link that the feed before was lost.
  ASSERT_TRUE(loop_.wait([this] { return door_.updates.size() == 4; }));
  EXPECT_EQ(door_.hosts(), "c.test");
}

TEST_F(LinkTest, ADoorThatCameBeforeTheFirstStateGetsIt) {
  attach();
  update(state({"a.test"}), 1);
  EXPECT_TRUE(wait_acked(1));
}

TEST_F(LinkTest, RoutesAreKeptAtOnceAndEndpointsOnceASecond) {
  attach();
  for (std::uint64_t generation = 1; generation <= 4; ++generation) {
    update(state({fmt::format("a{}.test", generation)}), generation);
    ASSERT_TRUE(wait_acked(generation));
    loop_.call(
        [&] { EXPECT_EQ(kept_.size(), generation) << "a withdrawn route must not come back"; });
  }
  for (int last = 1; last <= 9; ++last) {
    update_endpoints(state({"a4.test"}, fmt::format("10.0.0.{}:80", last)));
  }
  ASSERT_TRUE(loop_.wait([this] { return kept_.back().endpoint == "10.0.0.9:80"; }));
  loop_.call([this] {
    EXPECT_LE(kept_.size(), 6u);
    EXPECT_EQ(kept_.back().generation, 4u) << "endpoints do not renumber a table";
  });
}

TEST_F(LinkTest, WhatWasAckedIsKeptAlsoIfTheDoorDiesRightAfter) {
  attach();
  update(state({"a.test"}), 1);
  ASSERT_TRUE(loop_.wait([this] { return kept_.size() == 1; }));
  update(state({"b.test"}), 2);
  ASSERT_TRUE(wait_acked(2));
  loop_.call([this] { door_.acks = false; });
  attach();
  ASSERT_TRUE(loop_.wait([this] { return kept_.back().generation == 2; }));
}

TEST_F(LinkTest, WhatIsNotAckedIsNotKept) {
  loop_.call([this] { door_.acks = false; });
  attach();
  update(state({"a.test"}), 1);
  ASSERT_TRUE(wait_hosts("a.test"));
  loop_.call([this] {
    EXPECT_TRUE(kept_.empty());
    EXPECT_EQ(link_->acked_generation(), 0u);
  });
}

TEST_F(LinkTest, APoisonIsHeldBackUntilItsHostsChange) {
  attach();
  update(state({"poison.test"}), 7);
  ASSERT_TRUE(wait_acked(7));
  loop_.call([this] { door_.disconnect(); });
  EXPECT_EQ(quarantined(), 0u);
  EXPECT_TRUE(quarantine(7));
  EXPECT_EQ(quarantined(), 7u);
  attach();
  update_endpoints(state({"poison.test"}, "10.0.0.2:80"));
  update(state({"poison.test"}, "10.0.0.3:80"), 8);  // Compiled again: equal, not the same.
  EXPECT_EQ(quarantined(), 7u);
  attach();
  update(state({"good.test"}), 9);
  ASSERT_TRUE(wait_acked(9));
  EXPECT_EQ(quarantined(), 0u);
  EXPECT_EQ(generations(), (std::vector<std::uint64_t>{7, 9})) << "nothing came in between";
  update(state({"poison.test"}), 10);  // Somebody undoes the undoing.
  EXPECT_EQ(quarantined(), 7u);
  update(state({"good.test", "poison.test"}), 11);
  ASSERT_TRUE(wait_acked(11));
  EXPECT_EQ(generations(), (std::vector<std::uint64_t>{7, 9, 11}));
}

TEST_F(LinkTest, WhatWasBeforeThePoisonIsToldWithTheEndpointsOfNow) {
  attach();
  update(state({"good.test"}), 6);
  ASSERT_TRUE(wait_acked(6));
  update(state({"good.test", "poison.test"}), 7);
  ASSERT_TRUE(wait_acked(7));
  update(state({"good.test", "venom.test"}), 8);  // Another change, as deadly.
  ASSERT_TRUE(wait_acked(8));
  loop_.call([this] { door_.disconnect(); });
  EXPECT_TRUE(quarantine(7));
  EXPECT_EQ(quarantined(), 0u) << "it is not what is wanted any more";
  EXPECT_TRUE(quarantine(8));
  EXPECT_EQ(quarantined(), 8u);
  attach();
  ASSERT_TRUE(wait_acked(6));
  EXPECT_TRUE(wait_hosts("good.test"));
  update_endpoints(state({"good.test", "venom.test"}, "10.0.0.2:80"));
  ASSERT_TRUE(loop_.wait([this] { return door_.endpoints(kUpstream) == "10.0.0.2:80"; }));
  EXPECT_EQ(door_.hosts(), "good.test");
  update(state({"good.test", "poison.test"}, "10.0.0.3:80"), 9);  // The first poison once more.
  EXPECT_EQ(quarantined(), 7u);
  ASSERT_TRUE(loop_.wait([this] { return door_.endpoints(kUpstream) == "10.0.0.3:80"; }));
  EXPECT_EQ(door_.hosts(), "good.test");
}

TEST_F(LinkTest, CertificatesAreRenewedUnderATableAndUnderTheOneBeforeAPoison) {
  const auto with = [](std::vector<std::string> hosts, const std::string& chain) {
    auto out = std::make_shared<snapshot::Door>(*state(hosts));
    out->certificates["file a"] = std::make_shared<const model::Certificate>(chain, "key");
    out->ticket_keys = {std::string(model::kTicketKeyBytes, chain.back())};
    return out;
  };
  const auto has = [&](const std::string& chain) {
    return loop_.wait([&] {
      const snapshot::Door& door = *door_.updates.back().door;
      return door.certificates.at("file a")->chain == chain &&
             door.ticket_keys.at(0).back() == chain.back();
    });
  };
  attach();
  update(with({"good.test"}, "chain 1"), 6);
  ASSERT_TRUE(wait_acked(6));
  loop_.call([&] { link_->update_material(with({"good.test"}, "chain 2")); });
  ASSERT_TRUE(has("chain 2"));
  EXPECT_EQ(generations(), (std::vector<std::uint64_t>{6, 6})) << "the table is the same";
  ASSERT_TRUE(loop_.wait([&] { return kept_.size() == 2; })) << "and kept at once";
  update(with({"poison.test"}, "chain 3"), 7);
  ASSERT_TRUE(wait_acked(7));
  EXPECT_TRUE(quarantine(7));
  ASSERT_TRUE(wait_hosts("good.test"));
  EXPECT_TRUE(has("chain 3"));
  loop_.call([&] { link_->update_material(with({"poison.test"}, "chain 4")); });
  EXPECT_TRUE(has("chain 4"));
  EXPECT_EQ(door_.hosts(), "good.test");
}

TEST_F(LinkTest, AStateThatTookThePlaceOfThePoisonIsNotHeld) {
  attach();
  update(state({"poison.test"}), 7);
  ASSERT_TRUE(wait_acked(7));
  update(state({"good.test"}), 8);
  update_endpoints(state({"good.test"}, "10.0.0.2:80"));
  EXPECT_TRUE(quarantine(7)) << "the supervisor counts slower than people mend";
  EXPECT_EQ(quarantined(), 0u);
  EXPECT_FALSE(quarantine(3)) << "of a controller before this one";
  EXPECT_EQ(quarantined(), 0u);
  attach();
  ASSERT_TRUE(wait_hosts("good.test"));
  ASSERT_TRUE(loop_.wait([this] { return door_.endpoints(kUpstream) == "10.0.0.2:80"; }));
}

TEST_F(LinkTest, ARefusalIsToldUntilSomethingIsTaken) {
  DoorForTest stranger(loop_.reactor(), "external-http");  // It refuses another's feed.
  update(state({"a.test"}), 1);
  loop_.call([&] { link_->attach(stranger.connect()); });
  ASSERT_TRUE(loop_.wait([this] { return !link_->refusal().empty(); }));
  loop_.call([&] {
    EXPECT_FALSE(link_->is_connected());
    stranger.disconnect();
    door_.acks = false;
  });
  attach();
  ASSERT_TRUE(wait_hosts("a.test"));
  loop_.call(
      [this] { EXPECT_FALSE(link_->refusal().empty()) << "a new feed alone mends nothing"; });
  loop_.call([this] { door_.acks = true; });
  attach();
  ASSERT_TRUE(wait_acked(1));
  loop_.call([this] { EXPECT_EQ(link_->refusal(), ""); });
}

}  // namespace
}  // namespace bd::control
