#include "model/exposure.h"

#include <gtest/gtest.h>

namespace bd::model {
namespace {

TEST(DefaultExposures, AreTheFourDoors) {
  struct Case {
    const char* name;
    Side side;
    Scheme scheme;
    std::uint16_t port, public_port;
  };
  constexpr Case cases[] = {
      {"internal-http", Side::internal, Scheme::http, 10000, 80},
      {"internal-httpsecure", Side::internal, Scheme::https, 10001, 443},
      {"external-http", Side::external, Scheme::http, 10002, 80},
      {"external-httpsecure", Side::external, Scheme::https, 10003, 443},
  };
  const std::vector<Exposure> got = default_exposures();
  ASSERT_EQ(got.size(), std::size(cases));
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Case& want = cases[i];
    SCOPED_TRACE(want.name);
    EXPECT_EQ(got[i].name, want.name);
    EXPECT_EQ(got[i].side, want.side);
    ASSERT_EQ(got[i].listeners.size(), 1u);
    const Listener& listener = got[i].listeners.front();
    EXPECT_EQ(listener.bind.text(), fmt::format("0.0.0.0:{}", want.port));
    EXPECT_EQ(listener.public_scheme, want.scheme);
    EXPECT_EQ(listener.public_port, want.public_port);
    EXPECT_EQ(got[i].selector.text(), fmt::format("expose={}", want.name));
  }
}

TEST(DefaultExposures, TrustNobodyAndKeepTheOutsideNarrow) {
  for (const Exposure& exposure : default_exposures()) {
    SCOPED_TRACE(exposure.name);
    const bool external = exposure.side == Side::external;
    EXPECT_EQ(exposure.allow, external ? Allow{} : (Allow{true, true, true}));
    EXPECT_FALSE(exposure.any_class);
    EXPECT_TRUE(exposure.listeners.front().trusted_peers.empty());
    EXPECT_EQ(exposure.hosts, external ? HostOwnership::owned : HostOwnership::shared);
    int matched = 0;
    for (const Exposure& other : default_exposures()) {
      matched += exposure.selector.matches({{std::string(kExposeLabel), other.name}});
    }
    EXPECT_EQ(matched, 1);
  }
}

}  // namespace
}  // namespace bd::model
