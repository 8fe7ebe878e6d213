#include "proxy/exchange.h"

#include <utility>

#include "proxy/tls_facts.h"
#include "websocket/handshake.h"

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
  method_ = client_.head().method;  // As far as it was understood: a HEAD gets no body.
  const Outcome outcome = co_await answer(cause);
  co_return outcome;
}

decide::Request Exchange::request() const {
  const RequestHead& head = client_.head();
  return {head.method, head.target, head.host, head.fields, client_.peer, {}, client_certificate_};
}

rt::Task<Outcome> Exchange::run() {
  count(Counter::requests);
  const RequestHead& head = client_.head();
  method_ = head.method;
  body_ = head.body;
  expects_continue_ = head.expect_continue;
  wants_websocket_ = head.wants_websocket;
  is_idempotent_ = http::is_idempotent(method_);
  if (client_.tls != nullptr) client_certificate_ = describe_client(*client_.tls);
  decision_ = decide::decide(*client_.listener, request(), worker_.state());
  id_ = decide::RequestId::make(worker_.random()(), worker_.random()());
  if (decision_.forwarded_for_ignored) count(Counter::forwarded_for_ignored);
  if (decision_.forwarded_proto_mismatch) count(Counter::forwarded_proto_mismatch);
  if (is_misdirected()) decision_.cause = Cause::misdirected;
  if (decision_.cause != Cause::none) {
    const Outcome outcome = co_await answer(decision_.cause);
    co_return outcome;
  }
  const Outcome outcome = co_await forward();
  co_return outcome;
}

/// RFC 9110 §7.4, §15.5.20. A client without SNI, and a balancer that puts many hosts on one
/// connection, named no host when the session was negotiated: they are held to nothing but a host's
/// own demand for a client certificate.
bool Exchange::is_misdirected() const {
  if (client_.tls == nullptr || decision_.authority.host.empty()) return false;
  if (decision_.cause == Cause::healthy || decision_.cause == Cause::draining) return false;
  const std::string& host = decision_.authority.host;
  const bool named = !client_.tls->server_name().empty() && !decision_.peer_trusted;
  if (!client_.tls->satisfies(host)) {
    return named || tls_policy(client_.listener->facts.tls, host).client ==
                        model::ClientCertificate::required;
  }
  return named && !client_.tls->covers(host);
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
    case Cause::upstream_tls_failed:
      return Counter::upstream_tls_failures;
    case Cause::circuit_connections:
    case Cause::circuit_pending:
    case Cause::circuit_requests:
      return Counter::circuit_refusals;
    case Cause::misdirected:
      return Counter::tls_misdirected;
    case Cause::overloaded:
      return Counter::overload_refusals;
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
  const decide::Request asked = request();
  decide::RequestRewrite rewrite{*client_.listener, asked, head.method_text, decision_, id_, body_};
  if (body_.kind == Body::none && head.has_content_length) rewrite.framing = {Body::length, 0};
  if (wants_websocket_) {
    const auto upgrade = websocket::parse_upgrade(*head.fields);
    if (upgrade) websocket_key_ = upgrade->key;
    if (!upgrade) {
      websocket_key_ = websocket::make_key(worker_.random()(), worker_.random()());
      rewrite.websocket_key = websocket_key_;
    }
    rewrite.websocket = true;
  }
  if (is_h2_) {
    decide::append_request_fields(upstream_fields_, rewrite);
  } else {
    upstream_head_.reserve(1024);
    decide::append_request_head(upstream_head_, rewrite);
  }
  client_.release_head();
}

/// The upstream, and what it says about the exchange.
Cause Exchange::find_upstream() {
  upstream_ = worker_.upstreams().find(decision_.upstream);
  if (upstream_ == nullptr) return Cause::no_endpoints;
  is_h2_ = upstream_->profile().is_h2();
  if (is_h2_ && wants_websocket_) return Cause::unsupported;
  const model::Patience& own = upstream_->facts().patience;
  const auto prefer = [](std::chrono::milliseconds& to, std::chrono::milliseconds value) {
    if (value.count() > 0) to = value;
  };
  prefer(timeouts_.connect, own.connect);
  prefer(timeouts_.response_head, own.response_head);
  prefer(timeouts_.body_idle, own.body_idle);
  prefer(timeouts_.total, own.total);
  if (timeouts_.total.count() > 0) total_deadline_ = started_ + timeouts_.total;
  affinity_ =
      upstream::affinity(upstream_->facts().balance, *client_.head().fields, decision_.client);
  return Cause::none;
}

