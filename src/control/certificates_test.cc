#include "control/certificates.h"

#include <gtest/gtest.h>

#include <ctime>

#include "control/ticket_keys.h"

namespace bd::control {
namespace {

using namespace std::chrono_literals;
constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;

TEST(SayDates, WarnsInSteps) {
  tls::Facts facts;
  facts.not_before = 1'700'000'000;
  facts.not_after = facts.not_before + 100 * kDay;
  struct Case {
    std::int64_t now;
    const char* want;  ///< The beginning; empty: nothing.
  };
  const Case cases[] = {
      {facts.not_before - 1, "It is not valid before 2023-11-14 22:13 UTC."},
      {facts.not_before, ""},
      {facts.not_after - 14 * kDay, ""},
      {facts.not_after - 14 * kDay + 1,
       "It expires on 2024-02-22 22:13 UTC, in less than 14 days."},
      {facts.not_after - 3 * kDay + 1, "It expires on 2024-02-22 22:13 UTC, in less than 3 days."},
      {facts.not_after - kDay + 1, "It expires on 2024-02-22 22:13 UTC, in less than a day."},
      {facts.not_after, "It expired on 2024-02-22 22:13 UTC."},
  };
  for (const Case& c : cases) EXPECT_EQ(say_dates(facts, c.now), c.want) << c.now;
}

TEST(Certificates, KnowsThoseOfAllDoorsAndFindsWhatExpires) {
  const std::vector<std::string> names = {"a.test", "*.b.test"};
  const tls::KeyPair pair = tls::self_signed(names, 10).value();
  const auto shared = std::make_shared<const model::Certificate>(pair.chain, pair.key);
  snapshot::Door door;
  door.certificates["file /a.crt"] = shared;
  door.certificates["secret shop/web"] = shared;
  door.certificates["file /bad.crt"] = std::make_shared<const model::Certificate>("x", "y");
  snapshot::Snapshot snapshot;
  snapshot.doors["one"] = std::make_shared<const snapshot::Door>(door);
  snapshot.doors["two"] = snapshot.doors["one"];
  Certificates certificates;
  certificates.update(snapshot);
  ASSERT_EQ(certificates.all().size(), 2u);
  EXPECT_EQ(certificates.all().at("one").size(), 2u) << "what nobody can read is not there";
  const Certificates::Known facts = certificates.all().at("one").at("file /a.crt");
  EXPECT_EQ(facts->names, names);
  EXPECT_EQ(facts, certificates.all().at("two").at("secret shop/web")) << "parsed once";

  const auto findings = certificates.findings(std::time(nullptr));
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].code, "certificate-expiring");
  EXPECT_EQ(findings[0].object.text(), "File /a.crt");
  EXPECT_EQ(findings[0].exposures, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(findings[1].object.text(), "Secret shop/web");
  certificates.update(snapshot);
  EXPECT_EQ(certificates.all().at("one").at("file /a.crt"), facts) << "and not again";
  certificates.update({});
  EXPECT_TRUE(certificates.all().empty());
}

TEST(TicketKeys, AreOfOneExposureAndRotate) {
  config::Config config;
  config.exposures.resize(3);
  for (model::Exposure& exposure : config.exposures) {
    exposure.listeners[0].tls.mode = model::TlsMode::self_signed;
  }
  config.exposures[2].listeners[0].tls.mode = model::TlsMode::off;
  const std::string a = config.exposures[0].name;
  const std::string b = config.exposures[1].name;
  TicketKeys keys;
  rt::Instant now{};
  EXPECT_TRUE(keys.refresh(config, now));
  const auto first = keys.all();
  ASSERT_EQ(first.size(), 2u) << "who ends no TLS needs none";
  ASSERT_EQ(first.at(a).size(), 1u);
  EXPECT_EQ(first.at(a)[0].size(), model::kTicketKeyBytes);
  EXPECT_NE(first.at(a), first.at(b));
  EXPECT_FALSE(keys.refresh(config, now + model::kTicketKeyRotation - 1ms));
  EXPECT_EQ(keys.all(), first);

  now += model::kTicketKeyRotation;
  EXPECT_TRUE(keys.refresh(config, now));
  ASSERT_EQ(keys.all().at(a).size(), 2u);
  EXPECT_EQ(keys.all().at(a)[1], first.at(a)[0]) << "the old one still decrypts";
  for (int i = 0; i < 3; ++i) {
    now += model::kTicketKeyRotation;
    EXPECT_TRUE(keys.refresh(config, now));
  }
  EXPECT_EQ(keys.all().at(a).size(), model::kTicketKeysMax);

  config.exposures[1].listeners[0].tls.mode = model::TlsMode::off;
  EXPECT_TRUE(keys.refresh(config, now));
  EXPECT_EQ(keys.all().count(b), 0u);
}

}  // namespace
}  // namespace bd::control
