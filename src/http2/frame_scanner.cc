#include "http2/frame_scanner.h"

#include <algorithm>
#include <cstring>

namespace bd::http2 {

FrameScanner::Step FrameScanner::next(std::string_view bytes) noexcept {
  const std::size_t skipped = std::min(skip_, bytes.size());
  skip_ -= skipped;
  const std::size_t taken = std::min(kHeadSize - held_, bytes.size() - skipped);
  if (taken > 0) std::memcpy(head_ + held_, bytes.data() + skipped, taken);
  held_ += taken;
  Step step{skipped + taken, std::nullopt};
  if (held_ < kHeadSize) return step;
  held_ = 0;
  const auto byte = [this](std::size_t i) { return std::uint32_t{head_[i]}; };
  step.head = FrameHead{
      .length = byte(0) << 16 | byte(1) << 8 | byte(2),
      .type = head_[3],
      .flags = head_[4],
      .stream = (byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8)) & 0x7fff'ffffU,
  };
  skip_ = step.head->length;
  return step;
}

}  // namespace bd::http2
