#pragma once
// What the connection remembers of one stream.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bd::http2 {

/// Bytes that wait for the peer's window. The memory goes when it is drained: a stream that is idle
/// for hours holds none.
class Outbound {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - sent_; }
  void append(std::string_view data) {
    if (sent_ > bytes_.size() / 2) {
      bytes_.erase(0, sent_);
      sent_ = 0;
    }
    bytes_.append(data);
  }
  /// Moves the first `n` bytes to the end of `out`.
  void move_to(std::string& out, std::size_t n) {
    out.append(bytes_, sent_, n);
    sent_ += n;
    if (sent_ == bytes_.size()) clear();
  }
  void clear() {
    bytes_ = std::string();
    sent_ = 0;
  }

 private:
  std::string bytes_;
  std::size_t sent_ = 0;
};

struct Stream {
  bool known = false;            // The handler has heard of it, and must hear of its end.
  bool final_head_seen = false;  // Client role: what comes now are trailers.
  bool head_submitted = false;
  bool head_sent = false;
  bool ended = false;     // The peer's half is complete, and the handler knows.
  bool finished = false;  // Our half is complete, once `outbound` is out.
  bool end_sent = false;
  bool deferred = false;    // nghttp2 waits for us to resume it.
  bool wants_room = false;  // write() took less than it was offered.
  bool writable_told = false;
  bool reset = false;  // By the application, or by us: the handler hears nothing more.
  bool reset_after_end = false;
  bool peer_reset = false;
  bool own_will = false;  // The application reset it before the peer was to blame.
  bool blamed = false;
  std::uint32_t reset_code = 0;
  std::size_t unconsumed = 0;  // Given by on_data, not yet by consume().
  Outbound outbound;
  std::vector<std::pair<std::string, std::string>> trailers;
};

using StreamMap = std::unordered_map<std::int32_t, Stream>;

}  // namespace bd::http2
