#include "feed/sender.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "feed/control_channel.h"
#include "feed/receiver.h"
#include "model/limits.h"
#include "snapshot/sample_door_for_test.h"

namespace bd::feed {
namespace {

using DoorPointer = std::shared_ptr<const snapshot::Door>;
const char* const kExposure = "external-http";

/// Both ends of a feed; turn() plays the event loops until nothing moves.
struct Feed {
  std::optional<Sender> sender;
  UniqueFd door_end;
  Receiver receiver{kExposure};
  std::vector<Receiver::Update> applied;
  bool acknowledges = true;

  Feed() { connect(1); }
  void connect(std::uint64_t epoch) {
    ChannelPair pair = make_feed_sockets();
    sender.emplace(std::move(pair.supervisor), kExposure, epoch);
    door_end = std::move(pair.child);
    receiver.connected();
  }
  /// True if something moved.
  bool read_door_end() {
    std::vector<char> buffer(1 << 16);
    const ssize_t got = ::recv(door_end.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return false;
    const bool good = receiver.receive({buffer.data(), static_cast<std::size_t>(got)});
    if (auto update = receiver.take_update()) {
      if (acknowledges) receiver.acknowledge(*update);
      applied.push_back(*std::move(update));
    }
    const std::string_view answers = receiver.outbound();
    const ssize_t sent = ::send(door_end.get(), answers.data(), answers.size(), MSG_NOSIGNAL);
    if (sent > 0) receiver.sent(static_cast<std::size_t>(sent));
    if (!good) door_end.reset();
    return true;
  }
  void turn() {
    do {
      if (sender->is_open()) sender->on_writable();
      if (sender->is_open()) sender->on_readable();
    } while (door_end && read_door_end());
    if (sender->is_open()) sender->on_readable();
  }
  [[nodiscard]] const snapshot::Door& served() const { return *applied.back().door; }
};

void expect_same(const snapshot::Door& want, const snapshot::Door& got) {
  EXPECT_TRUE(snapshot::difference(want, got).empty());
  EXPECT_TRUE(snapshot::difference(got, want).empty());
}

DoorPointer with_endpoints(const snapshot::Door& door, std::vector<model::Endpoint> list) {
  snapshot::Door out = door;
  out.endpoints["shop/web:80"] = std::move(list);
  return std::make_shared<const snapshot::Door>(std::move(out));
}

std::vector<model::Endpoint> one_endpoint(std::string_view address) {
  return {{snapshot::socket(address)}};
}

const std::vector<std::string> kWeb = {"shop/web:80"};

TEST(Sender, ReplaysEverythingThenSendsOnlyWhatChanged) {
  Feed feed;
  snapshot::Door state = snapshot::sample_door();
  feed.sender->update(std::make_shared<const snapshot::Door>(state), 5);
  EXPECT_EQ(feed.sender->acked_generation(), 0u);
  feed.turn();
  ASSERT_EQ(feed.applied.size(), 1u);
  expect_same(state, feed.served());
  EXPECT_EQ(feed.sender->acked_generation(), 5u);
  const std::uint64_t replayed = feed.applied.back().sequence;

  snapshot::add(state, "main", snapshot::host("new.test", {}));
  state.hosts.erase({"second", {}});
  state.upstreams.erase("shop/cart:http");
  state.endpoints.erase("shop/cart:http");
  state.hosts.erase({"main", model::HostPattern::parse("shop.example.com").value()});
  state.denied.pop_back();
  feed.sender->update(std::make_shared<const snapshot::Door>(state), 6);
  feed.turn();
  ASSERT_EQ(feed.applied.size(), 2u);
  expect_same(state, feed.served());
  // Denied addresses, one host put, two dropped, an upstream dropped, commit.
  EXPECT_EQ(feed.applied.back().sequence, replayed + 6);
  EXPECT_EQ(feed.sender->acked_generation(), 6u);
  expect_same(state, *feed.sender->acked_door());
}

TEST(Sender, ARenewedCertificateAndRotatedTicketKeysGoAlone) {
  Feed feed;
  snapshot::Door state = snapshot::sample_door();
  feed.sender->update(std::make_shared<const snapshot::Door>(state), 5);
  feed.turn();
  ASSERT_EQ(feed.applied.size(), 1u);
  expect_same(state, feed.served());
  std::uint64_t sequence = feed.applied.back().sequence;

  state.certificates["file a.crt"] = snapshot::certificate("renewed", "key");
  feed.sender->update(std::make_shared<const snapshot::Door>(state), 6);
  feed.turn();
  expect_same(state, feed.served());
  EXPECT_EQ(feed.applied.back().sequence, sequence + 2) << "certificate and commit";
  sequence += 2;

  state.ticket_keys.insert(state.ticket_keys.begin(), std::string(model::kTicketKeyBytes, 'm'));
  feed.sender->update(std::make_shared<const snapshot::Door>(state), 7);
  feed.turn();
  expect_same(state, feed.served());
  EXPECT_EQ(feed.applied.back().sequence, sequence + 2) << "ticket keys and commit";
  sequence += 2;

  // A listener and an upstream lose what they named, in the batch that drops it.
  state.certificates.clear();
  state.served_certificates.clear();
  state.upstreams["shop/cart:http"].client_certificate.clear();
  state.bundles.erase("system");
  state.upstreams["shop/cart:http"].ca = "file ca.pem";
  feed.sender->update(std::make_shared<const snapshot::Door>(state), 8);
  feed.turn();
  expect_same(state, feed.served());
  EXPECT_EQ(feed.applied.back().sequence, sequence + 6);
  EXPECT_EQ(feed.sender->acked_generation(), 8u);
}

TEST(Sender, AGenerationWithoutChangeIsAckedToo) {
  Feed feed;
  const auto state = std::make_shared<const snapshot::Door>(snapshot::sample_door());
  feed.sender->update(state, 5);
  feed.turn();
  feed.sender->update(state, 6);
  feed.turn();
  ASSERT_EQ(feed.applied.size(), 2u);
  EXPECT_EQ(feed.applied[0].door, feed.applied[1].door);
  EXPECT_EQ(feed.sender->acked_generation(), 6u);
}

TEST(Sender, EndpointsTravelInTheOrderOfTheOtherChanges) {
  Feed feed;
  const snapshot::Door first = snapshot::sample_door();
  feed.sender->update(std::make_shared<const snapshot::Door>(first), 1);
  feed.turn();
  const DoorPointer flipped = with_endpoints(first, one_endpoint("10.9.9.9:80"));
  feed.sender->update_endpoints(flipped, 2, kWeb);
  feed.turn();
  expect_same(*flipped, feed.served());
  EXPECT_EQ(feed.applied.back().sequence, feed.applied.front().sequence + 2) << "list and commit";
  // Back to the first state by the slow way: the bypass must not have been forgotten.
  feed.sender->update(std::make_shared<const snapshot::Door>(first), 3);
  feed.turn();
  expect_same(first, feed.served());
}

TEST(Sender, ChangesThatComeWhileABatchIsInFlightMeltIntoOne) {
  Feed feed;
  const snapshot::Door first = snapshot::sample_door();
  feed.sender->update(std::make_shared<const snapshot::Door>(first), 1);
  DoorPointer newest;
  for (std::uint64_t generation = 2; generation < 100; ++generation) {
    newest = with_endpoints(first, one_endpoint(fmt::format("10.0.0.{}:80", generation)));
    if (generation % 2 == 0) {
      feed.sender->update(newest, generation);
    } else {
      feed.sender->update_endpoints(newest, generation, kWeb);
    }
  }
  feed.turn();
  ASSERT_EQ(feed.applied.size(), 2u);
  EXPECT_EQ(feed.applied.back().generation, 99u);
  expect_same(*newest, feed.served());
}

TEST(Sender, ADoorThatRestartedFromItsSnapshotIsSweptByTheReplay) {
  Feed feed;
  snapshot::Door old = snapshot::sample_door();
  snapshot::add(old, "main", snapshot::host("stale.test", {}));
  feed.receiver.start_from(std::make_shared<const snapshot::Door>(old));
  const snapshot::Door now = snapshot::sample_door();
  feed.sender->update(std::make_shared<const snapshot::Door>(now), 9);
  feed.turn();
  expect_same(now, feed.served());
}

TEST(Sender, EitherEndMayRestartAtAnyByte) {
  const auto state = std::make_shared<const snapshot::Door>(snapshot::sample_door());
  Feed feed;
  for (std::uint64_t epoch = 2; epoch < 40; ++epoch) {
    feed.connect(epoch);
    feed.sender->update(state, epoch);
    std::vector<char> part(epoch * 15);  // Some of the replay arrives, then the socket breaks.
    const ssize_t got = ::recv(feed.door_end.get(), part.data(), part.size(), MSG_DONTWAIT);
    ASSERT_GT(got, 0);
    ASSERT_TRUE(feed.receiver.receive({part.data(), static_cast<std::size_t>(got)}));
  }
  EXPECT_FALSE(feed.receiver.take_update());
  feed.connect(40);
  feed.sender->update(state, 40);
  feed.turn();
  ASSERT_EQ(feed.applied.size(), 1u);
  expect_same(*state, feed.served());
  feed.door_end.reset();
  feed.turn();
  EXPECT_FALSE(feed.sender->is_open());
  feed.sender->update(state, 41);  // A closed sender takes it and does nothing.
  EXPECT_FALSE(feed.sender->wants_write());
}

TEST(Sender, ARefusalNamesTheGenerationTheObjectAndTheReason) {
  Feed feed;
  snapshot::Door bad = snapshot::sample_door();
  feed.sender->update(std::make_shared<const snapshot::Door>(bad), 1);
  feed.turn();
  snapshot::add(bad, "nowhere", snapshot::host("x.test", {}));
  feed.sender->update(std::make_shared<const snapshot::Door>(bad), 2);
  feed.turn();
  EXPECT_EQ(feed.applied.size(), 1u);
  EXPECT_FALSE(feed.sender->is_open());
  ASSERT_TRUE(feed.sender->refusal());
  EXPECT_EQ(feed.sender->refusal()->generation, 2u);
  EXPECT_EQ(feed.sender->refusal()->object, "host x.test of nowhere");
  EXPECT_EQ(feed.sender->acked_generation(), 1u);
}

TEST(Sender, AnswersThatFitNothingEndTheFeed) {
  Receiver::Update never_sent;
  never_sent.sequence = 77;
  Feed feed;
  feed.sender->update(std::make_shared<const snapshot::Door>(snapshot::sample_door()), 1);
  feed.acknowledges = false;
  feed.turn();
  feed.receiver.acknowledge(never_sent);
  const std::string_view bytes = feed.receiver.outbound();
  ASSERT_EQ(::send(feed.door_end.get(), bytes.data(), bytes.size(), 0),
            static_cast<ssize_t>(bytes.size()));
  feed.sender->on_readable();
  EXPECT_FALSE(feed.sender->is_open());

  for (const std::string_view junk :
       {std::string_view("\xff\xff\xff\xff", 4), std::string_view("\0\0\0\2\xff\xff", 6)}) {
    Feed other;
    ASSERT_GT(::send(other.door_end.get(), junk.data(), junk.size(), 0), 0);
    other.sender->on_readable();
    EXPECT_FALSE(other.sender->is_open());
  }
}

TEST(Sender, AReplayLargerThanTheSocketWaitsForItAndArrives) {
  Feed feed;
  snapshot::Door big = snapshot::sample_door();
  for (int i = 0; i < 20000; ++i) {
    snapshot::add(big, "main",
                  snapshot::host(fmt::format("host-{}.example.com", i),
                                 {snapshot::route(model::PathPattern::Kind::prefix, "/",
                                                  model::Forward{"shop/web:80"})}));
  }
  feed.sender->update(std::make_shared<const snapshot::Door>(big), 1);
  EXPECT_TRUE(feed.sender->wants_write());
  feed.turn();
  ASSERT_EQ(feed.applied.size(), 1u);
  expect_same(big, feed.served());
  EXPECT_FALSE(feed.sender->wants_write());
}

TEST(Sender, AHostLargerThanAFrameBecomesATombstone) {
  Feed feed;
  snapshot::Door big = snapshot::sample_door();
  std::vector<model::Route> routes;
  const std::string origin(200, 'o');
  for (int i = 0; i < 6000; ++i) {
    model::Route route = snapshot::route(model::PathPattern::Kind::exact,
                                         fmt::format("/{:04}{}", 9999 - i, std::string(3000, 'p')),
                                         model::Forward{"shop/web:80"});
    route.origin = origin;
    routes.push_back(std::move(route));
  }
  snapshot::add(big, "main", snapshot::host("big.test", std::move(routes)));
  feed.sender->update(std::make_shared<const snapshot::Door>(big), 1);
  feed.turn();
  ASSERT_EQ(feed.applied.size(), 1u);
  const auto& host =
      feed.served().hosts.at({"main", model::HostPattern::parse("big.test").value()});
  ASSERT_EQ(host->routes.size(), 1u);
  EXPECT_EQ(host->routes[0].action, model::Action(model::Refuse{"virtual-host-too-large"}));
}

}  // namespace
}  // namespace bd::feed
