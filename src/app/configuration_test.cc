// The file and the words that the configuration comes from.

#include "app/configuration.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace bd::app {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + fmt::format("bd-configuration-{}", ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  /// What the next looks say.
  static std::string looks(FileWatch& watch, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += watch.changed() ? 'y' : 'n';
    return out;
  }

  std::string folder_;
};

TEST_F(FileWatchTest, TellsAChangeOnceAndOnlyWhenItStandsStill) {
  write("a.yaml", "1");
  FileWatch watch(path("a.yaml"));
  EXPECT_EQ(looks(watch, 2), "nn") << "what was there is known";
  write("a.yaml", "22");
  EXPECT_EQ(looks(watch, 1), "n");
  write("a.yaml", "333");
  EXPECT_EQ(looks(watch, 1), "n") << "it is still being written";
  EXPECT_EQ(looks(watch, 3), "ynn");
}

TEST_F(FileWatchTest, SeesAFileThatIsReplacedByRenaming) {
  write("a.yaml", "1");
  FileWatch watch(path("a.yaml"));
  write("new", "2");
  fs::rename(path("new"), path("a.yaml"));
  EXPECT_EQ(looks(watch, 3), "nyn");
}

TEST_F(FileWatchTest, SeesTheSwapOfAMountedConfigMap) {
  fs::create_directories(path("..1"));
  fs::create_directories(path("..2"));
  write("..1/a.yaml", "1");
  write("..2/a.yaml", "2");
  fs::create_symlink("..1", path("..data"));
  fs::create_symlink("..data/a.yaml", path("a.yaml"));
  FileWatch watch(path("a.yaml"));
  EXPECT_EQ(looks(watch, 2), "nn");
  fs::create_symlink("..2", path("..next"));
  fs::rename(path("..next"), path("..data"));
  fs::remove_all(path("..1"));
  EXPECT_EQ(looks(watch, 3), "nyn");
}

TEST_F(FileWatchTest, AFileThatIsGoneKeepsWhatItSaid) {
  write("a.yaml", "1");
  FileWatch watch(path("a.yaml"));
  fs::rename(path("a.yaml"), path("away"));
  EXPECT_EQ(looks(watch, 3), "nnn");
  write("a.yaml", "22");
  EXPECT_EQ(looks(watch, 3), "nyn");
}

TEST_F(FileWatchTest, AFileThatComesLateIsAChange) {
  FileWatch watch(path("a.yaml"));
  EXPECT_EQ(looks(watch, 2), "nn");
  write("a.yaml", "1");
  EXPECT_EQ(looks(watch, 3), "nyn");
  FileWatch none("");
  EXPECT_EQ(looks(none, 2), "nn");
}

TEST_F(FileWatchTest, AFileThatCannotBeReadIsAMistake) {
  const config::Loaded missing = load_configuration({{"config", {path("none.yaml")}}});
  ASSERT_EQ(missing.mistakes.size(), 1u);
  EXPECT_EQ(missing.mistakes[0].where, path("none.yaml"));

  write("a.yaml", "exposures: [{name: internal-http, redirct: twin}]\n");
  const Flags flags = {{"config", {path("a.yaml")}}};
  EXPECT_EQ(configuration_file(flags), path("a.yaml"));
  const config::Loaded wrong = load_configuration(flags);
  ASSERT_EQ(wrong.mistakes.size(), 1u);
  EXPECT_EQ(wrong.mistakes[0].where, path("a.yaml") + ":1");

  write("a.yaml", "logLevel: debug\n");
  const config::Loaded good =
      load_configuration({{"config", {path("a.yaml")}}, {"workers", {"2"}}});
  EXPECT_TRUE(good.mistakes.empty()) << good.mistakes[0].text();
  EXPECT_EQ(good.config.log_level, "debug");
  EXPECT_EQ(good.config.workers, 2u);
}

TEST(Words, BringFlagsToAChildAsTheyAre) {
  const std::vector<Flags> cases = {
      {},
      {{"allowLoopback", {}}},
      {{"exposures", {"a,b"}}, {"manifests", {"/one", "/two words", "-x=y"}}},
      {{"labelSelector", {"app in (a, b),tier=front"}}, {"config", {""}}},
      {{"config", {"--config=x"}}, {"kubeconfig", {"line\nbreak"}}},
  };
  for (const Flags& flags : cases) EXPECT_EQ(from_words(to_words(flags)), flags);
}

}  // namespace
}  // namespace bd::app
