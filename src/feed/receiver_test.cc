#include "feed/receiver.h"

#include <gtest/gtest.h>

#include <random>

#include "feed/feed.pb.h"
#include "snapshot/convert.h"
#include "snapshot/sample_door_for_test.h"

namespace bd::feed {
namespace {

const char* const kExposure = "external-http";

/// Without TLS, which would need bundles.
model::Exposure plain_exposure() {
  model::Exposure out = snapshot::sample_exposure();
  for (model::Listener& listener : out.listeners) listener.tls = {};
  return out;
}

/// Writes a feed by hand, so that every rule of feed.proto can be broken.
struct Script {
  std::string bytes;
  std::uint64_t epoch = 7;
  std::uint64_t sequence = 0;
  std::uint64_t generation = 1;

  pb::Frame frame() {
    pb::Frame out;
    out.set_epoch(epoch);
    out.set_sequence(++sequence);
    out.set_generation(generation);
    return out;
  }
  Script& add(const pb::Frame& frame) {
    EXPECT_TRUE(append_frame(bytes, frame));
    return *this;
  }
  Script& begin(const std::string& exposure = kExposure, std::uint32_t version = 2) {
    pb::Frame out = frame();
    out.mutable_begin()->set_version(version);
    out.mutable_begin()->set_exposure(exposure);
    return add(out);
  }
  Script& exposure() {
    pb::Frame out = frame();
    snapshot::write(plain_exposure(), *out.mutable_put_exposure());
    return add(out);
  }
  Script& upstream(const std::string& key) {
    pb::Frame out = frame();
    snapshot::write(model::Upstream{key}, *out.mutable_put_upstream());
    return add(out);
  }
  Script& drop_upstream(const std::string& key) {
    pb::Frame out = frame();
    snapshot::write(model::Upstream{key}, *out.mutable_drop_upstream());
    return add(out);
  }
  Script& endpoints(const std::string& key, std::vector<model::Endpoint> list) {
    pb::Frame out = frame();
    snapshot::write(key, list, *out.mutable_put_endpoints());
    return add(out);
  }
  Script& host(std::string_view name, const std::string& upstream, const char* listener = "main") {
    pb::Frame out = frame();
    const auto unit = snapshot::host(
        name, {snapshot::route(model::PathPattern::Kind::prefix, "/", model::Forward{upstream})});
    out.mutable_put_host()->set_listener(listener);
    snapshot::write(*unit, *out.mutable_put_host()->mutable_host());
    return add(out);
  }
  Script& drop_host(std::string_view name) {
    pb::Frame out = frame();
    snapshot::write(snapshot::VirtualHostKey{"main", model::HostPattern::parse(name).value()},
                    *out.mutable_drop_host());
    return add(out);
  }
  Script& certificate(const std::string& name, const std::string& chain = "chain") {
    pb::Frame out = frame();
    snapshot::write(name, model::Certificate{chain, "key"}, *out.mutable_put_certificate());
    return add(out);
  }
  Script& drop_certificate(const std::string& name) {
    pb::Frame out = frame();
    out.mutable_drop_certificate()->set_name(name);
    return add(out);
  }
  Script& serves(const char* listener, const std::vector<std::string>& names) {
    pb::Frame out = frame();
    snapshot::write(listener, names, *out.mutable_put_served_certificates());
    return add(out);
  }
  Script& bundle(const std::string& name) {
    pb::Frame out = frame();
    snapshot::write(name, std::string("CAs"), *out.mutable_put_bundle());
    return add(out);
  }
  Script& sync_complete() {
    pb::Frame out = frame();
    out.mutable_sync_complete();
    return add(out);
  }
  Script& commit() {
    pb::Frame out = frame();
    out.mutable_commit();
    return add(out);
  }
  /// One host with one upstream, as a whole feed.
  static Script replay() {
    Script out;
    out.begin().exposure().upstream("a").endpoints("a", {}).host("one.test", "a");
    out.sync_complete().commit();
    return out;
  }
};

/// Null if the answers are not exactly one.
std::optional<pb::Answer> only_answer(Receiver& receiver) {
  FrameReader reader(1 << 20);
  reader.add(receiver.outbound());
  std::string_view bytes, more;
  pb::Answer answer;
  if (reader.next(bytes) != FrameReader::Status::frame) return std::nullopt;
  if (!answer.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  if (reader.next(more) != FrameReader::Status::more) return std::nullopt;
  receiver.sent(receiver.outbound().size());
  return answer;
}

std::string hosts_of(const snapshot::Door& door) {
  std::string out;
  for (const auto& [key, host] : door.hosts) out += key.host.text() + " ";
  return out;
}

TEST(Receiver, AppliesABatchWholeAtItsCommitHoweverTheBytesFall) {
  const std::string bytes = Script::replay().bytes;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7},
                                  std::size_t{31}, bytes.size()}) {
    SCOPED_TRACE(piece);
    Receiver receiver(kExposure);
    receiver.connected();
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      EXPECT_FALSE(receiver.take_update());
      ASSERT_TRUE(receiver.receive(std::string_view(bytes).substr(at, piece)));
    }
    const auto update = receiver.take_update();
    ASSERT_TRUE(update);
    EXPECT_EQ(update->generation, 1u);
    EXPECT_EQ(hosts_of(*update->door), "one.test ");
    EXPECT_TRUE(receiver.outbound().empty());
    receiver.acknowledge(*update);
    const auto answer = only_answer(receiver);
    ASSERT_TRUE(answer && answer->has_ack());
    EXPECT_EQ(answer->epoch(), 7u);
    EXPECT_EQ(answer->sequence(), 7u);
    EXPECT_EQ(answer->ack().generation(), 1u);
  }
}

