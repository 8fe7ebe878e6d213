#pragma once
// What the caller decides about one HTTP/2 connection.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bd::http2 {

using TimePoint = std::chrono::steady_clock::time_point;

enum class Role : std::uint8_t { server, client };

/// Bounds of one connection; the caller fills them from model::Limits.
struct Options {
  std::uint32_t streams_max = 100;         ///< Concurrent, that the peer may open.
  std::size_t head_max = 64 << 10;         ///< One field section, counted as RFC 9113 §6.5.2 does.
  std::uint32_t fields_max = 100;          ///< Fields of one section; all cookies are one.
  std::uint32_t stream_window = 64 << 10;  ///< Bytes that a stream may send before consume().
  std::size_t outbound_max = 64 << 10;     ///< Bytes per stream that write() takes ahead.
  bool extended_connect = true;            ///< Server: SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441).
};

/// The error codes of RFC 9113 §7 that have a meaning to a caller.
inline constexpr std::uint32_t kNoError = 0;
inline constexpr std::uint32_t kProtocolError = 1;
inline constexpr std::uint32_t kInternalError = 2;
inline constexpr std::uint32_t kFlowControlError = 3;
inline constexpr std::uint32_t kStreamClosed = 5;
inline constexpr std::uint32_t kFrameSizeError = 6;
inline constexpr std::uint32_t kRefusedStream = 7;  ///< Nothing was done with it: try again.
inline constexpr std::uint32_t kCancel = 8;
inline constexpr std::uint32_t kCompressionError = 9;
inline constexpr std::uint32_t kEnhanceYourCalm = 11;

}  // namespace bd::http2
