#pragma once
// Follows one direction of a tunnel by the lengths of its frames (RFC 6455 §5.2), so that a door
// that drains can say goodbye between two of them.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace bd::websocket {

/// Sees every byte that is forwarded and changes none. Opcodes, reserved bits, masks and lengths
/// that are longer than they need be are for the two ends to judge. Constant memory; the time of
/// feed() grows with the number of frames, not with their size.
class FrameTracker {
 public:
  void feed(std::string_view bytes) noexcept;

  /// Nothing of a frame is under way: a control frame may be put in here, also between the
  /// fragments of a message (§5.4).
  [[nodiscard]] bool at_boundary() const noexcept { return bytes_to_boundary() == 0; }
  /// A length above 2^63-1: there is no such frame, so where the next one begins is unknown, for
  /// good.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  /// A close frame has passed completely. This direction is not to carry another frame (§5.5.1).
  [[nodiscard]] bool close_seen() const noexcept { return close_seen_; }
  /// Boundaries are at least so many bytes away: who forwards no more than that passes none. Exact
  /// once a frame's head has passed; 0 at a boundary; the largest number when broken.
  [[nodiscard]] std::uint64_t bytes_to_boundary() const noexcept {
    return broken_ ? std::numeric_limits<std::uint64_t>::max() : head_left_ + payload_left_;
  }

 private:
  void feed_head(unsigned char byte) noexcept;
  void end_head() noexcept;

  std::uint64_t payload_left_ = 0;  // Of the frame under way, once its head has passed.
  std::uint64_t length_ = 0;        // Of its payload, as far as it was read.
  std::uint8_t head_bytes_ = 0;     // Bytes of its head that have passed.
  std::uint8_t head_left_ = 0;      // Bytes of its head to come, as far as that is known.
  std::uint8_t length_left_ = 0;    // Those of them that carry the length.
  bool is_close_ = false;
  bool close_seen_ = false;
  bool broken_ = false;
};

/// A close frame with a status code (§5.5.1) and no text. Towards the server a frame is masked
/// (§5.3), with a key that nobody could foresee; towards the client it is not. The code is one that
/// may be sent: not 1005, 1006 or 1015 (§7.4.1).
[[nodiscard]] std::string close_frame(std::uint16_t code, bool masked, std::uint32_t mask_key);

/// §7.4.1: the door goes away, and the client is to come back elsewhere.
inline constexpr std::uint16_t kGoingAway = 1001;

}  // namespace bd::websocket
