#include "feed/frame.h"

#include <google/protobuf/message_lite.h>

#include "model/limits.h"

namespace bd::feed {
namespace {

constexpr std::size_t kLengthBytes = 4;

}  // namespace

bool append_frame(std::string& out, const google::protobuf::MessageLite& message) {
  const std::size_t length = message.ByteSizeLong();
  if (length > model::kFeedFrameMax) return false;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((length >> shift) & 0xff));
  }
  return message.AppendToString(&out);
}

void FrameReader::add(std::string_view bytes) {
  buffer_.erase(0, start_);
  start_ = 0;
  // A replay may have made it large; an idle feed should not keep that.
  if (buffer_.empty()) buffer_.shrink_to_fit();
  buffer_.append(bytes);
}

FrameReader::Status FrameReader::next(std::string_view& out) {
  const std::string_view rest = std::string_view(buffer_).substr(start_);
  if (rest.size() < kLengthBytes) return Status::more;
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length = length << 8 | static_cast<unsigned char>(rest[i]);
  }
  if (length > frame_max_) return Status::too_large;
  if (rest.size() - kLengthBytes < length) return Status::more;
  out = rest.substr(kLengthBytes, length);
  start_ += kLengthBytes + length;
  return Status::frame;
}

void FrameReader::clear() {
  buffer_.clear();
  start_ = 0;
}

}  // namespace bd::feed
