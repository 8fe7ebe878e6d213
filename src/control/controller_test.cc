// The way of a change, whole: a folder that is written to, a controller on a real reactor, and
// doors behind socket pairs. Nothing sleeps: the tests wait for what a door has.

#include "control/controller.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "control/door_for_test.h"
#include "source/support_for_test.h"

namespace bd::control {
namespace {

using namespace std::chrono_literals;

constexpr const char* kInternal = "internal-http";
constexpr const char* kExternal = "external-http";

std::string service(const std::string& name) {
  return fmt::format(
      "apiVersion: v1\nkind: Service\nmetadata: {{name: {}, namespace: shop}}\n"
      "spec: {{ports: [{{port: 80}}]}}\n",
      name);
}

/// `addresses`: `"10.0.0.1", "10.0.0.2"`
std::string slice(const std::string& service, const std::string& addresses) {
  return fmt::format(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
      "metadata: {{name: {0}-1, namespace: shop, labels: {{kubernetes.io/service-name: {0}}}}}\n"
      "addressType: IPv4\nports: [{{port: 8080}}]\nendpoints: [{1}]\n",
      service, addresses.empty() ? "" : fmt::format("{{addresses: [{}]}}", addresses));
}

std::string ingress(const std::string& name, const std::string& host,
                    const std::string& expose = kInternal) {
  return fmt::format(
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\n"
      "metadata: {{name: {}, namespace: shop, labels: {{expose: {}}}}}\n"
      "spec: {{rules: [{{host: \"{}\", http: {{paths: [{{path: /, pathType: Prefix,\n"
      "  backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}\n",
      name, expose, host);
}

tls::KeyPair pair_for(const std::string& name) {
  const std::vector<std::string> names = {name};
  return tls::self_signed(names, 30).value();
}

config::Config config_of(const std::vector<std::string>& folders, const std::string& state_dir) {
  config::Config out;
  out.enabled = {kInternal, kExternal};
  out.state_dir = state_dir;
  for (const std::string& folder : folders) out.manifests.push_back({folder, false});
  return out;
}

/// One life of a controller, with its doors.
class Life {
 public:
  explicit Life(config::Config config) {
    loop_.call([&] {
      controller_.emplace(
          loop_.reactor(), std::move(config), std::vector<IpAddress>{},
          Controller::Hooks{[this](const std::string& door, int, std::uint64_t generation) {
                              kept[door] = generation;
                            },
                            [this] { ++readies; }});
      for (DoorForTest* door : {&internal, &external}) {
        controller_->attach_feed(door == &internal ? kInternal : kExternal, door->connect());
      }
      controller_->start();
    });
  }
  ~Life() { loop_.stop(); }

  [[nodiscard]] bool wait(const std::function<bool()>& reached) { return loop_.wait(reached); }
  [[nodiscard]] bool wait_hosts(const std::string& hosts) {
    return wait([&] { return internal.hosts() == hosts; });
  }
  void call(const std::function<void(Controller&)>& work) {
    loop_.call([&] { work(*controller_); });
  }
  [[nodiscard]] Controller& controller() { return *controller_; }  // On the loop only.
  [[nodiscard]] const model::Finding* find(const std::string& code) {
    findings_ = controller_->findings();
    const auto found = std::find_if(findings_.begin(), findings_.end(),
                                    [&](const auto& finding) { return finding.code == code; });
    return found == findings_.end() ? nullptr : &*found;
  }
  [[nodiscard]] bool wait_finding(const std::string& code, bool there = true) {
    return wait([&] { return (find(code) != nullptr) == there; });
  }

 private:
  LoopForTest loop_;

 public:
  DoorForTest internal{loop_.reactor(), kInternal};
  DoorForTest external{loop_.reactor(), kExternal};
  std::map<std::string, std::uint64_t> kept;
  int readies = 0;

