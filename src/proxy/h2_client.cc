#include "proxy/h2_client.h"

#include <utility>

#include "base/ascii.h"
#include "proxy/session.h"

namespace bd::proxy {

using decide::Cause;
using Body = decide::BodyFraming::Kind;

H2Client::H2Client(Session& session, std::shared_ptr<mux::Stream> stream, rt::Waiter& wakes)
    : Client(session, wakes), stream_(std::move(stream)), body_(*stream_), sink_(*stream_) {
  stream_->waiter = &wakes;
  received_ = std::move(stream_->heads.front());
  stream_->heads.pop_front();
  take_head();
}

H2Client::~H2Client() {
  stream_->waiter = nullptr;
  if (stream_->closed()) return;
  // The response is complete: the rest of the request is not wanted (RFC 9113 §8.1). Otherwise the
  // client must not take what it has for a whole message.
  const bool complete = sink_.state() == Sink::State::done;
  if (!complete || !stream_->ended()) {
    stream_->reset(complete ? mux::Stream::kNoError : mux::Stream::kInternalError);
  }
}

void H2Client::take_head() {
  const http::Field* host = http::find(received_.fields, http::FieldName::host);
  const http::Field* length = http::find(received_.fields, http::FieldName::content_length);
  const http::Field* expect = http::find(received_.fields, http::FieldName::expect);
  head_ = {
      .method = http::parse_method(received_.method),
      .method_text = received_.method,
      .target = received_.path,
      .host = !received_.authority.empty() || host == nullptr ? received_.authority : host->value,
      .fields = &received_.fields};
  // nghttp2 holds body and Content-Length against each other.
  const auto bytes =
      length == nullptr ? std::nullopt : ascii::parse_decimal<std::uint64_t>(length->value);
  head_.has_content_length = bytes.has_value();
  if (bytes && *bytes > 0) {
    head_.body = {Body::length, *bytes};
  } else if (!bytes && !stream_->ended()) {
    head_.body = {Body::chunked, 0};
  }
  head_.expect_continue = expect != nullptr && !stream_->ended();
  head_.grpc = is_grpc(received_.fields);
  is_tunnel_ = head_.method == http::Method::connect && received_.protocol == "websocket";
  if (!is_tunnel_) return;
  // RFC 8441 §5: the stream is what a GET with an Upgrade is in HTTP/1.1.
  head_.method = http::Method::get;
  head_.method_text = "GET";
  head_.body = {};
  head_.expect_continue = false;
  head_.wants_websocket = true;
}

Cause H2Client::judge_head() const {
  const model::Limits& limits = listener->facts.limits;
  if (received_.too_large) return Cause::head_too_large;
  if (received_.path.size() > limits.request_line_max) return Cause::uri_too_long;
  if (!received_.protocol.empty() && !is_tunnel_) return Cause::unsupported;
  const http::Field* expect = http::find(received_.fields, http::FieldName::expect);
  const bool known = expect == nullptr || ascii::equal_fold(expect->value, "100-continue");
  return known ? Cause::none : Cause::expectation;
}

void H2Client::release_head() {
  // The fields go; the body's limit stays.
  body_.start(listener->facts.limits.request_body_max);
  received_ = {};
  head_.fields = nullptr;
}

void H2Client::interim(const decide::ResponseRewrite& response) {
  if (response.status == 100 && stream_->received() > 0) return;
  http::FieldList fields;
  decide::append_response_fields(fields, response);
  stream_->submit_head(response.status, fields.fields(), false);
  worker.stats().add(telemetry::Counter::responses_1xx);
}

Sink& H2Client::respond(const decide::ResponseRewrite& response, bool) {
  http::FieldList fields;
  decide::ResponseRewrite rewrite = response;
  if (rewrite.websocket) rewrite.status = 200;
  decide::append_response_fields(fields, rewrite);
  const bool empty =
      !rewrite.websocket &&
      (rewrite.bodiless || (rewrite.framing.kind == Body::length && rewrite.framing.length == 0));
  stream_->submit_head(rewrite.status, fields.fields(), empty);
  sink_.start(0, empty);
  return sink_;
}

rt::Task<Outcome> H2Client::answer(OwnAnswer own) {
  own.grpc = head_.grpc;
  OwnResponse response = own_response(own);
  const bool empty = response.body.empty();
  stream_->submit_head(response.status, response.fields.fields(), empty);
  // An answer of ours is smaller than what a stream takes ahead of the client's window.
  if (!empty) static_cast<void>(stream_->write(response.body));
  worker.stats().add(telemetry::Counter::response_bytes, response.body.size());
  if (!empty) stream_->finish();
  sink_.start(0, true);
  co_return Outcome::keep;
}

}  // namespace bd::proxy
