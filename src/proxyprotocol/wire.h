#pragma once
// The constants of version 2 that its reader and its writer share (§2.2).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bd::proxyprotocol {

inline constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
inline constexpr std::size_t kV2FixedSize = 16;

inline constexpr std::uint8_t kVersionLocal = 0x20;  // Version 2 in the upper half.
inline constexpr std::uint8_t kVersionProxy = 0x21;

inline constexpr std::uint8_t kUnspecified = 0x00;  // Family in the upper half, protocol below.
inline constexpr std::uint8_t kTcp4 = 0x11;
inline constexpr std::uint8_t kTcp6 = 0x21;
inline constexpr std::uint8_t kUnixStream = 0x31;

/// The checksum of §2.2.3 (RFC 3720 §B.4), without a table: it is rare, and over 2 KiB at most.
/// The four bytes at `zeroed`, its own, count as 0; past the end: none do.
[[nodiscard]] constexpr std::uint32_t crc32c(std::string_view bytes, std::size_t zeroed) noexcept {
  constexpr std::uint32_t polynomial = 0x82f63b78;  // Castagnoli's, lowest bit first.
  std::uint32_t crc = 0xffffffff;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool is_zeroed = i >= zeroed && i - zeroed < 4;
    crc ^= is_zeroed ? 0U : static_cast<unsigned char>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0U);
  }
  return ~crc;
}
static_assert(crc32c("123456789", 9) == 0xe3069283);

}  // namespace bd::proxyprotocol