 private:
  std::vector<model::Finding> findings_;
  std::optional<Controller> controller_;
};

class ControllerTest : public testing::Test {
 protected:
  void SetUp() override {
    files_.folder("in");
    files_.write("in/service.yaml", service("web"));
    files_.write("in/slice.yaml", slice("web", "\"10.0.0.1\""));
  }
  /// Never half written.
  void write(const std::string& name, const std::string& text) const {
    files_.write("new", text);
    files_.rename("new", name);
  }
  [[nodiscard]] config::Config config() const { return config_of({files_.path("in")}, ""); }
  [[nodiscard]] config::Config kept_config() const {
    return config_of({files_.path("in")}, files_.path("state"));
  }
  [[nodiscard]] config::Loaded load(const std::string& yaml) const {
    config::Inputs inputs;
    inputs.file_name = "blastdoor.yaml";
    inputs.file = "exposures:\n" + yaml;
    inputs.flags = {{"manifests", {files_.path("in")}}, {"exposures", {kInternal}}};
    return config::load(inputs);
  }

  source::TempFolder files_;
};

TEST_F(ControllerTest, NothingIsServedBeforeEverySourceHasDelivered) {
  write("in/a.yaml", ingress("a", "a.test"));
  Life life(config_of({files_.path("in"), files_.path("late")}, ""));
  ASSERT_TRUE(life.wait([&] {
    const auto& health = life.controller().store().health();
    return health[0].delivered && !health[1].healthy && !health[1].message.starts_with("it has");
  }));
  life.call([&](Controller& controller) {
    EXPECT_FALSE(controller.is_ready());
    EXPECT_EQ(controller.snapshot(), nullptr);
    EXPECT_TRUE(life.internal.updates.empty());
    const model::Finding* finding = life.find("source-unhealthy");
    ASSERT_NE(finding, nullptr);
    EXPECT_NE(finding->object.name.find("late"), std::string::npos);
  });
  files_.folder("late");
  ASSERT_TRUE(life.wait_hosts("a.test"));
  EXPECT_TRUE(life.wait_finding("source-unhealthy", false));
  life.call([&](Controller& controller) {
    EXPECT_TRUE(controller.is_ready());
    EXPECT_EQ(life.readies, 1);
    EXPECT_EQ(life.external.hosts(), "") << "complete, and empty";
    EXPECT_EQ(life.internal.updates.size(), 1u);
  });
}

TEST_F(ControllerTest, AChangeIsLiveInLessThanAFifthOfASecond) {
  write("in/a.yaml", ingress("a", "a0.test"));
  Life life(config());
  ASSERT_TRUE(life.wait_hosts("a0.test"));
  auto fastest = 10000ms;
  for (int i = 1; i <= 8; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    write("in/a.yaml", ingress("a", fmt::format("a{}.test", i)));
    ASSERT_TRUE(life.wait_hosts(fmt::format("a{}.test", i)));
    fastest = std::min(fastest, std::chrono::duration_cast<std::chrono::milliseconds>(
                                    std::chrono::steady_clock::now() - begin));
  }
  EXPECT_LT(fastest, 200ms) << "of eight, as the machine may be crowded";
  write("in/a.yaml", ingress("a", "b.test", kExternal));
  ASSERT_TRUE(life.wait([&] { return life.external.hosts() == "b.test"; }));
  ASSERT_TRUE(life.wait_hosts(""));
}

TEST_F(ControllerTest, ABurstIsFewGenerationsAndTheLastStateWins) {
  constexpr int kFolders = 20;
  constexpr int kRounds = 5;
  std::vector<std::string> folders = {files_.path("in")};
  const auto hosts = [](int round) {
    std::string out;
    for (int i = 0; i < kFolders; ++i) {
      out += fmt::format("{}h{:02}-{}.test", i == 0 ? "" : " ", i, round);
    }
    return out;
  };
  const auto write_round = [&](int round) {
    for (int i = 0; i < kFolders; ++i) {
      write(fmt::format("{}/a.yaml", i),
            ingress(fmt::format("i{}", i), fmt::format("h{:02}-{}.test", i, round)) + "---\n" +
                service("web"));
    }
  };
  for (int i = 0; i < kFolders; ++i) {
    files_.folder(std::to_string(i));
    folders.push_back(files_.path(std::to_string(i)));
  }
  write_round(0);
  Life life(config_of(folders, ""));
  ASSERT_TRUE(life.wait_hosts(hosts(0)));
  std::size_t before = 0;
  life.call([&](Controller&) { before = life.internal.updates.size(); });
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 1; round <= kRounds; ++round) write_round(round);
  ASSERT_TRUE(life.wait_hosts(hosts(kRounds)));
  const auto tenths = (std::chrono::steady_clock::now() - begin) / 100ms;
  life.call([&](Controller&) {
    EXPECT_LE(life.internal.updates.size() - before, static_cast<std::size_t>(tenths) + 2)
        << "at most one per hold-off";
  });
}

TEST_F(ControllerTest, EndpointsBypassTheHoldOffAndTheFindingsFollow) {
  write("in/a.yaml", ingress("a", "a.test"));
  Life life(config());
  const auto has = [&](const std::string& addresses) {
    return life.wait([&] { return life.internal.endpoints("shop/web:80") == addresses; });
  };
  ASSERT_TRUE(has("10.0.0.1:8080"));
  std::uint64_t table = 0;
  life.call([&](Controller&) { table = life.internal.generation(); });
  for (const int last : {2, 3, 4}) {
    write("in/slice.yaml", slice("web", fmt::format("\"10.0.0.{}\"", last)));
    ASSERT_TRUE(has(fmt::format("10.0.0.{}:8080", last)));
  }
  write("in/slice.yaml", slice("web", ""));
  ASSERT_TRUE(has(""));
  life.call([&](Controller& controller) {
    const std::size_t compiled = static_cast<std::size_t>(
        std::count_if(controller.generations().begin(), controller.generations().end(),
                      [](const Generation& entry) { return entry.kind == "compile"; }));
    EXPECT_EQ(compiled, 1u) << "no table was compiled for them";
    EXPECT_EQ(controller.generations().front().kind, "endpoints");
    EXPECT_EQ(life.internal.generation(), table) << "nor was it renumbered";
  });
  EXPECT_TRUE(life.wait_finding("no-endpoints"));
  write("in/slice.yaml", slice("web", "\"10.0.0.5\", \"10.0.0.6\""));
  ASSERT_TRUE(has("10.0.0.5:8080 10.0.0.6:8080"));
  EXPECT_TRUE(life.wait_finding("no-endpoints", false));
}

TEST_F(ControllerTest, ARestartServesFromDiskUntilItsSourcesDeliver) {
  write("in/a.yaml", ingress("a", "a.test"));
  std::uint64_t generation = 0;
  {
    Life life(kept_config());
    ASSERT_TRUE(life.wait([&] { return life.kept.size() == 2; }));
    life.call([&](Controller&) { generation = life.internal.generation(); });
  }
  files_.rename("in", "away");
  Life life(kept_config());
  ASSERT_TRUE(life.wait_hosts("a.test"));
  ASSERT_TRUE(life.wait([&] {
    return life.find("manifests-unavailable") == nullptr &&
           life.find("source-unhealthy") != nullptr &&
           life.find("source-unhealthy")->what.find("in") != std::string::npos &&
           life.controller().last_change_ms() != 0;
  })) << "the source has said that its folder is not there";
  life.call([&](Controller& controller) {
    EXPECT_TRUE(controller.is_ready());
    EXPECT_EQ(controller.generations().front().kind, "disk");
    EXPECT_EQ(life.internal.hosts(), "a.test");
    EXPECT_EQ(life.internal.endpoints("shop/web:80"), "10.0.0.1:8080");
    EXPECT_GT(life.internal.generation(), generation) << "numbers grow across restarts";
  });
  files_.write("away/a.yaml", ingress("a", "b.test"));
  files_.rename("away", "in");
  ASSERT_TRUE(life.wait_hosts("b.test"));
}

TEST_F(ControllerTest, ADamagedFileHoldsUpItsOwnDoorOnly) {
  write("in/a.yaml", ingress("a", "a.test"));
  write("in/b.yaml", ingress("b", "b.test", kExternal));
  {
    Life life(kept_config());
    ASSERT_TRUE(life.wait([&] { return life.kept.size() == 2; }));
  }
  files_.write("state/external-http.state", "blastdoor-state 1 torn");
  files_.rename("in", "away");
  Life life(kept_config());
  ASSERT_TRUE(life.wait_hosts("a.test"));
  life.call([&](Controller& controller) {
    EXPECT_TRUE(life.external.updates.empty());
    EXPECT_FALSE(controller.is_ready());
    EXPECT_NE(life.find("state-refused"), nullptr);
  });
  files_.rename("away", "in");
  ASSERT_TRUE(life.wait([&] { return life.external.hosts() == "b.test"; }));
  EXPECT_TRUE(life.wait_finding("state-refused", false));
  life.call([](Controller& controller) { EXPECT_TRUE(controller.is_ready()); });
}

// The place of the new file is a pipe: whoever opens it to write hangs until the test reads.
TEST_F(ControllerTest, ChangesGoOnWhileTheDiskStandsStill) {
  files_.folder("state");
  const std::string hole = files_.path("state/internal-http.state.new");
  ASSERT_EQ(::mkfifo(hole.c_str(), 0600), 0);
  write("in/a.yaml", ingress("a", "a0.test"));
  Life life(kept_config());
  ASSERT_TRUE(life.wait_hosts("a0.test"));
  for (int i = 1; i <= 5; ++i) {
    write("in/a.yaml", ingress("a", fmt::format("a{}.test", i)));
    ASSERT_TRUE(life.wait_hosts(fmt::format("a{}.test", i)));
  }
  ASSERT_TRUE(life.wait([&] { return life.kept[kInternal] == life.internal.generation(); }))
      << "the supervisor has the newest";
  ASSERT_TRUE(life.wait_finding("state-not-kept")) << "and people hear of the disk";
  life.call([&](Controller& controller) { EXPECT_FALSE(controller.finish(0ms)); });
  const LastGood disk(files_.path("state"), fingerprint(kept_config()));
  EXPECT_FALSE(disk.load({kInternal}).doors.contains(kInternal));
  const UniqueFd reader(::open(hole.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);
  ASSERT_TRUE(life.wait([&] { return life.controller().finish(0ms); }));
  EXPECT_TRUE(life.wait_finding("state-not-kept", false));
  const LastGood::Loaded loaded = disk.load({kInternal});
  ASSERT_TRUE(loaded.doors.contains(kInternal));
  life.call([&](Controller&) {
    EXPECT_EQ(loaded.doors.at(kInternal).generation, life.internal.generation());
  });
}

TEST_F(ControllerTest, LiveKeysApplyAndTheDiskFollows) {
  write("in/a.yaml", ingress("a", "*.a.test", kExternal));
  Life life(kept_config());
  ASSERT_TRUE(life.wait([&] { return life.kept.size() == 2; }));
  life.call([&](Controller&) { EXPECT_EQ(life.external.hosts(), ""); });
  config::Loaded loaded;
  loaded.config = kept_config();
  loaded.config.exposures[2].allow.wildcard = true;
  life.call([&](Controller& controller) { controller.reconfigure(loaded, "blastdoor.yaml"); });
  ASSERT_TRUE(life.wait([&] { return life.external.hosts() == "*.a.test"; }));
  // The other door has the same table as before, but under another policy now.
  const LastGood disk(files_.path("state"), fingerprint(loaded.config));
  ASSERT_TRUE(life.wait([&] { return disk.load({kInternal, kExternal}).doors.size() == 2; }));
  life.call([&](Controller&) { EXPECT_EQ(life.find("restart-needed"), nullptr); });
}

TEST_F(ControllerTest, AMistakeKeepsTheOldConfigurationAndNamesItsLine) {
  write("in/a.yaml", ingress("a", "a.test"));
  const config::Loaded good = load("- {name: internal-http}\n");
  ASSERT_TRUE(good.mistakes.empty()) << good.mistakes[0].text();
  Life life(good.config);
  ASSERT_TRUE(life.wait_hosts("a.test"));
  const auto reconfigure = [&](const config::Loaded& loaded) {
    life.call([&](Controller& controller) { controller.reconfigure(loaded, "blastdoor.yaml"); });
  };
  reconfigure(load("- name: internal-http\n  redirct: twin\n"));
  life.call([&](Controller& controller) {
    EXPECT_EQ(controller.config(), good.config);
    const model::Finding* finding = life.find("configuration");
    ASSERT_NE(finding, nullptr);
    EXPECT_EQ(finding->severity, model::Severity::refused);
    EXPECT_EQ(finding->object.file, "blastdoor.yaml");
    EXPECT_EQ(finding->object.line, 3);
    EXPECT_NE(finding->hint.find("redirect"), std::string::npos) << model::text(*finding);
  });
  reconfigure(good);
  life.call([&](Controller&) { EXPECT_EQ(life.find("configuration"), nullptr); });
}

TEST_F(ControllerTest, AKeyThatNeedsARestartIsNamedAndTheOthersApply) {
  Life life(config());
  ASSERT_TRUE(life.wait_hosts(""));
  config::Loaded loaded;
  loaded.config = config();
  loaded.config.workers = 3;
  loaded.config.exposures[0].listeners[0].health_path = "/up";
  life.call([&](Controller& controller) {
    controller.reconfigure(loaded, "blastdoor.yaml");
    EXPECT_EQ(controller.config().workers, 0u);
    const model::Finding* finding = life.find("restart-needed");
    ASSERT_NE(finding, nullptr);
    EXPECT_EQ(finding->field, "workers");
    EXPECT_EQ(finding->object.file, "blastdoor.yaml");
  });
  ASSERT_TRUE(life.wait([&] {
    return life.internal.updates.back().door->exposure.listeners[0].health_path == "/up";
  }));
  loaded.config.workers = 0;
  life.call([&](Controller& controller) {
    controller.reconfigure(loaded, "blastdoor.yaml");
    EXPECT_EQ(life.find("restart-needed"), nullptr);
  });
}

TEST_F(ControllerTest, DoorsAndDiskHaveTheirFindings) {
  write("in/a.yaml", ingress("a", "a.test"));
  config::Config unwritable = config();
  unwritable.state_dir = "/proc/no/such/folder";
  Life life(unwritable);
  ASSERT_TRUE(life.wait_finding("state-not-kept"));
  EXPECT_TRUE(life.wait([&] { return life.kept.size() == 2; }))
      << "the supervisor has it all the same";
  const UniqueFd memory(telemetry::create_stats_memfd("test"));
  telemetry::DoorStats* stats = telemetry::map_stats(memory.get(), true);
  ASSERT_NE(stats, nullptr);
  life.call([&](Controller& controller) {
    controller.attach_stats(kInternal, memory.get());
    EXPECT_EQ(life.find("forwarded-for-ignored"), nullptr);
    stats->workers[1].add(telemetry::Counter::forwarded_for_ignored, 3);
    const model::Finding* finding = life.find("forwarded-for-ignored");
    ASSERT_NE(finding, nullptr);
    EXPECT_TRUE(finding->what.starts_with("3 requests ")) << finding->what;
    controller.quarantine(kInternal, 1);
    EXPECT_EQ(life.find("snapshot-quarantined"), nullptr) << "nobody knows that generation";
    controller.quarantine(kInternal, life.internal.generation());
    finding = life.find("snapshot-quarantined");
    ASSERT_NE(finding, nullptr);
    EXPECT_EQ(finding->exposures, std::vector<std::string>{kInternal});
  });
}

TEST_F(ControllerTest, ARenewedCertificateGoesAloneAndNoKeyReachesTheDisk) {
  const auto write_pair = [&](const tls::KeyPair& pair) {
    files_.write("tls.crt", pair.chain);
    files_.write("tls.key", pair.key);
  };
  const tls::KeyPair first = pair_for("a.test");
  const tls::KeyPair second = pair_for("a.test");
  write_pair(first);
  write("in/a.yaml", ingress("a", "a.test"));
  config::Config config = kept_config();
  model::Tls& tls = config.exposures[0].listeners[0].tls;
  tls.mode = model::TlsMode::files;
  tls.files = {{files_.path("tls.crt"), files_.path("tls.key")}};
  const std::string name = "file " + files_.path("tls.crt");
  const auto has = [&](Life& life, const std::string& chain) {
    return life.wait([&] {
      if (life.internal.updates.empty()) return false;
      const auto& all = life.internal.updates.back().door->certificates;
      return all.contains(name) && all.at(name)->chain == chain;
    });
  };
  {
    Life life(config);
    ASSERT_TRUE(has(life, first.chain));
    ASSERT_TRUE(life.wait([&] { return life.kept.size() == 2; }));
    std::shared_ptr<const snapshot::Door> before;
    life.call([&](Controller& controller) {
      before = life.internal.updates.back().door;
      EXPECT_EQ(before->served_certificates.at("main"), std::vector<std::string>{name});
      EXPECT_EQ(before->ticket_keys.size(), 1u);
      EXPECT_TRUE(life.external.updates.back().door->certificates.empty());
      EXPECT_TRUE(life.external.updates.back().door->ticket_keys.empty());
      EXPECT_EQ(controller.certificates().all().at(kInternal).at(name)->names,
                std::vector<std::string>{"a.test"});
      EXPECT_EQ(life.find("certificate-invalid"), nullptr);
    });
    write_pair(second);
    ASSERT_TRUE(has(life, second.chain));
    life.call([&](Controller& controller) {
      const snapshot::Door& after = *life.internal.updates.back().door;
      EXPECT_EQ(after.hosts, before->hosts) << "the same pointers";
      EXPECT_EQ(after.ticket_keys, before->ticket_keys);
      EXPECT_EQ(controller.generations().front().kind, "certificates");
      EXPECT_EQ(controller.generations().front().changes,
                std::vector<std::string>{"internal-http: +1 -0 certificates"});
      EXPECT_EQ(life.external.updates.size(), 1u) << "the other door hears nothing of it";
    });
    files_.write("tls.crt", first.chain);
    ASSERT_TRUE(life.wait_finding("certificate-invalid"));
    life.call([&](Controller&) {
      EXPECT_EQ(life.internal.updates.back().door->certificates.at(name)->chain, second.chain);
    });
    write_pair(second);
    ASSERT_TRUE(life.wait_finding("certificate-invalid", false));
  }
  std::ifstream file(files_.path("state/internal-http.state"), std::ios::binary);
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(kept.find("a.test"), std::string::npos);
  EXPECT_EQ(kept.find("PRIVATE KEY"), std::string::npos);
  files_.rename("in", "away");
  Life life(config);
  ASSERT_TRUE(has(life, second.chain)) << "the disk has the routes, and the files the keys";
  life.call([&](Controller& controller) {
    EXPECT_EQ(controller.generations().back().kind, "disk");
    EXPECT_EQ(life.internal.hosts(), "a.test");
  });
}

TEST_F(ControllerTest, ANewModeOfTlsIsLive) {
  write("in/a.yaml", ingress("a", "a.test"));
  Life life(config());
  ASSERT_TRUE(life.wait_hosts("a.test"));
  config::Loaded loaded;
  loaded.config = config();
  model::Tls& tls = loaded.config.exposures[0].listeners[0].tls;
  tls.mode = model::TlsMode::self_signed;
  tls.policy = {model::TlsVersion::tls13, model::ClientCertificate::required,
                model::file_unit(files_.path("ca.pem"))};
  life.call([&](Controller& controller) { controller.reconfigure(loaded, "blastdoor.yaml"); });
  ASSERT_TRUE(life.wait([&] {
    return life.internal.updates.back().door->exposure.listeners[0].tls.policy ==
           loaded.config.exposures[0].listeners[0].tls.policy;
  }));
  life.call([&](Controller&) {
    const snapshot::Door& door = *life.internal.updates.back().door;
    EXPECT_EQ(door.ticket_keys.size(), 1u);
    EXPECT_EQ(*door.bundles.at(tls.policy.client_ca), "") << "a file that is not there";
    EXPECT_NE(life.find("certificate-invalid"), nullptr);
  });
  files_.write("ca.pem", pair_for("ca").chain);
  ASSERT_TRUE(life.wait([&] {
    return !life.internal.updates.back().door->bundles.at(tls.policy.client_ca)->empty();
  }));
}

TEST_F(ControllerTest, WhatTheFolderSaysAgainIsNoGeneration) {
  write("in/a.yaml", ingress("a", "a.test"));
  Life life(config());
  ASSERT_TRUE(life.wait_hosts("a.test"));
  write("in/b.yaml", ingress("b", "b.test", "nowhere"));
  ASSERT_TRUE(life.wait_finding("unknown-exposure"));
  life.call([&](Controller& controller) {
    EXPECT_EQ(controller.generations().size(), 1u) << "findings alone are no state of a door";
    EXPECT_EQ(life.internal.updates.size(), 1u);
  });
}

}  // namespace
}  // namespace bd::control
