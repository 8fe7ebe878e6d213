#include "upstream/health.h"

#include "model/limits.h"

namespace bd::upstream {
namespace {

using namespace std::chrono_literals;

constexpr rt::Instant kStart{1000h};

bool fails(Health& health, rt::Instant now, unsigned times) {
  bool out = false;
  for (unsigned i = 0; i < times; ++i) out = health.failed(now);
  return out;
}

TEST(Health, FailuresInARowAreTooMany) {
  Health health;
  EXPECT_FALSE(fails(health, kStart, model::kFailuresToEject - 1));
  EXPECT_TRUE(health.failed(kStart + 1s));
  health.succeeded();
  EXPECT_FALSE(fails(health, kStart, model::kFailuresToEject - 1)) << "one success wipes them out";
}

TEST(Health, FailuresThatAreFarApartAreNoRow) {
  Health health;
  EXPECT_FALSE(fails(health, kStart, model::kFailuresToEject - 1));
  EXPECT_FALSE(health.failed(kStart + model::kFailureWindow + 1ms));
  EXPECT_TRUE(fails(health, kStart + model::kFailureWindow + 2ms, model::kFailuresToEject - 1));
}

TEST(Health, EjectionsGrowAndAreForgotten) {
  Health health;
  rt::Instant now = kStart;
  for (int n = 1; n <= 12; ++n) {
    health.eject(now);
    const rt::Duration time = std::min<rt::Duration>(n * model::kEjection, model::kEjectionMax);
    EXPECT_TRUE(health.is_ejected(now + time - 1ms)) << n;
    EXPECT_FALSE(health.is_ejected(now + time)) << n;
    now += time;
  }
  now += model::kEjectionMax + 1ms;
  health.eject(now);
  EXPECT_FALSE(health.is_ejected(now + model::kEjection));
}

TEST(Health, AShareGrowsEvenly) {
  Health health;
  EXPECT_EQ(health.share(kStart), Health::kFull) << "who was always there";
  health.start_slowly(kStart);
  EXPECT_EQ(health.share(kStart), Health::kFull / 10);
  EXPECT_NEAR(health.share(kStart + model::kSlowStart / 2), Health::kFull * 0.55, 2);
  EXPECT_EQ(health.share(kStart + model::kSlowStart), Health::kFull);
  EXPECT_EQ(health.settled_at(), kStart + model::kSlowStart);
}

TEST(Health, WhoComesBackStartsSlowly) {
  Health health;
  health.eject(kStart);
  const rt::Instant back = kStart + model::kEjection;
  EXPECT_EQ(health.share(back), Health::kFull / 10);
  EXPECT_EQ(health.share(back + model::kSlowStart), Health::kFull);
  EXPECT_EQ(health.settled_at(), back + model::kSlowStart);
}

}  // namespace
}  // namespace bd::upstream
