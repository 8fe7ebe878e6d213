#include "proxy/h2_lease.h"

#include <utility>

#include "base/ascii.h"

namespace bd::proxy {

H2Lease::H2Lease(std::shared_ptr<upstream::Shared> shared, std::shared_ptr<mux::Stream> stream,
                 rt::Waiter& waiter, bool ended)
    : shared_(std::move(shared)), stream_(std::move(stream)), source_(*stream_), sink_(*stream_) {
  stream_->waiter = &waiter;
  sink_.start(0, ended);
}

H2Lease::~H2Lease() {
  stream_->waiter = nullptr;
  stream_->reset(mux::Stream::kCancel);  // Nothing happens to a stream that is complete.
  shared_->rest();
}

Lease::Event H2Lease::read_head(bool& moved) {
  if (!stream_->heads.empty()) {
    received_ = std::move(stream_->heads.front());
    stream_->heads.pop_front();
    moved = heard_ = true;
    if (received_.too_large) return Event::too_large;
    take_head();
    return Event::head;
  }
  if (!stream_->closed()) return Event::nothing;
  return stream_->error() == mux::Stream::kProtocolError ? Event::malformed : Event::lost;
}

void H2Lease::take_head() {
  using Body = decide::BodyFraming::Kind;
  head_ = {.status = received_.status, .reason = {}, .fields = &received_.fields, .body = {}};
  const http::Field* length = http::find(received_.fields, http::FieldName::content_length);
  const auto bytes =
      length == nullptr ? std::nullopt : ascii::parse_decimal<std::uint64_t>(length->value);
  const bool empty = stream_->ended() && stream_->inbound().empty() && !stream_->trailers;
  if (empty) return;
  // Trailers may follow a body with a length too; in HTTP/1.1 only chunks can carry them.
  head_.body = bytes && *bytes > 0 ? decide::BodyFraming{Body::length, *bytes}
                                   : decide::BodyFraming{Body::chunked, 0};
}

Lease::Loss H2Lease::loss() const {
  if (stream_->refused()) return Loss::unprocessed;
  return stream_->lost() && !heard_ ? Loss::unheard : Loss::answered;
}

}  // namespace bd::proxy
