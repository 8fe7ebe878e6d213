#pragma once
// Which streams the peer has ended, or left out, as far back as matters. nghttp2 is told to forget
// closed streams, for each would cost hundreds of bytes; what then looks like a late frame may be a
// violation, and only the ids tell.

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "http2/frame_scanner.h"

namespace bd::http2 {

class StreamIds {
 public:
  /// `peer_opens`: the peer is the client. A server answers in any order.
  explicit StreamIds(bool peer_opens) noexcept : peer_opens_(peer_opens) {}

  enum class Verdict : std::uint8_t {
    fine,
    closed,   ///< After END_STREAM or RST_STREAM of the peer (RFC 9113 §5.1).
    skipped,  ///< An id below the highest that was never used (§5.1.1).
  };

  /// Judges a frame by its id, and remembers what it says.
  [[nodiscard]] Verdict receive(const FrameHead& frame) noexcept;

 private:
  [[nodiscard]] bool was_skipped(std::uint32_t id) const noexcept;
  void open(std::uint32_t id) noexcept;

  bool peer_opens_;
  static constexpr std::size_t kRemembered = 64;  // A violation that comes later is ignored.
  std::array<std::uint32_t, kRemembered> ended_{};
  static constexpr std::size_t kGaps = 8;  // Clients use all ids in turn.
  std::array<std::pair<std::uint32_t, std::uint32_t>, kGaps> gaps_{};
  std::size_t gap_count_ = 0;
  std::uint32_t highest_ = 0;  // That the peer opened.
};

}  // namespace bd::http2
