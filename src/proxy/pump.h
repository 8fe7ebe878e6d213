#pragma once
// Moves one message from a connection to another: a head that is ready, then the body as it comes,
// reframed, in bounded memory. step() does what can be done now; the caller waits.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http1/chunked.h"
#include "http1/head.h"
#include "net/stream.h"
#include "proxy/buffer.h"

namespace bd::proxy {

class Pump {
 public:
  enum class Out : std::uint8_t { none, raw, chunked };
  enum class State : std::uint8_t {
    moving,  ///< Not done; step() moved something or waits for an event.
    done,
    source_ended,  ///< The source closed before the body's end.
    source_error,
    sink_error,
    bad_framing,  ///< The body's chunked coding is broken.
    too_large,    ///< More body than allowed.
  };

  Pump(net::Stream& source, Buffer& buffer, Party source_party)
      : source_(source), buffer_(buffer), source_party_(source_party) {}

  /// `head` is sent first, together with the first bytes of the body if they are there.
  void start(std::string head, http1::Framing body, Out out, std::uint64_t body_max = 0);
  /// True if a call moved bytes or ended the message. It stops after some rounds, so that no fast
  /// pair of peers keeps the thread for itself.
  bool step(net::Stream& sink);

  [[nodiscard]] State state() const noexcept { return state_; }
  /// Nothing of this message is left, neither at the source nor in the buffer: what the buffer
  /// holds belongs to the next one.
  [[nodiscard]] bool body_read() const noexcept { return decoded_ && consume_ == 0; }
  [[nodiscard]] bool sent_anything() const noexcept { return sent_ > 0; }
  [[nodiscard]] std::uint64_t sent() const noexcept {
    return sent_;
  }  ///< Bytes written to the sink.
  [[nodiscard]] std::uint64_t received() const noexcept {
    return received_;
  }  ///< Bytes read from the source here.
  [[nodiscard]] bool has_body() const noexcept {
    return framing_.kind != http1::Framing::Kind::none;
  }
  /// Goes back to before the first byte, for another sink. Only if nothing was sent, or the message
  /// has no body.
  void restart() noexcept {
    head_sent_ = 0;
    sent_ = 0;
    state_ = State::moving;
  }

 private:
  bool flush(net::Stream& sink);
  bool decode();
  bool read_more();
  void take_data(std::string_view data, std::size_t consumed);
  bool decode_chunks();
  void take_chunked_end();
  void finish_body();
  void account_written(std::size_t bytes);

  net::Stream& source_;
  Buffer& buffer_;
  Party source_party_;
  State state_ = State::moving;
  Out out_ = Out::none;
  bool decoded_ = false;      // The source has nothing more of this message.
  bool end_written_ = false;  // The last chunk stands in tail_, or none is needed.
  http1::Framing framing_;
  std::uint64_t left_ = 0;  // Of a body with a length.
  std::uint64_t body_max_ = 0;
  std::uint64_t body_seen_ = 0;
  std::optional<http1::ChunkDecoder> chunks_;

  // What is being written, in this order: head, chunk line, data, tail.
  std::string head_;
  std::size_t head_sent_ = 0;
  std::array<char, 24> line_{};
  std::size_t line_size_ = 0, line_sent_ = 0;
  std::string_view data_;  // A view into buffer_; consume_ bytes go when it is written.
  std::size_t consume_ = 0;
  std::string_view tail_;  // Static text.
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace bd::proxy
