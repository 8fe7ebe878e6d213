#include "proxy/connector.h"

#include <cerrno>

#include "proxyprotocol/write.h"

namespace bd::proxy {

using decide::Cause;
using model::UpstreamTls;
using rt::Waiter;
using telemetry::Counter;

rt::Task<Cause> Connector::connect() {
  if (worker_.upstreams().policy().is_denied(endpoint_.address())) {
    worker_.stats().add(Counter::denied_endpoints);
    co_return Cause::no_endpoints;
  }
  const UpstreamTls mode = endpoint_.profile().tls_mode();
  const Cause reached = co_await connect_tcp();
  if (reached != Cause::none || mode == UpstreamTls::off) co_return reached;
  const bool may_be_plain = mode == UpstreamTls::prefer;
  if (may_be_plain && worker_.reactor().now() < endpoint_.plain_until) co_return Cause::none;
  const Cause secured = co_await connect_tls();
  if (secured == Cause::none) {
    worker_.stats().add(Counter::upstream_tls_connects);
    co_return secured;
  }
  if (!may_be_plain) co_return secured;
  const Cause again = co_await connect_tcp();
  if (again == Cause::none) {
    worker_.stats().add(Counter::upstream_tls_fallbacks);
    endpoint_.plain_until = worker_.reactor().now() + model::kPlainMemory;
  }
  co_return again;
}

rt::Task<Cause> Connector::connect_tcp() {
  worker_.stats().add(Counter::upstream_connects);
  connection_ = std::make_unique<upstream::Connection>(endpoint_);
  net::Stream& stream = connection_->stream;
  if (!stream.connect(worker_.reactor(), endpoint_.address())) co_return Cause::connect_failed;
  worker_.overload().bound_buffers(stream.fd());
  stream.handle().set_sink(&waiter_);
  const rt::Instant deadline = worker_.reactor().now() + timeout_;
  for (;;) {
    const int error = stream.connect_error();
    if (error == 0) break;
    if (error != EINPROGRESS) co_return Cause::connect_failed;
    const Waiter::Woken woken = co_await waiter_.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return Cause::connect_failed;
  }
  connection_->watch_acknowledgements(true);
  co_return send_proxy_header() ? Cause::none : Cause::connect_failed;
}

/// It is far smaller than the buffer of a socket that was just connected.
bool Connector::send_proxy_header() {
  const model::ProxyHeader kind = endpoint_.profile().proxy_header();
  if (kind == model::ProxyHeader::none) return true;
  const std::string header = kind == model::ProxyHeader::v1
                                 ? proxyprotocol::write_v1(client_, local_)
                                 : proxyprotocol::write_v2(client_, local_);
  const iovec part{const_cast<char*>(header.data()), header.size()};
  const net::IoResult put = connection_->stream.write({&part, 1});
  return put.status == net::Io::ok && put.bytes == header.size();
}

rt::Task<Cause> Connector::connect_tls() {
  net::Stream& stream = connection_->stream;
  tls::ClientContext* context = endpoint_.profile().tls();
  if (context == nullptr) co_return Cause::upstream_tls_failed;
  stream.secure(context->connect(stream.wire()));
  stream.handle().readable = true;
  const rt::Instant deadline = worker_.reactor().now() + timeout_;
  for (;;) {
    const tls::Session::Status status = stream.handshake();
    if (status == tls::Session::Status::ok) break;
    if (status != tls::Session::Status::again) co_return Cause::upstream_tls_failed;
    const Waiter::Woken woken = co_await waiter_.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return Cause::upstream_tls_failed;
  }
  const bool speaks = !endpoint_.profile().is_h2() || stream.tls()->alpn() == "h2";
  co_return speaks ? Cause::none : Cause::upstream_tls_failed;
}

}  // namespace bd::proxy
