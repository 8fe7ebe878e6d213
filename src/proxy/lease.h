#pragma once
// The endpoint's side of one exchange: a borrowed connection, or a stream of a shared one.

#include "decide/rewrite.h"
#include "http/field.h"
#include "proxy/sink.h"
#include "proxy/source.h"

namespace bd::proxy {

/// A response head, whatever the protocol. Views end with the next read_head() or release().
struct ResponseHead {
  int status = 0;
  std::string_view reason;
  const http::Fields* fields = nullptr;
  decide::BodyFraming body;  ///< None, a length, or to be seen (chunked).
  bool reusable = false;     ///< The connection persists after it.
};

class Lease {
 public:
  enum class Event : std::uint8_t {
    nothing,  ///< Wait.
    head,     ///< head() is complete; it may be an interim one.
    lost,     ///< The connection, or the stream, ended before it.
    malformed,
    too_large,
  };
  Lease() = default;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  [[nodiscard]] virtual Sink& request() = 0;
  [[nodiscard]] virtual Event read_head(bool& moved) = 0;
  [[nodiscard]] virtual const ResponseHead& head() const = 0;
  /// The final head was read, and was looked at for the last time: its views end here.
  [[nodiscard]] virtual Source& response() = 0;
  /// The head agreed to a WebSocket: request() and response() are a tunnel. Its views end here.
  virtual void begin_tunnel() = 0;
  /// Both messages ended in good order: the connection may serve others.
  virtual void release(rt::Duration idle_max) = 0;
  /// It was lost. `unprocessed`: the endpoint surely did nothing for this request. `unheard`: the
  /// request may have been processed; nothing came back.
  enum class Loss : std::uint8_t { unprocessed, unheard, answered };
  [[nodiscard]] virtual Loss loss() const = 0;
  /// It was lost with a connection that had served others, which says nothing about the endpoint.
  [[nodiscard]] virtual bool was_pooled() const = 0;
  /// The endpoint takes bytes now: if not, the wait is its fault.
  [[nodiscard]] virtual bool takes_bytes() = 0;

 protected:
  ~Lease() = default;
};

}  // namespace bd::proxy
