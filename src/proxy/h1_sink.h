#pragma once
// An HTTP/1 message on its way out: head, chunk line, data and what follows it in one system call
// where that is possible.

#include <array>
#include <string>

#include "net/pipe.h"
#include "proxy/sink.h"

namespace bd::proxy {

class H1Sink final : public Sink {
 public:
  enum class Framing : std::uint8_t { none, raw, chunked };

  H1Sink(net::Stream& stream, net::PipePool& pipes) : stream_(stream), pipes_(pipes) {}
  H1Sink(const H1Sink&) = delete;
  H1Sink& operator=(const H1Sink&) = delete;
  ~H1Sink();

  /// `head` stays where it is until the message is done. Trailers are dropped unless the peer
  /// takes them.
  void start(std::string_view head, Framing framing, bool takes_trailers = false) {
    head_ = head;
    framing_ = framing;
    takes_trailers_ = takes_trailers;
    ended_ = false;
    if (state_ == State::done) state_ = State::open;
  }

  [[nodiscard]] std::size_t put(std::string_view data, bool last,
                                const http::Fields* trailers) override;
  [[nodiscard]] net::Pipe* pipe() override;
  /// Bytes of a pipe that the peer did not take yet.
  [[nodiscard]] std::size_t held() const noexcept { return pipe_ ? pipe_->size() : 0; }
  void flush() override;
  void half_close() override { stream_.shutdown_write(); }

 private:
  void open_chunk(std::size_t size);
  [[nodiscard]] std::string_view behind(bool chunk_ends, bool message_ends,
                                        const http::Fields* trailers);
  std::size_t write(std::string_view data, std::string_view tail);
  void empty_pipe();
  [[nodiscard]] bool is_queue_empty() const noexcept {
    return pipe_ == nullptr && head_.empty() && line_left().empty() && tail_.empty();
  }
  [[nodiscard]] std::string_view line_left() const noexcept {
    return {line_.data() + line_sent_, line_size_ - line_sent_};
  }

  net::Stream& stream_;
  net::PipePool& pipes_;
  Framing framing_ = Framing::none;
  bool takes_trailers_ = false;
  bool ended_ = false;  // The end of the message stands in the queue, or was sent.
  std::size_t chunk_left_ = 0;
  std::unique_ptr<net::Pipe> pipe_;  // Nothing else is queued then.
  // The queue, in this order; data stands between line and tail.
  std::string_view head_;
  std::array<char, 24> line_{};
  std::size_t line_size_ = 0, line_sent_ = 0;
  std::string_view tail_;
  std::string trailers_;  // What tail_ views, if there are any.
};

}  // namespace bd::proxy
