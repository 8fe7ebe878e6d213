// The part of an Exchange that gets a lease: a pooled connection, a stream of a shared one, or a
// new connection.

#include <new>
#include <utility>

#include "proxy/connector.h"
#include "proxy/exchange.h"

namespace bd::proxy {

using decide::Cause;
using rt::Waiter;
using telemetry::Counter;
using Body = decide::BodyFraming::Kind;

rt::Task<Exchange::Attempt> Exchange::attempt() {
  try {
    rt::Task<Cause> leasing = is_h2_ ? lease_h2() : lease_h1();
    const Cause failed = co_await leasing;
    if (failed != Cause::none) {
      const bool unreached =
          failed == Cause::connect_failed || failed == Cause::upstream_tls_failed;
      co_return Attempt{unreached ? Attempt::Kind::unprocessed : Attempt::Kind::failed, failed};
    }
    const Attempt result = co_await relay();
    co_return result;
  } catch (const std::bad_alloc&) {
    count(Counter::allocation_failures);
  }
  co_return Attempt{Attempt::Kind::finished, Cause::none, Outcome::reset};
}

void Exchange::end_lease() {
  lease_ = nullptr;
  h1_lease_.reset();
  h2_lease_.reset();
}

/// A new connection, within the limits of the upstream.
rt::Task<Cause> Exchange::connect(std::unique_ptr<upstream::Connection>& out) {
  if (!upstream_->has_room_for_connection()) co_return Cause::circuit_connections;
  if (!upstream_->load().begin_pending()) co_return Cause::circuit_pending;
  const upstream::Held<&upstream::Load::end_pending> pending(upstream_->load());
  Connector connector(worker_, client_.waiter, *endpoint_, timeouts_, client_.peer,
                      client_.local());
  const Cause failed = co_await connector.connect();
  out = connector.take();
  co_return failed;
}

rt::Task<Cause> Exchange::lease_h1() {
  // A request that can be sent twice needs no look at the pooled connection first: a stale one
  // costs a retry.
  const bool can_repeat = is_idempotent_ && body_.kind == Body::none && !wants_websocket_;
  using Check = upstream::Endpoint::Check;
  std::unique_ptr<upstream::Connection> connection;
  // A second try takes no pooled connection: the application may have closed them all.
  if (tried_.empty()) connection = endpoint_->take_idle(can_repeat ? Check::events : Check::probe);
  if (connection == nullptr) {
    const Cause failed = co_await connect(connection);
    if (failed != Cause::none) co_return failed;
  } else {
    count(Counter::upstream_reused);
  }
  connection->stream.handle().set_sink(&client_.waiter);
  const bool fits = body_.kind == Body::none ||
                    (body_.kind == Body::length && body_.length <= model::kStreamWindow);
  connection->watch_acknowledgements(fits && !wants_websocket_);
  const auto framing = body_.kind == Body::chunked  ? H1Sink::Framing::chunked
                       : body_.kind == Body::length ? H1Sink::Framing::raw
                                                    : H1Sink::Framing::none;
  lease_ = &h1_lease_.emplace(worker_, endpoint_, std::move(connection), method_, upstream_head_,
                              framing, response_head_max_);
  co_return Cause::none;
}

rt::Task<Cause> Exchange::lease_h2() {
  std::shared_ptr<upstream::Shared> shared;
  const bool ended = body_.kind == Body::none;
  for (int tries = 0; tries < 3; ++tries) {
    const Cause failed = co_await share(shared);
    if (failed != Cause::none) co_return failed;
    auto stream = shared->open(upstream_fields_.fields(), ended);
    if (stream == nullptr) continue;  // The server said goodbye, or has no room, just now.
    lease_ = &h2_lease_.emplace(std::move(shared), std::move(stream), client_.waiter, ended);
    co_return Cause::none;
  }
  co_return Cause::connect_failed;
}

/// A connection with room for a stream. Of many exchanges that need one, one connects.
rt::Task<Cause> Exchange::share(std::shared_ptr<upstream::Shared>& out) {
  const rt::Instant deadline = now() + timeouts_.connect * 2;
  const bool pooled = endpoint_->profile().proxy_header() == model::ProxyHeader::none;
  while (pooled) {
    out = endpoint_->shared();
    if (out != nullptr) {
      count(Counter::upstream_reused);
      co_return Cause::none;
    }
    if (endpoint_->begin_connecting()) break;
    if (!upstream_->load().begin_pending()) co_return Cause::circuit_pending;
    const upstream::Held<&upstream::Load::end_pending> pending(upstream_->load());
    endpoint_->wait_for_shared(client_.waiter);
    const Waiter::Woken woken = co_await client_.waiter.wait(deadline);
    endpoint_->stop_waiting(client_.waiter);
    if (woken == Waiter::Woken::deadline || client_.is_gone()) co_return Cause::connect_failed;
  }
  Cause failed = Cause::connect_failed;
  try {  // Whatever happens, those who wait for this connection are told.
    std::unique_ptr<upstream::Connection> connection;
    const Cause reached = co_await connect(connection);
    if (reached == Cause::none) {
      http2::Options options;
      options.streams_max = model::kStreamsMax;
      options.head_max = response_head_max_;
      options.fields_max = model::kResponseFieldsMax;
      options.stream_window = model::kStreamWindow;
      options.outbound_max = model::kStreamOutboundMax;
      out = std::make_shared<upstream::Shared>(worker_.reactor(), std::move(connection), options);
      if (pooled) endpoint_->share(out);
    }
    failed = reached;
  } catch (const std::bad_alloc&) {
    count(Counter::allocation_failures);
  }
  if (pooled) endpoint_->end_connecting();
  co_return failed;
}

}  // namespace bd::proxy
