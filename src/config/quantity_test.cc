#include "config/quantity.h"

namespace bd::config {
namespace {

TEST(Quantity, ReadsDurationsWithAUnitOnly) {
  struct Case {
    std::string_view text;
    std::optional<std::int64_t> want;
  };
  constexpr Case cases[] = {
      {"500ms", 500},
      {"10s", 10'000},
      {"5m", 300'000},
      {"1h", 3'600'000},
      {"0s", 0},
      {"10", std::nullopt},
      {"", std::nullopt},
      {"s", std::nullopt},
      {"-1s", std::nullopt},
      {"+1s", std::nullopt},
      {"1.5s", std::nullopt},
      {"10 s", std::nullopt},
      {"10S", std::nullopt},
      {"1m30s", std::nullopt},
      {"1d", std::nullopt},
      {"9223372036854775807ms", 9223372036854775807},
      {"9223372036854775808ms", std::nullopt},
      {"9223372036854775807s", std::nullopt},
      {"99999999999999999999s", std::nullopt},
  };
  for (const Case& c : cases) {
    const auto got = parse_duration(c.text);
    EXPECT_EQ(got ? std::optional(got->count()) : std::nullopt, c.want) << c.text;
  }
}

TEST(Quantity, ReadsSizesInPowersOf1024) {
  struct Case {
    std::string_view text;
    std::optional<std::uint64_t> want;
  };
  constexpr Case cases[] = {
      {"0", 0},
      {"512", 512},
      {"512B", 512},
      {"16KiB", 16384},
      {"1MiB", 1048576},
      {"2GiB", 2147483648},
      {"16KB", std::nullopt},
      {"16k", std::nullopt},
      {"16kib", std::nullopt},
      {"KiB", std::nullopt},
      {"-1", std::nullopt},
      {"", std::nullopt},
      {"9007199254740992KiB", std::nullopt},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_bytes(c.text), c.want) << c.text;
}

TEST(Quantity, WritesTheShortestTextThatReadsAsTheSame) {
  EXPECT_EQ(duration_text(std::chrono::milliseconds(0)), "0ms");
  EXPECT_EQ(duration_text(std::chrono::milliseconds(1500)), "1500ms");
  EXPECT_EQ(duration_text(std::chrono::milliseconds(90'000)), "90s");
  EXPECT_EQ(duration_text(std::chrono::milliseconds(86'400'000)), "24h");
  EXPECT_EQ(bytes_text(0), "0B");
  EXPECT_EQ(bytes_text(1500), "1500B");
  EXPECT_EQ(bytes_text(16384), "16KiB");
  for (const std::uint64_t amount : {0ull, 1ull, 1023ull, 1024ull, 1048576ull, 3221225472ull}) {
    EXPECT_EQ(parse_bytes(bytes_text(amount)), amount);
    const std::chrono::milliseconds duration(static_cast<std::int64_t>(amount));
    EXPECT_EQ(parse_duration(duration_text(duration)), duration);
  }
}

}  // namespace
}  // namespace bd::config
