#pragma once
// Sees every frame head of a byte stream, also those that nghttp2 drops without a word (unknown
// types, PRIORITY, frames on closed streams), because they cost us a look each and must be counted.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace bd::http2 {

/// RFC 9113 §4.1.
struct FrameHead {
  std::uint32_t length = 0;
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
};

enum class FrameType : std::uint8_t {
  data,
  headers,
  priority,
  rst_stream,
  settings,
  push_promise,
  ping,
  goaway,
  window_update,
  continuation,
};

inline constexpr std::uint8_t kEndStream = 0x1;  // DATA, HEADERS
inline constexpr std::uint8_t kAck = 0x1;        // SETTINGS, PING
inline constexpr std::uint8_t kEndHeaders = 0x4;

class FrameScanner {
 public:
  /// `preface` bytes come before the first frame.
  explicit FrameScanner(std::size_t preface) : skip_(preface) {}

  struct Step {
    std::size_t eaten = 0;
    std::optional<FrameHead> head;  ///< Ends with the last byte eaten.
  };
  /// Eats up to the end of the next frame head, or everything.
  [[nodiscard]] Step next(std::string_view bytes) noexcept;

  static constexpr std::size_t kHeadSize = 9;

 private:
  std::size_t skip_;      // Of the preface or of a payload.
  std::size_t held_ = 0;  // Bytes of a frame head.
  unsigned char head_[kHeadSize] = {};
};

}  // namespace bd::http2
