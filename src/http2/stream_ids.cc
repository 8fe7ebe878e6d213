#include "http2/stream_ids.h"

#include <algorithm>

namespace bd::http2 {

StreamIds::Verdict StreamIds::receive(const FrameHead& frame) noexcept {
  const auto type = static_cast<FrameType>(frame.type);
  const bool carries = type == FrameType::data || type == FrameType::headers;
  if ((!carries && type != FrameType::rst_stream) || frame.stream == 0) return Verdict::fine;
  std::uint32_t& slot = ended_[(frame.stream >> 1) % kRemembered];
  if (carries && slot == frame.stream) return Verdict::closed;
  if (type == FrameType::headers && peer_opens_) {
    if (was_skipped(frame.stream)) return Verdict::skipped;
    open(frame.stream);
  }
  if (!carries || (frame.flags & kEndStream) != 0) slot = frame.stream;
  return Verdict::fine;
}

bool StreamIds::was_skipped(std::uint32_t id) const noexcept {
  return std::any_of(gaps_.begin(), gaps_.begin() + static_cast<std::ptrdiff_t>(gap_count_),
                     [id](const auto& gap) { return id >= gap.first && id <= gap.second; });
}

void StreamIds::open(std::uint32_t id) noexcept {
  if (id <= highest_ || id % 2 == 0) return;  // Trailers, or what a server pushes.
  const std::uint32_t next = highest_ == 0 ? 1 : highest_ + 2;
  if (id > next && gap_count_ < kGaps) gaps_[gap_count_++] = {next, id - 1};
  highest_ = id;
}

}  // namespace bd::http2
