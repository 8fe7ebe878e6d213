#include "proxy/exchange.h"

#include <utility>

#include "proxy/respond.h"

namespace bd::proxy {

using decide::Cause;
using rt::Waiter;
using telemetry::Counter;

namespace {

Cause cause_of(const Error& error) {
  switch (error.code) {
    case Error::Code::uri_too_long:
      return Cause::uri_too_long;
    case Error::Code::head_too_large:
      return Cause::head_too_large;
    case Error::Code::unsupported:
      return Cause::unsupported;
    case Error::Code::version:
      return Cause::version;
    case Error::Code::expectation:
      return Cause::expectation;
    case Error::Code::response_too_large:
      return Cause::response_too_large;
    case Error::Code::bad_response:
      return Cause::bad_response;
    default:
      return error.party == Party::upstream ? Cause::bad_response : Cause::bad_request;
  }
}

http1::HeadLimits head_limits(const model::Limits& limits) {
  return {limits.request_line_max, limits.request_head_max, limits.request_fields_max};
}

bool wants_body(const http1::RequestHead& head) {
  return head.body.kind != http1::Framing::Kind::none;
}

}  // namespace

Exchange::Exchange(Session& session)
    : session_(session),
      worker_(session.worker),
      client_(session.client),
      listener_(session.listener()),
      timeouts_(listener_->facts.timeouts),
      response_head_max_(listener_->facts.limits.response_head_max),
      started_(worker_.reactor().now()),
      request_pump_(client_, session.in, Party::downstream),
      from_upstream_(worker_.blocks()),
      last_progress_(started_) {
  request_.fields = worker_.take_fields();
  telemetry::WorkerStats::bump(worker_.stats().active_requests, 1);
}

Exchange::~Exchange() {
  worker_.give_back(std::move(request_.fields));
  if (response_parser_) worker_.give_back(std::move(response_.fields));
  telemetry::WorkerStats::bump(worker_.stats().active_requests, -1);
}

void Exchange::count_status(int status) {
  const int index = static_cast<int>(Counter::responses_1xx) + status / 100 - 1;
  count(static_cast<Counter>(index));
  const auto spent = std::chrono::duration_cast<std::chrono::microseconds>(now() - started_);
  worker_.stats().observe_duration(static_cast<std::uint64_t>(spent.count()));
}

rt::Task<Outcome> Exchange::run() {
  const Cause head = co_await read_head();
  if (head == Cause::client_timeout && session_.in.empty()) co_return Outcome::close;
  if (head != Cause::none) {
    // The end of this message is in doubt: nothing after it may be read as a request.
    client_persists_ = false;
    const Outcome outcome = co_await answer(head);
    co_return outcome;
  }
  count(Counter::requests);
  const decide::Request request{request_.method,  request_.target, request_.host,
                                &request_.fields, session_.peer,   {}};
  decision_ = decide::decide(*listener_, request, worker_.state());
  id_ = decide::RequestId::make(worker_.random(), worker_.random());
  if (decision_.forwarded_for_ignored) count(Counter::forwarded_for_ignored);
  if (decision_.forwarded_proto_mismatch) count(Counter::forwarded_proto_mismatch);
  if (decision_.cause != Cause::none) {
    session_.in.consume(head_size_);
    const Outcome outcome = co_await answer(decision_.cause);
    co_return outcome;
  }
  const Outcome outcome = co_await forward();
  co_return outcome;
}

/// Reads until the head is complete. Cause::none: request_ holds it, and its bytes stay in
/// session_.in.
rt::Task<Cause> Exchange::read_head() {
  const model::Limits& limits = listener_->facts.limits;
  http1::RequestParser parser(head_limits(limits));
  const rt::Instant deadline = now() + timeouts_.request_head;
  for (;;) {
    const auto size = parser.parse(session_.in.bytes(), request_);
    if (!size) co_return cause_of(size.error());
    if (*size) {
      head_size_ = **size;
      client_persists_ = request_.keep_alive;
      client_is_http10_ = request_.minor_version == 0;
      is_head_ = request_.method == http::Method::head;
      is_idempotent_ = http::is_idempotent(request_.method);
      co_return Cause::none;
    }
    // One byte of room above the limit lets the parser see that it is passed.
    const std::span<char> room = session_.in.room(limits.request_head_max + 1);
    if (room.empty()) co_return Cause::head_too_large;
    if (!client_.handle().readable) {
      const Waiter::Woken woken = co_await session_.waiter.wait(deadline);
      if (woken == Waiter::Woken::deadline) co_return Cause::client_timeout;
      continue;
    }
    const net::IoResult got = client_.read(room);
    if (got.status == net::Io::ok) {
      session_.in.filled(got.bytes);
      count(Counter::request_bytes, got.bytes);
    } else if (got.status != net::Io::again) {
      session_.in.clear();
      co_return Cause::client_timeout;  // Half a head and a close: nobody is there to be told.
    }
  }
}

rt::Task<bool> Exchange::write_all(std::string_view bytes) {
  const rt::Instant deadline = now() + timeouts_.body_idle;
  while (!bytes.empty()) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    const net::IoResult put = client_.write({&part, 1});
    if (put.status == net::Io::ok) {
      bytes.remove_prefix(put.bytes);
      count(Counter::response_bytes, put.bytes);
      continue;
    }
    if (put.status != net::Io::again) co_return false;
    const Waiter::Woken woken = co_await session_.waiter.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return false;
  }
  co_return true;
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

/// Our own response. The head of the request was consumed; its body, if any, was not.
rt::Task<Outcome> Exchange::answer(Cause cause) {
  const bool body_is_left = wants_body(request_) && !request_pump_.body_read();
  const bool dangerous = cause == Cause::bad_target || cause == Cause::bad_host;
  OwnAnswer own;
  own.cause = cause;
  own.location = decision_.location;
  own.finding = decision_.refused_cause;
  const bool has_id = decision_.cause != Cause::none || !decision_.upstream.empty();
  if (has_id && cause != Cause::healthy) own.id = &id_;
  own.head_only = is_head_;
  own.close = !client_persists_ || body_is_left || dangerous || worker_.closing();
  own.http10_client = client_is_http10_;
  count(counter_of(cause));
  // An interim response that stands half written is finished first.
  const std::string response = std::exchange(interim_left_, {}) + respond(own);
  count_status(decide::info(cause).status);
  const bool written = co_await write_all(response);
  if (!written) co_return Outcome::reset;
  co_return own.close ? Outcome::linger : Outcome::keep;
}

void Exchange::prepare_upstream_head() {
  decide::BodyFraming framing;
  Pump::Out out = Pump::Out::none;
  if (request_.body.kind == http1::Framing::Kind::length) {
    framing = {decide::BodyFraming::Kind::length, request_.body.length};
    out = Pump::Out::raw;
  } else if (request_.body.kind == http1::Framing::Kind::chunked) {
    framing = {decide::BodyFraming::Kind::chunked, 0};
    out = Pump::Out::chunked;
  } else if (request_.has_content_length) {
    framing = {decide::BodyFraming::Kind::length, 0};
  }
  std::string head;
  head.reserve(head_size_ + 512);
  const decide::Request request{request_.method,  request_.target, request_.host,
                                &request_.fields, session_.peer,   {}};
  decide::append_request_head(head, *listener_, request, request_.method_text, decision_, framing,
                              id_);
  session_.in.consume(head_size_);  // Views into the request's head end here.
  request_.fields.clear();
  request_pump_.start(std::move(head), request_.body, out,
                      listener_->facts.limits.request_body_max);
}

rt::Task<Outcome> Exchange::forward() {
  const std::uint64_t body_max = listener_->facts.limits.request_body_max;
  const bool too_large = body_max != 0 && request_.body.kind == http1::Framing::Kind::length &&
                         request_.body.length > body_max;
  prepare_upstream_head();
  if (too_large) {
    const Outcome outcome = co_await answer(Cause::body_too_large);
    co_return outcome;
  }
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
    const Attempt result = co_await attempt(*endpoint, use);
    endpoint->end();
    connection_.reset();
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

rt::Task<Exchange::Attempt> Exchange::attempt(upstream::Endpoint& endpoint, Use use) {
  // A request that can be sent twice needs no look at the pooled connection first: a stale one
  // costs a retry.
  const bool can_repeat = is_idempotent_ && !request_pump_.has_body();
  using Check = upstream::Endpoint::Check;
  if (use == Use::pool) connection_ = endpoint.take_idle(can_repeat ? Check::events : Check::probe);
  if (connection_ == nullptr) {
    const Cause failed = co_await connect(endpoint);
    if (failed != Cause::none) {
      const auto kind =
          failed == Cause::connect_failed ? Attempt::Kind::again : Attempt::Kind::failed;
      co_return Attempt{kind, failed, Outcome::close};
    }
  } else {
    count(Counter::upstream_reused);
  }
  connection_->stream.handle().set_sink(&session_.waiter);
  const Attempt result = co_await relay(endpoint);
  co_return result;
}

rt::Task<Cause> Exchange::connect(upstream::Endpoint& endpoint) {
  if (worker_.upstreams().policy().is_denied(endpoint.address())) {
    count(Counter::denied_endpoints);
    co_return Cause::no_endpoints;
  }
  count(Counter::upstream_connects);
  connection_ = std::make_unique<upstream::Connection>(endpoint);
  net::Stream& stream = connection_->stream;
  if (!stream.connect(worker_.reactor(), endpoint.address())) co_return Cause::connect_failed;
  stream.handle().set_sink(&session_.waiter);
  const rt::Instant deadline = now() + timeouts_.connect;
  for (;;) {
    const int error = stream.connect_error();
    if (error == 0) break;
    if (error != EINPROGRESS) co_return Cause::connect_failed;
    const Waiter::Woken woken = co_await session_.waiter.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return Cause::connect_failed;
  }
  co_return Cause::none;
}

}  // namespace bd::proxy
