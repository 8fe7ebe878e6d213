#include "websocket/frame_tracker.h"

#include <algorithm>

#include "base/check.h"

namespace bd::websocket {
namespace {

constexpr unsigned kOpcodeBits = 0x0f;
constexpr unsigned kOpcodeClose = 0x8;
constexpr unsigned kFinal = 0x80;   // Of the first byte.
constexpr unsigned kMasked = 0x80;  // Of the second one.
constexpr unsigned kLengthBits = 0x7f;
constexpr unsigned kLength16 = 126;  // The length stands in the next two bytes,
constexpr unsigned kLength64 = 127;  // or in the next eight.
constexpr std::uint8_t kMaskSize = 4;

}  // namespace

void FrameTracker::feed(std::string_view bytes) noexcept {
  while (!bytes.empty() && !broken_) {
    if (payload_left_ > 0) {
      const std::uint64_t passed = std::min<std::uint64_t>(payload_left_, bytes.size());
      bytes.remove_prefix(passed);
      payload_left_ -= passed;
      if (payload_left_ == 0) close_seen_ = close_seen_ || is_close_;
    } else {
      feed_head(static_cast<unsigned char>(bytes.front()));
      bytes.remove_prefix(1);
    }
  }
}

void FrameTracker::feed_head(unsigned char byte) noexcept {
  if (head_bytes_ == 0) {
    is_close_ = (byte & kOpcodeBits) == kOpcodeClose;
    head_left_ = 1;
    head_bytes_ = 1;
    return;
  }
  if (head_bytes_ == 1) {
    const unsigned length = byte & kLengthBits;
    length_left_ = length == kLength64 ? 8 : length == kLength16 ? 2 : 0;
    length_ = length_left_ > 0 ? 0 : length;
    head_left_ = length_left_;
    if ((byte & kMasked) != 0) head_left_ += kMaskSize;
    head_bytes_ = 2;
  } else {
    if (length_left_ > 0) {
      // The first of eight bytes: its top bit must be 0 (§5.2).
      if (length_left_ == 8 && byte > 0x7f) broken_ = true;
      length_ = length_ << 8 | byte;
      --length_left_;
    }
    --head_left_;
  }
  if (head_left_ == 0) end_head();
}

void FrameTracker::end_head() noexcept {
  head_bytes_ = 0;
  payload_left_ = length_;
  if (payload_left_ == 0) close_seen_ = close_seen_ || is_close_;
}

std::string close_frame(std::uint16_t code, bool masked, std::uint32_t mask_key) {
  BD_ASSERT(code >= 1000 && code < 5000 && code != 1005 && code != 1006 && code != 1015);
  std::string out;
  const auto append = [&out](unsigned byte) { out.push_back(static_cast<char>(byte & 0xff)); };
  append(kFinal | kOpcodeClose);
  append((masked ? kMasked : 0U) | 2);
  if (masked) {
    for (const int shift : {24, 16, 8, 0}) append(mask_key >> shift);
  }
  const std::uint32_t mask = masked ? mask_key : 0;
  append((code >> 8) ^ (mask >> 24));
  append((code & 0xffU) ^ (mask >> 16));
  return out;
}

}  // namespace bd::websocket
