#pragma once
// The client's side of one exchange: one HTTP/1 message of a connection, or one HTTP/2 stream.

#include <memory>
#include <optional>
#include <string>

#include "decide/decide.h"
#include "decide/rewrite.h"
#include "http1/head.h"
#include "proxy/respond.h"
#include "proxy/session.h"
#include "proxy/sink.h"
#include "proxy/source.h"
#include "proxy/worker.h"
#include "rt/reactor.h"
#include "rt/task.h"

namespace bd::proxy {

/// What becomes of the client's connection, or stream.
enum class Outcome : std::uint8_t { keep, linger, close, reset };

/// A request head, whatever the protocol. Views end with release_head().
struct RequestHead {
  http::Method method = http::Method::other;
  std::string_view method_text;
  std::string_view target;
  std::string_view host;
  const http::Fields* fields = nullptr;
  decide::BodyFraming body;  ///< As it came: none, a length, or to be seen.
  bool has_content_length = false;
  bool expect_continue = false;
  bool grpc = false;
  bool wants_websocket = false;  ///< A valid opening handshake (RFC 6455 §4.2.1, RFC 8441 §5).
};

class Client {
 public:
  Client(Session& session, rt::Waiter& wakes)
      : worker(session.worker),
        listener(session.listener()),
        peer(session.peer),
        tls(session.client.tls()),
        waiter(wakes),
        connection_(session.client) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] virtual const RequestHead& head() const = 0;
  /// The views of the head end here; the body may be read from here on.
  virtual void release_head() = 0;
  [[nodiscard]] virtual Source& body() = 0;
  /// 100 to 199, as far as the client knows it and takes it.
  virtual void interim(const decide::ResponseRewrite& response) = 0;
  /// Starts the final response. `ended`: the request was read to its end. The head goes out with
  /// the first bytes of the body.
  [[nodiscard]] virtual Sink& respond(const decide::ResponseRewrite& response, bool ended) = 0;
  /// The response that was begun agreed to a WebSocket: body() and its sink are a tunnel.
  virtual void begin_tunnel() = 0;
  /// The whole of a response of our own.
  virtual rt::Task<Outcome> answer(OwnAnswer own) = 0;
  /// After the response's end: may there be another request?
  [[nodiscard]] virtual Outcome finish(bool request_ended) const = 0;
  /// Nobody is there to take an answer.
  [[nodiscard]] virtual bool is_gone() = 0;
  /// The client takes bytes now: if not, the wait is its fault.
  [[nodiscard]] virtual bool takes_bytes() = 0;
  /// Where the client's connection came to.
  [[nodiscard]] SocketAddress local() const { return net::local_address(connection_.fd()); }

  Worker& worker;
  std::shared_ptr<const decide::Listener> listener;  ///< Pinned until the response's head.
  const SocketAddress peer;
  const tls::Session* tls;  ///< Null: plain.
  rt::Waiter& waiter;

 protected:
  ~Client() = default;

 private:
  net::Stream& connection_;
};

}  // namespace bd::proxy