rt::Task<Outcome> Exchange::forward() {
  const std::uint64_t body_max = client_.listener->facts.limits.request_body_max;
  Cause obstacle = find_upstream();
  if (body_max != 0 && body_.kind == Body::length && body_.length > body_max)
    obstacle = Cause::body_too_large;
  if (obstacle == Cause::none && !upstream_->load().begin_request())
    obstacle = Cause::circuit_requests;
  if (obstacle != Cause::none) {
    const Outcome outcome = co_await answer(obstacle);
    co_return outcome;
  }
  const upstream::Held<&upstream::Load::end_request> in_flight(upstream_->load());
  prepare_upstream_head();
  const Outcome outcome = co_await try_endpoints();
  co_return outcome;
}

rt::Task<Outcome> Exchange::try_endpoints() {
  for (;;) {
    endpoint_ = upstream_->pick({affinity_, tried_}, worker_.random(), now());
    if (endpoint_ == nullptr || endpoint_->profile().is_h2() != is_h2_) {
      const Outcome outcome = co_await answer(Cause::no_endpoints);
      co_return outcome;
    }
    endpoint_->begin();
    const Attempt result = co_await attempt();
    endpoint_->end();
    end_lease();
    if (result.kind == Attempt::Kind::finished) co_return result.outcome;
    if (client_.is_gone()) co_return Outcome::reset;
    judge_endpoint(result);
    if (!may_try_again(result)) {
      const Outcome outcome = co_await answer(result.cause);
      co_return outcome;
    }
    count(Counter::retries);
    if (result.cause == Cause::connect_failed) count(Counter::upstream_connect_failures);
    tried_.push_back(std::move(endpoint_));
  }
}

/// What was never sent costs an endpoint nothing, so only the number of tries bounds it. What may
/// have been processed is work done twice: once for each request, and within the budget.
bool Exchange::may_try_again(const Attempt& result) {
  if (now() >= total_deadline_ || tried_.size() + 1 >= model::kAttemptsMax) return false;
  if (result.kind == Attempt::Kind::unprocessed) return true;
  if (result.kind != Attempt::Kind::unheard || retry_) return false;
  if (!upstream_->load().begin_retry()) {
    count(Counter::retries_denied);
    return false;
  }
  retry_.emplace(upstream_->load());
  return true;
}

/// A gateway's errors mean that the endpoint cannot do its work (RFC 9110 §15.6.3 to 15.6.5).
void Exchange::judge_endpoint(int status) {
  if (status == 502 || status == 503 || status == 504) {
    upstream_->failed(*endpoint_, now());
  } else {
    upstream_->succeeded(*endpoint_);
  }
}

/// The attempt brought no response head.
void Exchange::judge_endpoint(const Attempt& result) {
  switch (result.cause) {
    case Cause::upstream_closed:
      if (result.was_pooled) return;  // Applications close idle connections as they like.
      break;
    case Cause::connect_failed:
    case Cause::upstream_tls_failed:
    case Cause::upstream_timeout:
    case Cause::bad_response:
      break;
    default:
      return;
  }
  upstream_->failed(*endpoint_, now());
}

/// The field to set, if the client is to come back to this endpoint and does not know it.
std::string Exchange::sticky_cookie() const {
  const model::Balance& balance = upstream_->facts().balance;
  if (balance.sticky_cookie.empty()) return {};
  const std::uint64_t identity = upstream_->identity(*endpoint_);
  if (affinity_.identity == identity) return {};
  const bool secure = client_.listener->facts.public_scheme == model::Scheme::https;
  return upstream::sticky_cookie(balance, identity, secure);
}

}  // namespace bd::proxy
