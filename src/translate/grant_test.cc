#include "translate/grant.h"

#include <gtest/gtest.h>

namespace bd::translate {
namespace {

TEST(Grant, NeedsTheExposuresWordForAllButExactHosts) {
  constexpr struct {
    Asks asks;
    const char* code;
  } cases[] = {{Asks::exact_host, ""},
               {Asks::wildcard, "wildcard-not-allowed"},
               {Asks::empty_host, "empty-host-not-allowed"},
               {Asks::default_backend, "default-backend-not-allowed"}};
  for (const auto& c : cases) {
    for (int bits = 0; bits < 8; ++bits) {
      const model::Allow allow{.wildcard = (bits & 1) != 0,
                               .empty_host = (bits & 2) != 0,
                               .default_backend = (bits & 4) != 0};
      const bool allowed =
          c.asks == Asks::exact_host || (bits & (1 << (static_cast<int>(c.asks) - 1))) != 0;
      const auto denial = grant(c.asks, allow);
      EXPECT_EQ(!denial, allowed) << c.code << " with " << bits;
      if (denial) EXPECT_EQ(denial->code, c.code);
    }
  }
}

TEST(Grant, TakesADefaultBackendForWhatItIsWhereverItStands) {
  const auto host = [](const char* text) { return model::HostPattern::parse(text).value(); };
  EXPECT_EQ(asks(host("a.example.com"), false), Asks::exact_host);
  EXPECT_EQ(asks(host("*.example.com"), false), Asks::wildcard);
  EXPECT_EQ(asks(host(""), false), Asks::empty_host);
  EXPECT_EQ(asks(host(""), true), Asks::default_backend);
}

}  // namespace
}  // namespace bd::translate
