#include <gtest/gtest.h>

#include "config/config.h"

namespace bd::config {
namespace {

TEST(KeepRestartKeys, LeavesOnlyLiveKeysDifferent) {
  const Config old;
  Config edited;
  edited.workers = 3;
  edited.handover = "other";
  edited.admin.port = 1;
  edited.enabled = {"internal-http"};
  edited.exposures[0].listeners[0].bind.port = 9;
  edited.exposures[0].allow.wildcard = true;
  edited.exposures.erase(edited.exposures.begin() + 3);
  edited.exposures.push_back(
      model::make_exposure("new", model::Side::internal, model::Scheme::http, 8));
  keep_restart_keys(old, edited);
  std::vector<std::string> keys;
  EXPECT_FALSE(needs_restart(old, edited, keys));
  EXPECT_TRUE(edited.exposures[0].allow.wildcard);
  EXPECT_EQ(edited.exposures.size(), 4U);
  EXPECT_EQ(edited.exposures[0].listeners[0].bind.port, 10000);
}

}  // namespace
}  // namespace bd::config
