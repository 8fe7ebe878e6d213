#pragma once
// One direction of a WebSocket: what passes is followed by its frames.

#include "proxy/source.h"
#include "websocket/frame_tracker.h"

namespace bd::proxy {

class TunnelSource final : public Source {
 public:
  explicit TunnelSource(Source& source) : source_(source) {}

  [[nodiscard]] Run next() override {
    run_ = source_.next();
    state_ = source_.state();
    received_ = source_.received();
    return run_;
  }
  void consume(std::size_t n) override {
    frames_.feed(run_.data.substr(0, n));
    source_.consume(n);
  }
  [[nodiscard]] bool finished() const noexcept override { return source_.finished(); }
  [[nodiscard]] const http::Fields* trailers() override { return nullptr; }

  [[nodiscard]] const websocket::FrameTracker& frames() const noexcept { return frames_; }

 private:
  Source& source_;
  Run run_;
  websocket::FrameTracker frames_;
};

}  // namespace bd::proxy
