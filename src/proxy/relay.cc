// The part of an Exchange in which both sides are connected: request and response move at the same
// time, each as far as its source gives and its sink takes, and one wait watches both connections.

#include <utility>

#include "proxy/exchange.h"

namespace bd::proxy {

using decide::Cause;
using rt::Waiter;
using telemetry::Counter;

namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

rt::Task<Exchange::Attempt> Exchange::relay(upstream::Endpoint& endpoint) {
  request_pump_.restart();
  if (!response_parser_) response_.fields = worker_.take_fields();
  response_parser_.emplace(http1::HeadLimits{response_head_max_, response_head_max_, 1000});
  last_progress_ = now();
  if (request_.expect_continue && !request_pump_.body_read() && session_.in.empty()) {
    const bool written = co_await write_all(kContinue);
    if (!written) co_return Attempt{Attempt::Kind::finished, Cause::none, Outcome::reset};
    count(Counter::responses_1xx);
    request_.expect_continue = false;
  }
  for (unsigned rounds = 0;;) {
    bool moved = false;
    std::optional<Attempt> end = step_request(moved);
    if (!end && !response_pump_) end = step_response_head(moved);
    if (!end && response_pump_) end = step_response_body(moved);
    if (end) co_return *end;
    if (response_pump_ && response_pump_->state() == Pump::State::done)
      co_return finish_response(endpoint);
    if (moved) {
      last_progress_ = now();
      if (++rounds % 4 == 0) co_await session_.waiter.yield();
      continue;
    }
    if (client_.handle().broken) {
      count(Counter::client_aborts);
      co_return Attempt{Attempt::Kind::finished, Cause::none, Outcome::reset};
    }
    const Waiter::Woken woken = co_await session_.waiter.wait(deadline());
    if (woken == Waiter::Woken::deadline) co_return timed_out();
  }
}

rt::Instant Exchange::deadline() const {
  const bool waits_for_answer = !response_pump_ && request_pump_.state() != Pump::State::moving;
  // The head has one bound as a whole: a head that drips in is as late as none.
  return waits_for_answer ? answer_awaited_since_ + timeouts_.response_head
                          : last_progress_ + timeouts_.body_idle;
}

/// Before the response's head an answer of our own is possible; after it the client must see a
/// broken message.
Exchange::Attempt Exchange::fail_attempt(Cause cause) {
  if (response_pump_) return {Attempt::Kind::finished, Cause::none, Outcome::reset};
  return {Attempt::Kind::failed, cause, Outcome::close};
}

Exchange::Attempt Exchange::timed_out() {
  const bool client_is_slow = request_pump_.state() == Pump::State::moving &&
                              connection_->stream.handle().writable && !request_pump_.body_read();
  if (response_pump_)
    count(client_.handle().writable ? Counter::timeouts_upstream : Counter::timeouts_downstream);
  return fail_attempt(client_is_slow ? Cause::client_timeout : Cause::upstream_timeout);
}

std::optional<Exchange::Attempt> Exchange::step_request(bool& moved) {
  if (request_pump_.state() != Pump::State::moving) return std::nullopt;
  const std::uint64_t received = request_pump_.received();
  moved |= request_pump_.step(connection_->stream);
  count(Counter::request_bytes, request_pump_.received() - received);
  answer_awaited_since_ = now();
  switch (request_pump_.state()) {
    case Pump::State::moving:
    case Pump::State::done:
      return std::nullopt;
    case Pump::State::source_ended:
    case Pump::State::source_error:
      count(Counter::client_aborts);
      return Attempt{Attempt::Kind::finished, Cause::none, Outcome::reset};
    case Pump::State::sink_error:
      // The upstream takes no more, but may have answered already; if not, reading its side says
      // so.
      connection_->stream.handle().readable = true;
      return std::nullopt;
    case Pump::State::bad_framing:
      if (response_pump_) count(Counter::bad_requests);  // An answer of ours is counted by itself.
      return fail_attempt(Cause::bad_request);
    case Pump::State::too_large:
      return fail_attempt(Cause::body_too_large);
  }
  return std::nullopt;
}

/// The upstream's connection ended before a complete response head.
std::optional<Exchange::Attempt> Exchange::upstream_lost() {
  const bool unsent = !request_pump_.sent_anything();
  const bool stale =
      connection_->reused && from_upstream_.empty() && interim_count_ == 0 && is_idempotent_;
  if (unsent || (stale && !request_pump_.has_body())) {
    return Attempt{Attempt::Kind::again, Cause::upstream_closed, Outcome::close};
  }
  return fail_attempt(Cause::upstream_closed);
}

std::optional<Exchange::Attempt> Exchange::step_response_head(bool& moved) {
  net::Stream& upstream = connection_->stream;
  while (upstream.handle().readable) {
    const std::span<char> room = from_upstream_.room(response_head_max_ + 1);
    if (room.empty()) return fail_attempt(Cause::response_too_large);
    const net::IoResult got = upstream.read(room);
    if (got.status == net::Io::again) break;
    if (got.status != net::Io::ok) return upstream_lost();
    // Bytes from before the request answer nothing: servers say 408 on a connection they close.
    if (!request_pump_.sent_anything()) return upstream_lost();
    from_upstream_.filled(got.bytes);
    moved = true;
    for (;;) {
      const auto size = response_parser_->parse(from_upstream_.bytes(), request_.method, response_);
      if (!size) {
        return fail_attempt(size.error().code == Error::Code::response_too_large
                                ? Cause::response_too_large
                                : Cause::bad_response);
      }
      if (!*size) break;
      if (response_.status >= 200) {
        start_response();
        from_upstream_.consume(**size);
        return std::nullopt;
      }
      // 101 without an upgrade that we asked for is as bad as an endless run of interim responses.
      if (response_.status == 101 || ++interim_count_ > model::kInterimResponsesMax) {
        return fail_attempt(Cause::bad_response);
      }
      forward_interim();
      answer_awaited_since_ = now();
      from_upstream_.consume(**size);
      response_parser_->reset();
      if (from_upstream_.empty()) break;
    }
  }
  from_upstream_.release_if_empty();
  return std::nullopt;
}

/// 1xx is for clients that know it; 100 is ours to send (RFC 9110 §15.2).
void Exchange::forward_interim() {
  if (client_is_http10_ || response_.status == 100) return;
  decide::ResponseRewrite rewrite;
  rewrite.status = response_.status;
  rewrite.reason = response_.reason;
  rewrite.fields = &response_.fields;
  decide::append_response_head(interim_left_, rewrite);
  count(Counter::responses_1xx);
  const iovec part{interim_left_.data(), interim_left_.size()};
  const net::IoResult put = client_.write({&part, 1});
  if (put.status == net::Io::ok) interim_left_.erase(0, put.bytes);
}

void Exchange::start_response() {
  using Kind = http1::Framing::Kind;
  decide::ResponseRewrite rewrite;
  rewrite.status = response_.status;
  rewrite.reason = response_.reason;
  rewrite.fields = &response_.fields;
  Pump::Out out = Pump::Out::none;
  const bool bodiless = is_head_ || response_.status == 204 || response_.status == 304;
  rewrite.keep_content_length = bodiless && response_.status != 204;
  closing_ = !client_persists_ || worker_.closing() || request_pump_.state() != Pump::State::done;
  if (response_.body.kind == Kind::length) {
    rewrite.framing = {decide::BodyFraming::Kind::length, response_.body.length};
    out = Pump::Out::raw;
  } else if (response_.body.kind == Kind::none) {
    if (!bodiless) rewrite.framing = {decide::BodyFraming::Kind::length, 0};
  } else if (client_is_http10_) {
    closing_ = true;
    out = Pump::Out::raw;
  } else {
    rewrite.framing = {decide::BodyFraming::Kind::chunked, 0};
    out = Pump::Out::chunked;
  }
  rewrite.close = closing_;
  rewrite.http10_client = client_is_http10_;
  std::string head = std::move(interim_left_);
  head.reserve(head.size() + 512);
  decide::append_response_head(head, rewrite);
  response_reusable_ = response_.keep_alive && response_.body.kind != Kind::until_close;
  count_status(response_.status);
  response_pump_.emplace(connection_->stream, from_upstream_, Party::upstream);
  response_pump_->start(std::move(head), response_.body, out);
  listener_.reset();  // Long streams keep no table alive.
}

std::optional<Exchange::Attempt> Exchange::step_response_body(bool& moved) {
  const std::uint64_t sent = response_pump_->sent();
  moved |= response_pump_->step(client_);
  count(Counter::response_bytes, response_pump_->sent() - sent);
  switch (response_pump_->state()) {
    case Pump::State::moving:
    case Pump::State::done:
      return std::nullopt;
    case Pump::State::sink_error:
      count(Counter::client_aborts);
      break;
    case Pump::State::bad_framing:
      count(Counter::upstream_bad_responses);
      break;
    case Pump::State::source_ended:
    case Pump::State::source_error:
    case Pump::State::too_large:
      count(Counter::upstream_resets);
      break;
  }
  // The client must not take a truncated message for a complete one.
  return Attempt{Attempt::Kind::finished, Cause::none, Outcome::reset};
}

Exchange::Attempt Exchange::finish_response(upstream::Endpoint& endpoint) {
  const bool request_done = request_pump_.state() == Pump::State::done;
  if (request_done && response_reusable_ && from_upstream_.empty()) {
    endpoint.keep_idle(std::move(connection_), timeouts_.upstream_idle);
  }
  if (!request_done) return {Attempt::Kind::finished, Cause::none, Outcome::linger};
  return {Attempt::Kind::finished, Cause::none, closing_ ? Outcome::close : Outcome::keep};
}

}  // namespace bd::proxy
