#include "proxy/exchange.h"

#include <utility>

#include "proxy/h1_lease.h"

namespace bd::proxy {

using decide::Cause;
using rt::Waiter;
using telemetry::Counter;
using Body = decide::BodyFraming::Kind;

Exchange::Exchange(Client& client)
    : client_(client),
      worker_(client.worker),
      timeouts_(client.listener->facts.timeouts),
      response_head_max_(client.listener->facts.limits.response_head_max),
      started_(worker_.reactor().now()),
      last_progress_(started_) {
  telemetry::WorkerStats::bump(worker_.stats().active_requests, 1);
}

Exchange::~Exchange() {
  telemetry::WorkerStats::bump(worker_.stats().active_requests, -1);
}

void Exchange::count_status(int status) {
  const int index = static_cast<int>(Counter::responses_1xx) + status / 100 - 1;
  count(static_cast<Counter>(index));
  const auto spent = std::chrono::duration_cast<std::chrono::microseconds>(now() - started_);
  worker_.stats().observe_duration(static_cast<std::uint64_t>(spent.count()));
}

rt::Task<Outcome> Exchange::refuse(Cause cause) {
  const Outcome outcome = co_await answer(cause);
  co_return outcome;
}

rt::Task<Outcome> Exchange::run() {
  count(Counter::requests);
  const RequestHead& head = client_.head();
  method_ = head.method;
  body_ = head.body;
  expects_continue_ = head.expect_continue;
  is_idempotent_ = http::is_idempotent(method_);
  const decide::Request request{head.method, head.target, head.host, head.fields,
                                client_.peer, {},         {}};
  decision_ = decide::decide(*client_.listener, request, worker_.state());
  id_ = decide::RequestId::make(worker_.random(), worker_.random());
  if (decision_.forwarded_for_ignored) count(Counter::forwarded_for_ignored);
  if (decision_.forwarded_proto_mismatch) count(Counter::forwarded_proto_mismatch);
  if (decision_.cause != Cause::none) {
    const Outcome outcome = co_await answer(decision_.cause);
    co_return outcome;
  }
  const Outcome outcome = co_await forward();
  co_return outcome;
}

namespace {

Counter counter_of(Cause cause) {
  switch (cause) {
    case Cause::healthy:
    case Cause::draining:
      return Counter::health_probes;
    case Cause::starting:
      return Counter::before_table;
    case Cause::no_route:
      return Counter::no_route;
    case Cause::no_endpoints:
      return Counter::no_endpoints;
    case Cause::refused:
      return Counter::refused_routes;
    case Cause::redirect:
      return Counter::redirects;
    case Cause::loop:
      return Counter::loops;
    case Cause::body_too_large:
      return Counter::limit_body;
    case Cause::upstream_timeout:
      return Counter::timeouts_upstream;
    case Cause::client_timeout:
      return Counter::timeouts_downstream;
    case Cause::connect_failed:
      return Counter::upstream_connect_failures;
    case Cause::upstream_closed:
      return Counter::upstream_resets;
    case Cause::bad_response:
    case Cause::response_too_large:
      return Counter::upstream_bad_responses;
    case Cause::uri_too_long:
    case Cause::head_too_large:
      return Counter::head_too_large;
    default:
      return Counter::bad_requests;
  }
}

}  // namespace

rt::Task<Outcome> Exchange::answer(Cause cause) {
  OwnAnswer own;
  own.cause = cause;
  own.location = decision_.location;
  own.finding = decision_.refused_cause;
  const bool has_id = decision_.cause != Cause::none || !decision_.upstream.empty();
  if (has_id && cause != Cause::healthy) own.id = &id_;
  own.head_only = method_ == http::Method::head;
  count(counter_of(cause));
  count_status(decide::info(cause).status);
  const Outcome outcome = co_await client_.answer(std::move(own));
  co_return outcome;
}

void Exchange::prepare_upstream_head() {
  const RequestHead& head = client_.head();
  const decide::Request request{head.method, head.target, head.host, head.fields,
                                client_.peer, {},         {}};
  decide::RequestRewrite rewrite{*client_.listener, request, head.method_text, decision_, id_,
                                 body_};
  if (body_.kind == Body::none && head.has_content_length) rewrite.framing = {Body::length, 0};
  upstream_head_.reserve(1024);
  decide::append_request_head(upstream_head_, rewrite);
  client_.release_head();
}

rt::Task<Outcome> Exchange::forward() {
  const std::uint64_t body_max = client_.listener->facts.limits.request_body_max;
  if (body_max != 0 && body_.kind == Body::length && body_.length > body_max) {
    const Outcome outcome = co_await answer(Cause::body_too_large);
    co_return outcome;
  }
  prepare_upstream_head();
  std::shared_ptr<upstream::Endpoint> endpoint;
  for (int tries = 0;; ++tries) {
    const upstream::Upstream* upstream = worker_.upstreams().find(decision_.upstream);
    endpoint = upstream == nullptr ? nullptr : upstream->pick(worker_.random(), endpoint.get());
    if (endpoint == nullptr) {
      const Outcome outcome = co_await answer(Cause::no_endpoints);
      co_return outcome;
    }
    endpoint->begin();
    // A second try takes no pooled connection: the application may have closed them all.
    const Use use = tries == 0 ? Use::pool : Use::fresh;
    const Attempt result = co_await attempt(endpoint, use);
    endpoint->end();
    lease_.reset();
    if (result.kind == Attempt::Kind::finished) co_return result.outcome;
    if (result.kind == Attempt::Kind::again && tries == 0) {
      count(Counter::retries);
      if (result.cause == Cause::connect_failed) count(Counter::upstream_connect_failures);
      continue;
    }
    const Outcome outcome = co_await answer(result.cause);
    co_return outcome;
  }
}

rt::Task<Exchange::Attempt> Exchange::attempt(const std::shared_ptr<upstream::Endpoint>& endpoint,
                                              Use use) {
  // A request that can be sent twice needs no look at the pooled connection first: a stale one
  // costs a retry.
  const bool can_repeat = is_idempotent_ && body_.kind == Body::none;
  using Check = upstream::Endpoint::Check;
  std::unique_ptr<upstream::Connection> connection;
  if (use == Use::pool) connection = endpoint->take_idle(can_repeat ? Check::events : Check::probe);
  if (connection == nullptr) {
    const Cause failed = co_await connect(*endpoint, connection);
    if (failed != Cause::none) {
      const auto kind =
          failed == Cause::connect_failed ? Attempt::Kind::again : Attempt::Kind::failed;
      co_return Attempt{kind, failed, Outcome::close};
    }
  } else {
    count(Counter::upstream_reused);
  }
  connection->stream.handle().set_sink(&client_.waiter);
  const auto framing = body_.kind == Body::chunked  ? H1Sink::Framing::chunked
                       : body_.kind == Body::length ? H1Sink::Framing::raw
                                                    : H1Sink::Framing::none;
  lease_ = std::make_unique<H1Lease>(worker_, endpoint, std::move(connection), method_,
                                     upstream_head_, framing, response_head_max_);
  const Attempt result = co_await relay();
  co_return result;
}

rt::Task<Cause> Exchange::connect(upstream::Endpoint& endpoint,
                                  std::unique_ptr<upstream::Connection>& out) {
  if (worker_.upstreams().policy().is_denied(endpoint.address())) {
    count(Counter::denied_endpoints);
    co_return Cause::no_endpoints;
  }
  count(Counter::upstream_connects);
  out = std::make_unique<upstream::Connection>(endpoint);
  net::Stream& stream = out->stream;
  if (!stream.connect(worker_.reactor(), endpoint.address())) co_return Cause::connect_failed;
  stream.handle().set_sink(&client_.waiter);
  const rt::Instant deadline = now() + timeouts_.connect;
  for (;;) {
    const int error = stream.connect_error();
    if (error == 0) break;
    if (error != EINPROGRESS) co_return Cause::connect_failed;
    const Waiter::Woken woken = co_await client_.waiter.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return Cause::connect_failed;
  }
  co_return Cause::none;
}

}  // namespace bd::proxy
