#include "control/tls_files.h"

#include <gtest/gtest.h>

#include "source/support_for_test.h"
#include "tls/certificate.h"

namespace bd::control {
namespace {

tls::KeyPair pair_for(const std::string& name) {
  const std::vector<std::string> names = {name};
  return tls::self_signed(names, 30).value();
}

class TlsFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_.folder("tls");
    config_.exposures = {
        model::make_exposure("front", model::Side::internal, model::Scheme::https, 1)};
    config_.upstream_ca = folder_.path("system.pem");
    folder_.write("system.pem", pair_for("ca").chain);
    listener_tls().mode = model::TlsMode::files;
    listener_tls().files = {{folder_.path("tls/tls.crt"), folder_.path("tls/tls.key")}};
    name_ = "file " + folder_.path("tls/tls.crt");
  }
  model::Tls& listener_tls() { return config_.exposures[0].listeners[0].tls; }
  void write(const tls::KeyPair& pair) const {
    folder_.write("tls/tls.crt", pair.chain);
    folder_.write("tls/tls.key", pair.key);
  }
  [[nodiscard]] translate::Material material() const {
    translate::Material out;
    files_.add_to(out);
    return out;
  }
  /// What is served: nothing, or the chain.
  [[nodiscard]] std::string chain() const {
    const translate::Material all = material();
    const auto found = all.certificates.find(name_);
    return found == all.certificates.end() ? "" : found->second->chain;
  }
  /// A change is taken at the second look.
  bool look_twice() {
    EXPECT_FALSE(files_.look()) << "it may still be being written";
    return files_.look();
  }

  source::TempFolder folder_;
  config::Config config_;
  TlsFiles files_;
  std::string name_;
};

TEST_F(TlsFilesTest, ReadsWhatIsNamedAtOnceAndARenewalAtTheSecondLook) {
  const tls::KeyPair first = pair_for("a.test");
  const tls::KeyPair second = pair_for("a.test");
  write(first);
  files_.use(config_);
  EXPECT_EQ(chain(), first.chain);
  EXPECT_EQ(material().bundles.count("system"), 1u);
  EXPECT_TRUE(files_.findings(true).empty());
  EXPECT_FALSE(files_.look());
  write(second);
  EXPECT_TRUE(look_twice());
  EXPECT_EQ(chain(), second.chain);
  EXPECT_FALSE(files_.look());
}

TEST_F(TlsFilesTest, AHalfWrittenPairKeepsTheLastGoodOne) {
  const tls::KeyPair first = pair_for("a.test");
  const tls::KeyPair second = pair_for("a.test");
  write(first);
  files_.use(config_);
  const auto before = material().certificates.at(name_);
  folder_.write("tls/tls.crt", second.chain);
  EXPECT_FALSE(look_twice()) << "the key is still the old one";
  EXPECT_EQ(chain(), first.chain);
  const auto findings = files_.findings(false);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "certificate-invalid");
  EXPECT_EQ(findings[0].severity, model::Severity::warning);
  EXPECT_EQ(findings[0].object.name, folder_.path("tls/tls.crt"));
  EXPECT_NE(findings[0].what.find(folder_.path("tls/tls.key")), std::string::npos)
      << findings[0].what;
  EXPECT_EQ(findings[0].exposures, std::vector<std::string>{"front"});
  EXPECT_EQ(files_.take_failures().size(), 1u);
  EXPECT_TRUE(files_.take_failures().empty());

  folder_.write("tls/tls.crt", first.chain);
  EXPECT_FALSE(look_twice()) << "it is what it was";
  EXPECT_TRUE(files_.findings(false).empty());
  EXPECT_EQ(material().certificates.at(name_), before) << "an equal pair keeps its pointer";
}

TEST_F(TlsFilesTest, FollowsTheSwapOfAMountedSecret) {
  const tls::KeyPair first = pair_for("a.test");
  const tls::KeyPair second = pair_for("a.test");
  for (const auto& [name, pair] : {std::pair{"one", &first}, std::pair{"two", &second}}) {
    folder_.folder(name);
    folder_.write(fmt::format("{}/tls.crt", name), pair->chain);
    folder_.write(fmt::format("{}/tls.key", name), pair->key);
  }
  folder_.link("one", "data");
  folder_.link("../data/tls.crt", "tls/tls.crt");
  folder_.link("../data/tls.key", "tls/tls.key");
  files_.use(config_);
  EXPECT_EQ(chain(), first.chain);
  folder_.link("two", "new");
  folder_.rename("new", "data");
  EXPECT_TRUE(look_twice());
  EXPECT_EQ(chain(), second.chain);
  EXPECT_TRUE(files_.findings(false).empty());
}

TEST_F(TlsFilesTest, WhatWasNeverGoodIsRefusedAndComesWhenItIs) {
  files_.use(config_);
  EXPECT_EQ(chain(), "");
  auto findings = files_.findings(false);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, model::Severity::refused);
  EXPECT_NE(findings[0].what.find("No such file"), std::string::npos) << findings[0].what;
  const tls::KeyPair good = pair_for("a.test");
  folder_.write("tls/tls.key", good.key);
  folder_.write("tls/tls.crt", std::string(model::kCertificateChainMax + 1, 'x'));
  EXPECT_FALSE(look_twice());
  findings = files_.findings(false);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_NE(findings[0].what.find("is larger than"), std::string::npos) << findings[0].what;
  write(good);
  EXPECT_TRUE(look_twice());
  EXPECT_EQ(chain(), good.chain);
}

TEST_F(TlsFilesTest, ReadsBundlesAndMissesTheSystemsOnlyIfItIsUsed) {
  write(pair_for("a.test"));
  const std::string ca = "file " + folder_.path("ca.pem");
  listener_tls().policy.client_ca = ca;
  listener_tls().policy.client = model::ClientCertificate::required;
  files_.use(config_);
  auto findings = files_.findings(false);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].object.name, folder_.path("ca.pem"));
  EXPECT_EQ(findings[0].severity, model::Severity::refused);
  const std::string pem = pair_for("ca").chain;
  folder_.write("ca.pem", pem);
  EXPECT_TRUE(look_twice());
  EXPECT_EQ(*material().bundles.at(ca), pem);
  folder_.write("ca.pem", "nonsense");
  EXPECT_FALSE(look_twice());
  EXPECT_EQ(*material().bundles.at(ca), pem) << "the last good one stays";

  config_.upstream_ca = folder_.path("nowhere.pem");
  files_.use(config_);
  EXPECT_EQ(files_.findings(false).size(), 2u) << "somebody named that file";
  EXPECT_EQ(material().bundles.count("system"), 0u);
}

TEST_F(TlsFilesTest, ForgetsWhatIsNamedNoMoreAndReadsNothingForOthers) {
  write(pair_for("a.test"));
  files_.use(config_);
  const auto before = material().certificates.at(name_);
  files_.use(config_);
  EXPECT_EQ(material().certificates.at(name_), before) << "read once";
  config_.enabled = {"another"};
  files_.use(config_);
  EXPECT_TRUE(material().certificates.empty()) << "another process serves that exposure";
}

}  // namespace
}  // namespace bd::control