struct Case {
  const char* why;
  void (*spoil)(Script&);
  const char* object;
  const char* reason;
};

void check(const Case& c) {
  SCOPED_TRACE(c.why);
  Receiver receiver(kExposure);
  receiver.connected();
  Script script;
  script.begin().exposure().upstream("a");
  c.spoil(script);
  EXPECT_FALSE(receiver.receive(script.bytes));
  EXPECT_FALSE(receiver.take_update());
  const auto answer = only_answer(receiver);
  ASSERT_TRUE(answer && answer->has_nack());
  EXPECT_EQ(answer->nack().object(), c.object);
  EXPECT_NE(answer->nack().reason().find(c.reason), std::string::npos) << answer->nack().reason();
  EXPECT_FALSE(receiver.receive(Script::replay().bytes)) << "it is over for this socket";
  receiver.connected();
  EXPECT_TRUE(receiver.receive(Script::replay().bytes)) << "and not for the next";
}

TEST(Receiver, NacksAndEndsAtWhatIsNotAsTheProtocolSays) {
  const Case cases[] = {
      {"a gap",
       [](Script& s) {
         s.sequence = 4;
         s.host("x.test", "a");
       },
       "frame 5", "out of order"},
      {"a repetition",
       [](Script& s) {
         s.sequence = 2;
         s.commit();
       },
       "frame 3", "out of order"},
      {"another epoch",
       [](Script& s) {
         s.epoch = 8;
         s.commit();
       },
       "frame 4", "epoch"},
      {"a second Begin", [](Script& s) { s.begin(); }, "Begin", "second"},
      {"an unknown kind", [](Script& s) { s.add(s.frame()); }, "frame 4", "kind"},
      {"no protobuf", [](Script& s) { s.bytes += std::string("\0\0\0\3\xff\xff\xff", 7); },
       "frame 4", "not a Frame"},
      {"a frame too large", [](Script& s) { s.bytes += std::string("\1\0\0\1", 4); }, "frame 4",
       "larger"},
      {"commit before the replay is complete", [](Script& s) { s.commit(); }, "Commit",
       "SyncComplete"},
      {"endpoints of no upstream", [](Script& s) { s.endpoints("b", {}); }, "endpoints of b",
       "no such"},
      {"a host dropped that is not there", [](Script& s) { s.drop_host("x.test"); },
       "host x.test of main", "not there"},
      {"an upstream dropped that is not there", [](Script& s) { s.drop_upstream("b"); },
       "upstream b", "not there"},
      {"a host of no listener",
       [](Script& s) { s.host("x.test", "a", "third").sync_complete().commit(); },
       "host x.test of third", "no such listener"},
      {"a forward to no upstream",
       [](Script& s) { s.host("x.test", "b").sync_complete().commit(); }, "host x.test of main",
       "unknown upstream: b"},
      {"an upstream dropped under a host",
       [](Script& s) { s.host("x.test", "a").drop_upstream("a").sync_complete().commit(); },
       "host x.test of main", "unknown upstream: a"},
      {"another door's exposure",
       [](Script& s) {
         pb::Frame frame = s.frame();
         model::Exposure other = plain_exposure();
         other.name = "internal-http";
         snapshot::write(other, *frame.mutable_put_exposure());
         s.add(frame);
       },
       "exposure", "another door"},
      {"a unit that breaks a rule",
       [](Script& s) {
         pb::Frame frame = s.frame();
         frame.mutable_put_host()->set_listener("main");
         frame.mutable_put_host()->mutable_host()->set_host("UPPER.test");
         s.add(frame);
       },
       "host UPPER.test of main", "normal form"},
  };
  for (const Case& c : cases) check(c);
}

