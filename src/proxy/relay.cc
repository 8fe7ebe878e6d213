// The part of an Exchange in which both sides are connected: request and response move at the same
// time, each as far as its source gives and its sink takes, and one wait watches both connections.

#include <algorithm>
#include <utility>

#include "proxy/exchange.h"
#include "proxy/pump.h"
#include "websocket/handshake.h"

namespace bd::proxy {

using decide::Cause;
using rt::Waiter;
using telemetry::Counter;
using Body = decide::BodyFraming::Kind;

rt::Task<Exchange::Attempt> Exchange::relay() {
  last_progress_ = answer_awaited_since_ = body_due_from_ = now();
  if (std::exchange(expects_continue_, false)) {  // RFC 9110 §10.1.1
    static const http::Fields none;
    client_.interim({.status = 100, .fields = &none});
  }
  for (unsigned rounds = 0;;) {
    bool moved = false;
    std::optional<Attempt> end = step_request(moved);
    if (!end && response_sink_ == nullptr) end = step_response_head(moved);
    if (!end && response_sink_ != nullptr && !is_tunnel_) end = step_response_body(moved);
    if (end) co_return *end;
    if (is_tunnel_) break;
    if (response_sink_ != nullptr && response_sink_->state() == Sink::State::done)
      co_return finish_response();
    if (moved) {
      last_progress_ = now();
      if (++rounds % 2 == 0) co_await client_.waiter.yield();
      continue;
    }
    if (client_.is_gone()) {
      count(Counter::client_aborts);
      co_return Attempt{Attempt::Kind::finished, Cause::none, Outcome::reset};
    }
    const Waiter::Woken woken = co_await client_.waiter.wait(deadline());
    if (woken == Waiter::Woken::deadline) co_return timed_out();
  }
  const Attempt result = co_await tunnel();
  co_return result;
}

/// No pause may be too long, and no body too slow as a whole: one byte now and then would hold a
/// connection here and upstream for good.
rt::Instant Exchange::body_deadline() {
  const rt::Instant pause = last_progress_ + timeouts_.body_idle;
  if (lease_->request().state() != Sink::State::open || client_.body().finished()) return pause;
  const std::uint64_t received = client_.body().received();
  const auto earned = std::chrono::milliseconds(received * 1000 / model::kBodyRateMin);
  // While the upstream takes nothing, the client cannot send.
  if (!lease_->takes_bytes()) body_due_from_ = std::max(body_due_from_, now() - earned);
  return std::min(pause, body_due_from_ + timeouts_.body_idle + earned);
}

rt::Instant Exchange::deadline() {
  const bool waits_for_answer =
      response_sink_ == nullptr && lease_->request().state() != Sink::State::open;
  // The head has one bound as a whole: a head that drips in is as late as none.
  return std::min(total_deadline_, waits_for_answer
                                       ? answer_awaited_since_ + timeouts_.response_head
                                       : body_deadline());
}

/// Before the response's head an answer of our own is possible; after it the client must see a
/// broken message.
Exchange::Attempt Exchange::fail_attempt(Cause cause) {
  if (response_sink_ != nullptr) return {Attempt::Kind::finished, Cause::none, Outcome::reset};
  return {Attempt::Kind::failed, cause, Outcome::close};
}

Exchange::Attempt Exchange::timed_out() {
  const bool client_is_slow = lease_->request().state() == Sink::State::open &&
                              lease_->takes_bytes() && !client_.body().finished();
  if (response_sink_ != nullptr)
    count(client_.takes_bytes() ? Counter::timeouts_upstream : Counter::timeouts_downstream);
  return fail_attempt(client_is_slow ? Cause::client_timeout : Cause::upstream_timeout);
}

std::optional<Exchange::Attempt> Exchange::step_request(bool& moved) {
  Sink& sink = lease_->request();
  if (sink.state() != Sink::State::open) return std::nullopt;
  Source& source = client_.body();
  const std::uint64_t received = source.received();
  moved |= pump(source, sink);
  count(Counter::request_bytes, source.received() - received);
  answer_awaited_since_ = now();
  switch (source.state()) {
    case Source::State::open:
      return std::nullopt;
    case Source::State::ended:
    case Source::State::error:
      count(Counter::client_aborts);
      return Attempt{Attempt::Kind::finished, Cause::none, Outcome::reset};
    case Source::State::bad_framing:
      if (response_sink_ != nullptr) count(Counter::bad_requests);  // Ours is counted by itself.
      return fail_attempt(Cause::bad_request);
    case Source::State::too_large:
      return fail_attempt(Cause::body_too_large);
  }
  return std::nullopt;
}

/// The endpoint's side ended before a complete response head.
Exchange::Attempt Exchange::upstream_lost() {
  Attempt out = fail_attempt(Cause::upstream_closed);
  out.was_pooled = lease_->was_pooled();
  // What was taken of the body is gone.
  if (body_.kind != Body::none && lease_->request().sent() > 0) return out;
  const Lease::Loss loss = lease_->loss();
  const bool repeatable = is_idempotent_ && body_.kind == Body::none && interim_count_ == 0;
  if (loss == Lease::Loss::unprocessed) out.kind = Attempt::Kind::unprocessed;
  if (loss == Lease::Loss::unheard && repeatable) out.kind = Attempt::Kind::unheard;
  return out;
}

std::optional<Exchange::Attempt> Exchange::step_response_head(bool& moved) {
  for (;;) {
    switch (lease_->read_head(moved)) {
      case Lease::Event::nothing:
        return std::nullopt;
      case Lease::Event::lost:
        return upstream_lost();
      case Lease::Event::malformed:
        return fail_attempt(Cause::bad_response);
      case Lease::Event::too_large:
        return fail_attempt(Cause::response_too_large);
      case Lease::Event::head:
        break;
    }
    const int status = lease_->head().status;
    if (status >= 200) {
      start_response();
      return std::nullopt;
    }
    if (status == 101 && start_tunnel()) return std::nullopt;
    // 101 without an upgrade that we asked for is as bad as an endless run of interim responses.
    if (status == 101 || ++interim_count_ > model::kInterimResponsesMax) {
      return fail_attempt(Cause::bad_response);
    }
    forward_interim();
    answer_awaited_since_ = now();
  }
}

/// 100 is ours to send (RFC 9110 §15.2).
void Exchange::forward_interim() {
  const ResponseHead& head = lease_->head();
  if (head.status == 100) return;
  client_.interim({.status = head.status, .reason = head.reason, .fields = head.fields});
}

/// Both ends agreed (RFC 6455 §4.2.2): from here on it is theirs.
bool Exchange::start_tunnel() {
  const ResponseHead& head = lease_->head();
  if (!wants_websocket_ || !websocket::is_valid_switch(*head.fields, websocket_key_)) return false;
  count_status(101);
  upstream_->succeeded(*endpoint_);
  const std::string cookie = sticky_cookie();
  response_sink_ = &client_.respond(
      {.status = 101, .fields = head.fields, .set_cookie = cookie, .websocket = true}, true);
  lease_->begin_tunnel();
  client_.begin_tunnel();
  client_.listener.reset();
  is_tunnel_ = true;
  return true;
}

void Exchange::start_response() {
  const ResponseHead& head = lease_->head();
  const bool bodiless = method_ == http::Method::head || head.status == 204 || head.status == 304;
  const std::string cookie = sticky_cookie();
  decide::ResponseRewrite rewrite{.status = head.status,
                                  .reason = head.reason,
                                  .fields = head.fields,
                                  .framing = head.body,
                                  .bodiless = bodiless,
                                  .set_cookie = cookie};
  if (head.body.kind == Body::none && !bodiless) rewrite.framing = {Body::length, 0};
  const bool request_sent = lease_->request().state() == Sink::State::done;
  count_status(head.status);
  judge_endpoint(head.status);
  response_sink_ = &client_.respond(rewrite, request_sent);
  static_cast<void>(lease_->response());  // The head's views end.
  // Nothing is tried again from here on.
  if (lease_->request().sent() >= upstream_head_.size()) upstream_head_ = {};
  client_.listener.reset();  // Long streams keep no table alive.
}

std::optional<Exchange::Attempt> Exchange::step_response_body(bool& moved) {
  const std::uint64_t sent = response_sink_->sent();
  Source& source = lease_->response();
  moved |= pump(source, *response_sink_);
  count(Counter::response_bytes, response_sink_->sent() - sent);
  if (response_sink_->state() == Sink::State::done) return std::nullopt;
  if (response_sink_->state() == Sink::State::failed) {
    count(Counter::client_aborts);
  } else if (source.state() == Source::State::bad_framing) {
    count(Counter::upstream_bad_responses);
  } else if (source.state() != Source::State::open) {
    count(Counter::upstream_resets);
  } else {
    return std::nullopt;
  }
  // The client must not take a truncated message for a complete one.
  return Attempt{Attempt::Kind::finished, Cause::none, Outcome::reset};
}

Exchange::Attempt Exchange::finish_response() {
  const bool request_sent = lease_->request().state() == Sink::State::done;
  if (request_sent) lease_->release(timeouts_.upstream_idle);
  return {Attempt::Kind::finished, Cause::none, client_.finish(request_sent)};
}

}  // namespace bd::proxy
