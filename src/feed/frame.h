#pragma once
// Messages in a stream of bytes: four bytes of length in network order, then the message.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace google::protobuf {
class MessageLite;
}

namespace bd::feed {

/// False, and nothing appended, if the message is larger than model::kFeedFrameMax.
[[nodiscard]] bool append_frame(std::string& out, const google::protobuf::MessageLite& message);

/// Cuts a stream back into messages; it holds at most one that is not complete.
class FrameReader {
 public:
  explicit FrameReader(std::size_t frame_max) : frame_max_(frame_max) {}

  void add(std::string_view bytes);
  enum class Status : std::uint8_t { frame, more, too_large };
  /// The next message in `out`, valid until add() or clear().
  [[nodiscard]] Status next(std::string_view& out);
  void clear();

 private:
  std::size_t frame_max_;
  std::string buffer_;
  std::size_t start_ = 0;
};

}  // namespace bd::feed
