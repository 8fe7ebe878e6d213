#pragma once
// Where a message goes to: a head that is ready, then the body as it comes, framed for the
// protocol.

#include <cstdint>
#include <string_view>

#include "http/field.h"
#include "net/pipe.h"

namespace bd::proxy {

class Sink {
 public:
  enum class State : std::uint8_t {
    open,
    done,    ///< The whole message was handed to the kernel, or to the connection.
    failed,  ///< The peer takes no more.
  };

  /// Offers the next bytes of the body; returns how many were taken. `last`: nothing follows
  /// `data`; repeat the call with what was left, until done. What is queued goes out first.
  [[nodiscard]] virtual std::size_t put(std::string_view data, bool last,
                                        const http::Fields* trailers) = 0;
  /// A pipe that it empties with flush(), for bytes of the body that need no framing: those that
  /// come next go there instead of to put(). Not empty: wait. Null: put() is the way.
  [[nodiscard]] virtual net::Pipe* pipe() { return nullptr; }
  /// Sends what is queued, as far as that goes.
  virtual void flush() = 0;
  /// After the end of a tunnel's direction: the peer is told that nothing follows.
  virtual void half_close() {}

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }  ///< Bytes, head included.

 protected:
  ~Sink() = default;
  State state_ = State::open;
  std::uint64_t sent_ = 0;
};

}  // namespace bd::proxy
