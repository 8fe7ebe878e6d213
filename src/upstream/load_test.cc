#include "upstream/load.h"

#include "model/limits.h"

namespace bd::upstream {
namespace {

TEST(Load, EndsAtItsLimits) {
  Load load;
  load.limit({.connections = 30, .pending = 2, .requests = 7}, 3);
  EXPECT_EQ(load.connections_max(), 10U);
  EXPECT_TRUE(load.begin_pending()) << "of two for three workers each has one";
  EXPECT_FALSE(load.begin_pending());
  EXPECT_TRUE(load.begin_request());
  EXPECT_TRUE(load.begin_request());
  EXPECT_FALSE(load.begin_request());
  load.end_request();
  load.end_pending();
  EXPECT_TRUE(load.begin_request());
  EXPECT_TRUE(load.begin_pending());
}

TEST(Load, AnUpstreamThatAnswersNothingGetsFewRetries) {
  for (const unsigned in_flight : {1U, 10U, 100U, 1000U}) {
    Load load;
    for (unsigned i = 0; i < in_flight; ++i) ASSERT_TRUE(load.begin_request());
    unsigned granted = 0;
    while (load.begin_retry()) ++granted;
    EXPECT_EQ(granted, std::max(model::kRetriesMin, in_flight / 5)) << in_flight;
    load.end_retry();
    EXPECT_TRUE(load.begin_retry());
    EXPECT_FALSE(load.begin_retry());
  }
}

TEST(Load, AnswersEarnAFifthOfARetry) {
  Load load;
  for (int i = 0; i < 100; ++i) load.answered();
  unsigned granted = 0;
  while (load.begin_retry()) ++granted;
  EXPECT_EQ(granted, model::kRetriesMin + 20);
}

TEST(Load, WhatIsEarnedHasAnEnd) {
  Load load;
  for (unsigned i = 0; i < 10 * model::kRetriesSavedMax; ++i) load.answered();
  unsigned granted = 0;
  while (load.begin_retry()) ++granted;
  EXPECT_EQ(granted, model::kRetriesMin + model::kRetriesSavedMax);
}

}  // namespace
}  // namespace bd::upstream
