#pragma once
// Amounts with their units, as people write them in a configuration.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bd::config {

/// `500ms`, `10s`, `5m`, `1h`. A number without a unit is refused: it could be meant as any of
/// them.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// `512`, `512B`, `16KiB`, `1MiB`, `2GiB`. `KB` and `k` are refused: they mean 1000 to some
/// readers.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// The shortest text that the parsers above read as the same amount.
[[nodiscard]] std::string duration_text(std::chrono::milliseconds amount);
[[nodiscard]] std::string bytes_text(std::uint64_t amount);

}  // namespace bd::config
