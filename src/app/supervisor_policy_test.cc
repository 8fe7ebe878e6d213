#include "app/supervisor_policy.h"

#include <gtest/gtest.h>

namespace bd::app {
namespace {

using namespace std::chrono_literals;
const TimePoint kStart{1h};

TEST(Backoff, IsNothingTheFirstTimeThenDoublesToItsBound) {
  Backoff backoff;
  std::vector<milliseconds> waits;
  for (int i = 0; i < 9; ++i) waits.push_back(backoff.after_death(kStart, kStart + 1s));
  EXPECT_EQ(waits, (std::vector<milliseconds>{0ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms,
                                              5000ms, 5000ms}));
}

TEST(Backoff, ForgetsAfterALongLifeAndOnRequest) {
  Backoff backoff;
  for (int i = 0; i < 5; ++i) static_cast<void>(backoff.after_death(kStart, kStart));
  EXPECT_EQ(backoff.after_death(kStart, kStart + Backoff::kStable - 1ms), 1600ms);
  EXPECT_EQ(backoff.after_death(kStart, kStart + Backoff::kStable), 0ms);
  EXPECT_EQ(backoff.after_death(kStart, kStart), 100ms);
  backoff.reset();
  EXPECT_EQ(backoff.after_death(kStart, kStart), 0ms);
}

TEST(CrashCounter, CondemnsAtTheFifthDeathByOneGenerationWithinAMinute) {
  CrashCounter counter;
  for (std::uint32_t i = 1; i < model::kCrashesToQuarantine; ++i) {
    EXPECT_FALSE(counter.condemns(7, kStart + i * 1s)) << i;
    EXPECT_FALSE(counter.condemns(8, kStart + i * 1s)) << i;
  }
  EXPECT_TRUE(counter.condemns(7, kStart + 10s));
  EXPECT_FALSE(counter.condemns(8, kStart + 10s)) << "it starts from zero";
}

TEST(CrashCounter, ForgetsDeathsOfMoreThanAMinuteAgo) {
  CrashCounter counter;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(counter.condemns(7, kStart + i * 15100ms)) << i;
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(counter.condemns(9, kStart + 1h + i * 15s)) << i;
  EXPECT_TRUE(counter.condemns(9, kStart + 1h + 60s));
}

}  // namespace
}  // namespace bd::app
