#include "upstream/affinity.h"

#include <map>

namespace bd::upstream {
namespace {

using model::Balance;
using model::BalancePolicy;
using model::HashKey;

const IpAddress kClient = IpAddress::v4({192, 0, 2, 1});

TEST(Affinity, ReadsBackTheCookieThatItSet) {
  const Balance balance{.sticky_cookie = "sid"};
  for (const std::uint64_t identity : {std::uint64_t{0}, std::uint64_t{0xfedcba9876543210}}) {
    const std::string set = sticky_cookie(balance, identity, true);
    EXPECT_TRUE(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure")) << set;
    EXPECT_FALSE(sticky_cookie(balance, identity, false).ends_with("Secure"));
    const std::string pair = "a=b; " + set.substr(0, set.find(';'));
    EXPECT_EQ(affinity(balance, {{"Cookie", pair}}, kClient).identity, identity);
    EXPECT_FALSE(affinity({}, {{"Cookie", pair}}, kClient).identity) << "nobody asked for it";
  }
}

TEST(Affinity, AForeignCookieNamesNobody) {
  const Balance balance{.sticky_cookie = "sid"};
  for (const char* value : {"", "0", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg",
                            "-123456789abcdef", " 123456789abcdef"}) {
    const std::string pair = std::string("sid=") + value;
    EXPECT_FALSE(affinity(balance, {{"Cookie", pair}}, kClient).identity) << value;
  }
}

TEST(Affinity, HashesTheKeyOfTheRequest) {
  const http::Fields one = {{"X-User", "1"}, {"Cookie", "u=1"}};
  const http::Fields two = {{"x-user", "2"}, {"Cookie", "u=2"}};
  const IpAddress other = IpAddress::v4({192, 0, 2, 2});
  const Balance by_header{BalancePolicy::hash, HashKey::header, "x-user", ""};
  const Balance by_cookie{BalancePolicy::hash, HashKey::cookie, "u", ""};
  const Balance by_client{BalancePolicy::hash, HashKey::client_address, "", ""};
  for (const Balance& balance : {by_header, by_cookie}) {
    EXPECT_EQ(affinity(balance, one, kClient).hash, affinity(balance, one, other).hash);
    EXPECT_NE(affinity(balance, one, kClient).hash, affinity(balance, two, kClient).hash);
    EXPECT_FALSE(affinity(balance, {}, kClient).hash);
  }
  EXPECT_EQ(affinity(by_client, one, kClient).hash, affinity(by_client, two, kClient).hash);
  EXPECT_NE(affinity(by_client, one, kClient).hash, affinity(by_client, one, other).hash);
  EXPECT_FALSE(affinity({}, one, kClient).hash) << "another policy";
}

TEST(Desire, SharesKeysByWeightAndMovesOnlyWhatItMust) {
  constexpr std::uint64_t kKeys = 20'000;
  const std::map<std::uint64_t, std::uint32_t> endpoints = {{11, 1}, {22, 1}, {33, 2}, {44, 4}};
  const auto winner = [&](std::uint64_t key, std::uint64_t without) {
    std::uint64_t best = 0;
    double most = 0;
    for (const auto& [identity, weight] : endpoints) {
      const double wish = desire(key * 0x9e3779b97f4a7c15, identity, weight);
      if (identity == without || wish <= most) continue;
      most = wish;
      best = identity;
    }
    return best;
  };
  std::map<std::uint64_t, double> got;
  for (std::uint64_t key = 1; key <= kKeys; ++key) {
    const std::uint64_t home = winner(key, 0);
    ++got[home];
    if (home != 33) ASSERT_EQ(winner(key, 33), home) << "33 is not its endpoint";
  }
  for (const auto& [identity, weight] : endpoints) {
    const double fair = kKeys / 8.0 * weight;
    EXPECT_NEAR(got[identity], fair, fair / 10) << identity;
  }
}

}  // namespace
}  // namespace bd::upstream