TEST(Receiver, NacksWhatEncryptsWithoutWhatItNames) {
  const Case cases[] = {
      {"a certificate dropped that is not there", [](Script& s) { s.drop_certificate("file a"); },
       "certificate file a", "not there"},
      {"a certificate without a chain", [](Script& s) { s.certificate("file a", ""); },
       "certificate file a", "chain"},
      {"a listener that serves what is not there",
       [](Script& s) { s.serves("main", {"file a"}).sync_complete().commit(); },
       "certificates of main", "unknown certificate: file a"},
      {"a certificate dropped under a listener",
       [](Script& s) {
         s.certificate("file a").serves("main", {"file a"}).drop_certificate("file a");
         s.sync_complete().commit();
       },
       "certificates of main", "unknown certificate: file a"},
      {"certificates of no listener",
       [](Script& s) {
         s.certificate("file a").serves("third", {"file a"}).sync_complete().commit();
       },
       "certificates of third", "no such listener"},
      {"an upstream that trusts what is not there",
       [](Script& s) {
         pb::Frame frame = s.frame();
         snapshot::write(model::Upstream{.key = "a",
                                         .tls = model::UpstreamTls::verify,
                                         .server_name = "a.test",
                                         .ca = "system"},
                         *frame.mutable_put_upstream());
         s.add(frame).sync_complete().commit();
       },
       "upstream a", "unknown bundle: system"},
      {"a policy that trusts what is not there",
       [](Script& s) {
         pb::Frame frame = s.frame();
         snapshot::write(snapshot::sample_exposure(), *frame.mutable_put_exposure());
         s.add(frame).bundle("system").sync_complete().commit();
       },
       "TLS of second", "unknown bundle: file ca.pem"},
      {"a ticket key of a wrong size",
       [](Script& s) {
         pb::Frame frame = s.frame();
         frame.mutable_put_ticket_keys()->add_keys("short");
         s.add(frame);
       },
       "ticket keys", "wrong size"},
  };
  for (const Case& c : cases) check(c);
}

TEST(Receiver, RefusesAFeedThatIsNotItsOwn) {
  Script no_begin, other_exposure, other_version, no_epoch;
  no_begin.exposure();
  other_exposure.begin("internal-http");
  other_version.begin(kExposure, 1);
  no_epoch.epoch = 0;
  no_epoch.begin();
  for (const Script& script : {no_begin, other_exposure, other_version, no_epoch}) {
    Receiver receiver(kExposure);
    receiver.connected();
    EXPECT_FALSE(receiver.receive(script.bytes));
  }
}

TEST(Receiver, ANackStaysSmallWhateverItQuotes) {
  Receiver receiver(kExposure);
  receiver.connected();
  Script script;
  script.begin(std::string(1 << 20, 'x'));
  EXPECT_FALSE(receiver.receive(script.bytes));
  EXPECT_LT(receiver.outbound().size(), 4096u);
}

TEST(Receiver, ServesTheOldStateUntilAReplayIsCompleteAndThenSweepsWhatItDidNotName) {
  Receiver receiver(kExposure);
  receiver.connected();
  Script first;
  first.begin().exposure().upstream("a").endpoints("a", {}).upstream("b").endpoints("b", {});
  first.host("one.test", "a").host("two.test", "b").sync_complete().commit();
  ASSERT_TRUE(receiver.receive(first.bytes));
  const auto before = receiver.take_update();
  ASSERT_TRUE(before);

  receiver.connected();
  Script second;
  second.epoch = 8;
  second.begin().exposure().upstream("a").endpoints("a", {}).host("one.test", "a");
  ASSERT_TRUE(receiver.receive(second.bytes));
  EXPECT_FALSE(receiver.take_update());
  second.bytes.clear();
  second.sync_complete().commit();
  ASSERT_TRUE(receiver.receive(second.bytes));
  const auto after = receiver.take_update();
  ASSERT_TRUE(after);
  EXPECT_EQ(hosts_of(*before->door), "one.test two.test ") << "a state never changes";
  EXPECT_EQ(hosts_of(*after->door), "one.test ");
  EXPECT_FALSE(after->door->upstreams.contains("b"));
  EXPECT_EQ(before->door->hosts.begin()->second, after->door->hosts.begin()->second)
      << "an unchanged unit keeps its pointer";
}

