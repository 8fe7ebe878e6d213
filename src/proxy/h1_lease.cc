#include "proxy/h1_lease.h"

#include <utility>

namespace bd::proxy {

using Kind = http1::Framing::Kind;

H1Lease::H1Lease(Worker& worker, std::shared_ptr<upstream::Endpoint> endpoint,
                 std::unique_ptr<upstream::Connection> connection, http::Method method,
                 std::string_view head, H1Sink::Framing framing, std::size_t response_head_max)
    : worker_(worker),
      endpoint_(std::move(endpoint)),
      connection_(std::move(connection)),
      method_(method),
      response_head_max_(response_head_max),
      in_(worker.blocks()),
      sink_(connection_->stream, worker.pipes()),
      source_(connection_->stream, in_, Party::upstream),
      parser_({response_head_max, response_head_max, model::kResponseFieldsMax}) {
  parsed_.fields = worker.take_fields();
  sink_.start(head, framing);
}

H1Lease::~H1Lease() {
  worker_.give_back(std::move(parsed_.fields));
}

Lease::Event H1Lease::read_head(bool& moved) {
  if (head_size_ > 0) {  // The one before was interim.
    in_.consume(std::exchange(head_size_, 0));
    if (!in_.empty()) {
      if (const Event event = parse(); event != Event::nothing) return event;
    }
  }
  net::Stream& stream = connection_->stream;
  // Who takes no more may have answered already; if not, reading says so.
  if (sink_.state() == Sink::State::failed) stream.handle().readable = true;
  while (stream.readable()) {
    const std::span<char> room = in_.room(response_head_max_ + 1);
    if (room.empty()) return Event::too_large;
    const net::IoResult got = stream.read(room);
    if (got.status == net::Io::again) break;
    // Bytes from before the request answer nothing: servers say 408 on a connection they close.
    if (got.status != net::Io::ok || sink_.sent() == 0) return Event::lost;
    in_.filled(got.bytes);
    moved = true;
    if (const Event event = parse(); event != Event::nothing) return event;
  }
  in_.release_if_empty();
  return Event::nothing;
}

Lease::Event H1Lease::parse() {
  const auto size = parser_.parse(in_.bytes(), method_, parsed_);
  if (!size) {
    const bool too_large = size.error().code == Error::Code::response_too_large;
    return too_large ? Event::too_large : Event::malformed;
  }
  heard_ |= !in_.empty();
  if (!*size) return Event::nothing;
  head_size_ = **size;
  take_head();
  return Event::head;
}

void H1Lease::take_head() {
  using Out = decide::BodyFraming::Kind;
  head_ = {.status = parsed_.status,
           .reason = parsed_.reason,
           .fields = &parsed_.fields,
           .body = {},
           .reusable = parsed_.keep_alive && parsed_.body.kind != Kind::until_close};
  if (parsed_.body.kind == Kind::length) {
    head_.body = {Out::length, parsed_.body.length};
  } else if (parsed_.body.kind != Kind::none) {
    head_.body = {Out::chunked, 0};
  }
}

Source& H1Lease::response() {
  if (head_size_ > 0) {
    in_.consume(std::exchange(head_size_, 0));
    source_.start(parsed_.body);
  }
  return source_;
}

void H1Lease::begin_tunnel() {
  in_.consume(std::exchange(head_size_, 0));
  source_.start({Kind::until_close, 0});
  sink_.start({}, H1Sink::Framing::raw);
}

void H1Lease::release(rt::Duration idle_max) {
  // A PROXY header speaks for one client, and holds for the connection.
  if (endpoint_->profile().proxy_header() != model::ProxyHeader::none) return;
  if (head_.reusable && in_.empty() && sink_.state() == Sink::State::done && source_.finished()) {
    endpoint_->keep_idle(std::move(connection_), idle_max);
  }
}

Lease::Loss H1Lease::loss() const {
  if (sink_.sent() == 0) return Loss::unprocessed;
  return heard_ ? Loss::answered : Loss::unheard;
}

}  // namespace bd::proxy
