#pragma once
// The two halves of an HTTP/2 stream as a Source and a Sink.

#include "mux/connection.h"
#include "proxy/sink.h"
#include "proxy/source.h"

namespace bd::proxy {

class H2Source final : public Source {
 public:
  explicit H2Source(mux::Stream& stream) : stream_(stream) {}
  /// `body_max` 0: no limit.
  void start(std::uint64_t body_max) { body_max_ = body_max; }

  [[nodiscard]] Run next() override;
  void consume(std::size_t n) override { stream_.consume(n); }
  [[nodiscard]] bool finished() const noexcept override {
    return stream_.ended() && stream_.inbound().empty();
  }
  [[nodiscard]] const http::Fields* trailers() override {
    return stream_.trailers ? &stream_.trailers->fields : nullptr;
  }

 private:
  mux::Stream& stream_;
  std::uint64_t body_max_ = 0;
};

class H2Sink final : public Sink {
 public:
  explicit H2Sink(mux::Stream& stream) : stream_(stream) {}
  /// The head was submitted; `bytes` of it count as sent. `ended`: with END_STREAM.
  void start(std::size_t bytes, bool ended) {
    sent_ = bytes;
    if (ended) state_ = State::done;
  }

  [[nodiscard]] std::size_t put(std::string_view data, bool last,
                                const http::Fields* trailers) override;
  void flush() override {
    if (state_ == State::open && stream_.closed()) state_ = State::failed;
  }

 private:
  mux::Stream& stream_;
};

}  // namespace bd::proxy
