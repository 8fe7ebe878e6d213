#include "proxy/h1_client.h"

#include <utility>

#include "base/ascii.h"
#include "websocket/handshake.h"

namespace bd::proxy {

using decide::Cause;
using rt::Waiter;
using telemetry::Counter;
using Kind = http1::Framing::Kind;

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
    default:
      return Cause::bad_request;
  }
}

decide::BodyFraming framing_of(const http1::RequestHead& head) {
  using Out = decide::BodyFraming::Kind;
  if (head.body.kind == Kind::length) return {Out::length, head.body.length};
  if (head.body.kind == Kind::chunked) return {Out::chunked, 0};
  return {};
}

/// RFC 9110 §6.5.1: a sender may use trailers if the client said that it takes them.
bool says_te_trailers(const http::Fields& fields) {
  const http::Field* te = http::find(fields, http::FieldName::te);
  return te != nullptr && ascii::equal_fold(te->value, "trailers");
}

}  // namespace

H1Client::H1Client(Session& session)
    : Client(session, session.waiter),
      session_(session),
      body_(session.client, session.in, Party::downstream),
      sink_(session.client, worker.pipes()) {
  parsed_.fields = worker.take_fields();
  session_.cargo = this;
}

H1Client::~H1Client() {
  session_.cargo = nullptr;
  worker.give_back(std::move(parsed_.fields));
}

rt::Task<Cause> H1Client::read_head() {
  const model::Limits& limits = listener->facts.limits;
  http1::RequestParser parser(
      {limits.request_line_max, limits.request_head_max, limits.request_fields_max});
  const rt::Instant deadline = worker.reactor().now() + listener->facts.timeouts.request_head;
  for (;;) {
    const auto size = parser.parse(session_.in.bytes(), parsed_);
    if (!size) {
      head_.method = parsed_.method;  // Known from the first line on: a HEAD gets no body.
      co_return cause_of(size.error());
    }
    if (*size) {
      head_size_ = **size;
      co_return take_head();
    }
    // One byte of room above the limit lets the parser see that it is passed.
    const std::span<char> room = session_.in.room(limits.request_head_max + 1);
    if (room.empty()) co_return Cause::head_too_large;
    if (!session_.client.readable()) {
      const Waiter::Woken woken = co_await waiter.wait(deadline);
      if (woken == Waiter::Woken::deadline) {
        silent_ = session_.in.empty();
        co_return Cause::client_timeout;
      }
      continue;
    }
    const net::IoResult got = session_.client.read(room);
    if (got.status == net::Io::ok) {
      session_.in.filled(got.bytes);
      worker.stats().add(Counter::request_bytes, got.bytes);
    } else if (got.status != net::Io::again) {
      session_.in.clear();
      silent_ = true;
      co_return Cause::client_timeout;  // Half a head and a close.
    }
  }
}

Cause H1Client::take_head() {
  persists_ = parsed_.keep_alive;
  is_http10_ = parsed_.minor_version == 0;
  takes_trailers_ = says_te_trailers(parsed_.fields);
  head_ = {.method = parsed_.method,
           .method_text = parsed_.method_text,
           .target = parsed_.target,
           .host = parsed_.host,
           .fields = &parsed_.fields,
           .body = framing_of(parsed_),
           .has_content_length = parsed_.has_content_length,
           .expect_continue = parsed_.expect_continue};
  // Any other protocol is not offered: the Upgrade is dropped, and the request served without it.
  const http::Field* upgrade = http::find(parsed_.fields, http::FieldName::upgrade);
  const bool asks = upgrade != nullptr && parsed_.method == http::Method::get && !is_http10_ &&
                    ascii::equal_fold(upgrade->value, "websocket");
  if (!asks) return Cause::none;
  head_.wants_websocket = websocket::parse_upgrade(parsed_.fields).has_value();
  return head_.wants_websocket ? Cause::none : Cause::bad_upgrade;
}

void H1Client::release_head() {
  session_.in.consume(head_size_);
  head_size_ = 0;
  parsed_.fields.clear();
  body_.start(parsed_.body, listener->facts.limits.request_body_max);
}

void H1Client::interim(const decide::ResponseRewrite& response) {
  if (is_http10_) return;
  if (response.status == 100 && !session_.in.empty()) return;  // The body is on its way already.
  decide::append_response_head(interim_left_, response);
  worker.stats().add(Counter::responses_1xx);
  const iovec part{interim_left_.data(), interim_left_.size()};
  if (!session_.client.writable()) return;
  const net::IoResult put = session_.client.write({&part, 1});
  if (put.status == net::Io::ok) interim_left_.erase(0, put.bytes);
}

Sink& H1Client::respond(const decide::ResponseRewrite& response, bool ended) {
  using Out = decide::BodyFraming::Kind;
  decide::ResponseRewrite rewrite = response;
  H1Sink::Framing framing = H1Sink::Framing::none;
  closing_ = !persists_ || !worker.keeps_connections() || !ended;
  if (rewrite.websocket) {
    framing = H1Sink::Framing::raw;
    closing_ = true;
  } else if (rewrite.framing.kind == Out::length && !rewrite.bodiless) {
    framing = rewrite.framing.length > 0 ? H1Sink::Framing::raw : H1Sink::Framing::none;
  } else if (rewrite.framing.kind == Out::chunked && is_http10_) {
    closing_ = true;
    rewrite.framing = {};
    framing = H1Sink::Framing::raw;
  } else if (rewrite.framing.kind == Out::chunked) {
    framing = H1Sink::Framing::chunked;
  }
  rewrite.close = closing_;
  rewrite.http10_client = is_http10_;
  response_head_ = std::exchange(interim_left_, {});
  response_head_.reserve(response_head_.size() + 512);
  decide::append_response_head(response_head_, rewrite);
  sink_.start(response_head_, framing, takes_trailers_);
  return sink_;
}

rt::Task<bool> H1Client::write_all(std::string_view bytes) {
  const rt::Instant deadline =
      worker.reactor().now() + session_.listener()->facts.timeouts.body_idle;
  while (!bytes.empty()) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    const net::IoResult put = session_.client.write({&part, 1});
    if (put.status == net::Io::ok) {
      bytes.remove_prefix(put.bytes);
      worker.stats().add(Counter::response_bytes, put.bytes);
      continue;
    }
    if (put.status != net::Io::again) co_return false;
    const Waiter::Woken woken = co_await waiter.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return false;
  }
  co_return true;
}

/// The head of the request may be there still, and its body be unread.
rt::Task<Outcome> H1Client::answer(OwnAnswer own) {
  const bool head_failed = head_.method_text.empty();
  // The end of a message that was not understood is in doubt: nothing after it may be read.
  if (head_failed) persists_ = false;
  const bool body_is_left =
      head_size_ > 0 ? parsed_.body.kind != Kind::none : !head_failed && !body_.finished();
  if (head_size_ > 0) session_.in.consume(std::exchange(head_size_, 0));
  const bool dangerous = own.cause == Cause::bad_target || own.cause == Cause::bad_host;
  own.close = !persists_ || body_is_left || dangerous || !worker.keeps_connections();
  own.http10_client = is_http10_;
  // An interim response that stands half written is finished first.
  const std::string response = std::exchange(interim_left_, {}) + proxy::respond(own);
  const bool written = co_await write_all(response);
  if (!written) co_return Outcome::reset;
  co_return own.close ? Outcome::linger : Outcome::keep;
}

Outcome H1Client::finish(bool request_ended) const {
  if (!request_ended) return Outcome::linger;
  return closing_ ? Outcome::close : Outcome::keep;
}

}  // namespace bd::proxy
