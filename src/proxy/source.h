#pragma once
// Where the body of a message comes from: decoded bytes as they arrive, whatever the protocol.

#include <cstdint>
#include <string_view>

#include "http/field.h"
#include "net/pipe.h"

namespace bd::proxy {

/// A piece of a body.
struct Run {
  std::string_view data;  ///< Valid until consume() or the next next().
  bool last = false;      ///< Nothing follows `data`.
};

class Source {
 public:
  enum class State : std::uint8_t {
    open,
    ended,        ///< The peer finished, or aborted, before the body's end.
    error,        ///< The connection broke.
    bad_framing,  ///< The body's coding is broken.
    too_large,    ///< More body than allowed.
  };

  /// What is here now; reads the connection, once, if nothing is. No data and not last: wait, or
  /// look at state().
  [[nodiscard]] virtual Run next() = 0;
  /// `n` bytes of the run's data were passed on.
  virtual void consume(std::size_t n) = 0;
  /// All of the body was consumed: what the peer sends next belongs to another message.
  [[nodiscard]] virtual bool finished() const noexcept = 0;
  /// The trailers, after the last run; null if there are none.
  [[nodiscard]] virtual const http::Fields* trailers() = 0;
  /// What comes next is a large piece of the body, as it is, and stands in a plain socket only:
  /// fill() may take it instead of next().
  [[nodiscard]] virtual bool is_bulk() const noexcept { return false; }
  /// Moves what is here now to an empty pipe, once, if is_bulk(). Nothing: wait, or look at
  /// state().
  virtual void fill(net::Pipe& /*pipe*/) {}

  [[nodiscard]] State state() const noexcept { return state_; }
  /// Bytes that came from the peer for this body, as far as they were seen here.
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }

 protected:
  ~Source() = default;
  State state_ = State::open;
  std::uint64_t received_ = 0;
};

}  // namespace bd::proxy
