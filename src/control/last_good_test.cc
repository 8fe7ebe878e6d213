// What is on the disk is served again as it was, or not at all.

#include "control/last_good.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <fstream>
#include <iterator>

#include "source/support_for_test.h"

namespace bd::control {
namespace {

snapshot::Door door(const std::string& name) {
  snapshot::Door out;
  out.exposure = model::make_exposure(name, model::Side::internal, model::Scheme::http, 10000);
  out.upstreams["shop/web:80"] = {"shop/web:80"};
  out.endpoints["shop/web:80"] = {{SocketAddress::parse("10.0.0.1:80").value()}};
  auto host = std::make_shared<model::VirtualHost>();
  host->host = model::HostPattern::parse("shop.test").value();
  host->routes = {{{model::PathPattern::Kind::prefix, "/"}, model::Forward{"shop/web:80"}, "x"}};
  out.hosts[{"main", host->host}] = host;
  return out;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class LastGoodTest : public testing::Test {
 protected:
  source::TempFolder folder_;
  const LastGood kept_{folder_.path("state"), "fingerprint"};
  const std::string file_ = folder_.path("state/internal-http.state");

  void keep() { ASSERT_TRUE(kept_.keep("internal-http", bytes())); }
  static std::string bytes(std::uint64_t generation = 7) {
    return snapshot::encode(door("internal-http"), generation);
  }
  std::vector<std::string> refused() { return kept_.load({"internal-http"}).refused; }
};

TEST_F(LastGoodTest, IsReadBackAsItWasWritten) {
  EXPECT_TRUE(kept_.load({"internal-http"}).doors.empty()) << "nothing was kept yet";
  EXPECT_TRUE(refused().empty()) << "and that is no mistake";
  keep();
  ASSERT_TRUE(kept_.keep("internal-http", bytes(8)));
  ASSERT_TRUE(kept_.keep("other", snapshot::encode(door("other"), 9)));
  const LastGood::Loaded loaded = kept_.load({"internal-http", "never-kept"});
  EXPECT_TRUE(loaded.refused.empty());
  ASSERT_EQ(loaded.doors.size(), 1u) << "just what was asked for";
  const snapshot::DecodedDoor& got = loaded.doors.at("internal-http");
  EXPECT_EQ(got.generation, 8u);
  EXPECT_TRUE(snapshot::difference(door("internal-http"), *got.door).empty());
}

TEST_F(LastGoodTest, RefusesEveryTornFile) {
  keep();
  const std::string whole = read(file_);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    folder_.write("state/internal-http.state", whole.substr(0, size));
    const LastGood::Loaded loaded = kept_.load({"internal-http"});
    ASSERT_TRUE(loaded.doors.empty()) << size << " of " << whole.size();
    ASSERT_EQ(loaded.refused.size(), 1u);
  }
}

TEST_F(LastGoodTest, RefusesEveryDamagedByte) {
  keep();
  const std::string whole = read(file_);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    folder_.write("state/internal-http.state", damaged);
    ASSERT_TRUE(kept_.load({"internal-http"}).doors.empty()) << at << " of " << whole.size();
  }
}

TEST_F(LastGoodTest, SaysWhatItRefuses) {
  const std::string header = "blastdoor-state 1 fingerprint\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no state file"},
      {"blastdoor-state 2 fingerprint\n" + bytes(), "no state file of this version"},
      {"blastdoor-state 1 another\n" + bytes(), "other exposures, policy or sources"},
      {header + "nonsense", "is damaged"},
      {header + snapshot::encode(door("other"), 1), "is of exposure other"},
  };
  keep();
  for (const auto& [text, why] : cases) {
    folder_.write("state/internal-http.state", text);
    const std::vector<std::string> said = refused();
    ASSERT_EQ(said.size(), 1u) << why;
    EXPECT_TRUE(said[0].find(why) != std::string::npos) << said[0];
  }
  folder_.remove("state/internal-http.state");
  folder_.folder("state/internal-http.state");
  ASSERT_EQ(refused().size(), 1u);
  EXPECT_TRUE(refused()[0].find("can't be read") != std::string::npos) << refused()[0];
}

TEST_F(LastGoodTest, AFileThatCannotBeReplacedStays) {
  keep();
  folder_.folder("state/internal-http.state.new");  // In the way, also for root.
  EXPECT_FALSE(kept_.keep("internal-http", bytes(8)));
  EXPECT_EQ(kept_.load({"internal-http"}).doors.at("internal-http").generation, 7u);
}

TEST(LastGood, AFolderThatCannotBeMadeIsToldNotFatal) {
  const LastGood nowhere("/proc/no/such/folder", "fingerprint");
  EXPECT_FALSE(nowhere.keep("internal-http", "bytes"));
  EXPECT_TRUE(nowhere.load({"internal-http"}).doors.empty());
  const LastGood none("", "fingerprint");
  EXPECT_TRUE(none.keep("internal-http", "bytes")) << "nobody asked to keep anything";
  EXPECT_TRUE(none.load({"internal-http"}).doors.empty());
}

TEST(Fingerprint, DependsOnWhatDecidesWhoIsServed) {
  const config::Config base;
  const std::string before = fingerprint(base);
  const std::vector<std::pair<const char*, std::function<void(config::Config&)>>> cases = {
      {"a grant", [](auto& c) { c.exposures[2].allow.wildcard = true; }},
      {"ownership", [](auto& c) { c.exposures[0].hosts = model::HostOwnership::owned; }},
      {"a selector", [](auto& c) { c.exposures[0].selector = *model::Selector::parse("a=b"); }},
      {"classes", [](auto& c) { c.exposures[0].ingress_classes = {"ours"}; }},
      {"any class", [](auto& c) { c.exposures[0].any_class = true; }},
      {"a twin", [](auto& c) { c.exposures[0].redirect_twin = "internal-httpsecure"; }},
      {"a scheme",
       [](auto& c) { c.exposures[0].listeners[0].public_scheme = model::Scheme::https; }},
      {"trust",
       [](auto& c) { c.exposures[0].listeners[0].trusted_peers = {*Cidr::parse("10.0.0.0/8")}; }},
      {"one exposure less", [](auto& c) { c.exposures.pop_back(); }},
      {"a folder", [](auto& c) { c.manifests = {{"/srv/manifests", false}}; }},
      {"an API server", [](auto& c) { c.kubernetes = true; }},
  };
  for (const auto& [why, edit] : cases) {
    config::Config changed = base;
    edit(changed);
    EXPECT_NE(fingerprint(changed), before) << why;
  }
  config::Config same = base;
  same.log_level = "debug";
  same.node_addresses = {"10.0.0.1"};
  same.workers = 3;
  EXPECT_EQ(fingerprint(same), before);
  config::Config careful = base;
  careful.manifests = {{"/srv/manifests", false}};
  config::Config careless = base;
  careless.manifests = {{"/srv/manifests", true}};
  EXPECT_NE(fingerprint(careful), fingerprint(careless));
}

TEST(SealInMemory, CannotBeChangedByAnybody) {
  const UniqueFd fd = seal_in_memory("state");
  ASSERT_TRUE(fd);
  char got[8] = {};
  EXPECT_EQ(::pread(fd.get(), got, sizeof got, 0), 5);
  EXPECT_STREQ(got, "state");
  EXPECT_LT(::pwrite(fd.get(), "x", 1, 0), 0);
  EXPECT_LT(::ftruncate(fd.get(), 1), 0);
  EXPECT_EQ(::mmap(nullptr, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0), MAP_FAILED);
}

}  // namespace
}  // namespace bd::control