TEST(Receiver, ABatchThatWasCutOffLeavesNoTrace) {
  Receiver receiver(kExposure);
  receiver.connected();
  Script script = Script::replay();
  script.upstream("b").host("half.test", "b");
  ASSERT_TRUE(receiver.receive(script.bytes));
  ASSERT_TRUE(receiver.take_update());
  receiver.connected();
  ASSERT_TRUE(receiver.receive(Script::replay().bytes));
  const auto update = receiver.take_update();
  ASSERT_TRUE(update);
  EXPECT_EQ(hosts_of(*update->door), "one.test ");
  EXPECT_FALSE(update->door->upstreams.contains("b"));
}

TEST(Receiver, AnEndpointFlipSharesEveryHostAndAnEmptyBatchSharesAll) {
  Receiver receiver(kExposure);
  receiver.connected();
  Script script = Script::replay();
  ASSERT_TRUE(receiver.receive(script.bytes));
  const auto first = receiver.take_update();
  script.bytes.clear();
  script.generation = 2;
  script.endpoints("a", {{*SocketAddress::parse("10.0.0.1:80")}}).commit();
  ASSERT_TRUE(receiver.receive(script.bytes));
  const auto second = receiver.take_update();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->door->endpoints.at("a").size(), 0u);
  EXPECT_EQ(second->door->endpoints.at("a").size(), 1u);
  EXPECT_EQ(first->door->hosts, second->door->hosts);

  script.bytes.clear();
  script.generation = 3;
  script.commit();
  ASSERT_TRUE(receiver.receive(script.bytes));
  const auto third = receiver.take_update();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->door, second->door);
  EXPECT_EQ(third->generation, 3u);
}

TEST(Receiver, ARenewedCertificateIsTheOnlyUnitWithANewPointer) {
  Receiver receiver(kExposure);
  receiver.connected();
  Script script;
  script.begin().exposure().upstream("a").endpoints("a", {}).host("one.test", "a");
  script.certificate("file a").certificate("file b").bundle("system");
  script.serves("main", {"file a", "file b"}).sync_complete().commit();
  ASSERT_TRUE(receiver.receive(script.bytes));
  const auto first = receiver.take_update();
  ASSERT_TRUE(first);
  script.bytes.clear();
  script.certificate("file a", "another chain").certificate("file b").bundle("system").commit();
  ASSERT_TRUE(receiver.receive(script.bytes));
  const auto second = receiver.take_update();
  ASSERT_TRUE(second);
  const snapshot::Door& before = *first->door;
  const snapshot::Door& after = *second->door;
  EXPECT_EQ(before.certificates.at("file a")->chain, "chain") << "a state never changes";
  EXPECT_EQ(after.certificates.at("file a")->chain, "another chain");
  EXPECT_EQ(before.certificates.at("file b"), after.certificates.at("file b"));
  EXPECT_EQ(before.bundles, after.bundles);
  EXPECT_EQ(before.hosts, after.hosts);
  script.bytes.clear();
  script.serves("main", {}).drop_certificate("file a").drop_certificate("file b").commit();
  ASSERT_TRUE(receiver.receive(script.bytes));
  const auto third = receiver.take_update();
  ASSERT_TRUE(third);
  EXPECT_TRUE(third->door->served_certificates.empty());
  EXPECT_TRUE(third->door->certificates.empty());
}

TEST(Receiver, NotesTheGenerationBeforeItLooksAtIt) {
  auto stats = std::make_unique<telemetry::DoorStats>();
  Receiver receiver(kExposure, stats.get());
  receiver.connected();
  Script script;
  script.generation = 41;
  script.begin();
  ASSERT_TRUE(receiver.receive(script.bytes));
  EXPECT_EQ(stats->receiving_generation.load(), 41u);
}

// Fuzzing in small: whatever bytes come, there is no crash, and never half a state.
TEST(Receiver, SurvivesDamagedFeeds) {
  std::mt19937 random(20260501);
  const std::string good = Script::replay().bytes + Script::replay().bytes;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (auto damage = random() % 4 + 1; damage > 0; --damage) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 9);
          break;
        default:
          bytes.insert(at, random() % 5, static_cast<char>(random()));
      }
    }
    Receiver receiver(kExposure);
    receiver.connected();
    const bool fine = receiver.receive(bytes);
    EXPECT_EQ(fine, receiver.outbound().empty());
    if (const auto update = receiver.take_update()) {
      EXPECT_EQ(update->door->exposure.name, kExposure);
    }
  }
}

}  // namespace
}  // namespace bd::feed
