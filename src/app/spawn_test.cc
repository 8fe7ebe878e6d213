#include "app/spawn.h"

#include <gtest/gtest.h>

namespace bd::app {
namespace {

TEST(ChildOptions, ParseIsTheInverseOfWords) {
  ChildOptions door;
  door.channel = 7;
  door.parent = 1;
  door.stats = 8;
  door.snapshot = 9;
  door.workers = 2;
  door.log_level = "info";
  door.sockets = {{"main", {10, 11}}, {"with:colon", {12}}};
  ChildOptions controller;
  controller.channel = 5;
  controller.parent = 77;
  controller.rest = {"--config", "a=b", "--channel=9"};
  for (const ChildOptions& options : {door, controller}) {
    const auto words = options.words();
    const auto parsed = ChildOptions::parse(words);
    ASSERT_TRUE(parsed) << parsed.error();
    EXPECT_EQ(parsed->words(), words);
    EXPECT_EQ(parsed->rest, options.rest);
    EXPECT_EQ(parsed->descriptors(), options.descriptors());
  }
  EXPECT_EQ(door.descriptors(), (std::vector<int>{7, 8, 9, 10, 11, 12}));
}

TEST(ChildOptions, RefusesWhatNoSupervisorWrites) {
  const std::vector<std::vector<std::string>> cases = {
      {},
      {"--channel=5"},
      {"--parent=5"},
      {"--channel=x", "--parent=1"},
      {"--channel=-1", "--parent=1"},
      {"--channel=99999999999", "--parent=1"},
      {"--channel=1", "--parent=1", "--listen=main"},
      {"--channel=1", "--parent=1", "--listen=main:"},
      {"--channel=1", "--parent=1", "--listen=main:1,"},
      {"--help", "--channel=1", "--parent=1"},
  };
  for (const auto& words : cases) {
    EXPECT_FALSE(ChildOptions::parse(words)) << testing::PrintToString(words);
  }
}

}  // namespace
}  // namespace bd::app
