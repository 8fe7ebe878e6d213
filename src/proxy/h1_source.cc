#include "proxy/h1_source.h"

#include <algorithm>

namespace bd::proxy {

using http1::Framing;

void H1Source::start(Framing framing, std::uint64_t body_max) {
  framing_ = framing;
  body_max_ = body_max;
  decoded_ = framing.kind == Framing::Kind::none;
  left_ = framing.length;
  spliced_ = false;
  if (framing.kind == Framing::Kind::chunked) chunks_.emplace(party_);
}

Run H1Source::next() {
  for (bool may_read = true;;) {
    if (!data_.empty() || decoded_) return {data_, decoded_};
    if (decode()) continue;
    if (state_ != State::open || !may_read || !read_more()) return {};
    may_read = false;
  }
}

void H1Source::consume(std::size_t n) {
  data_.remove_prefix(n);
  if (!data_.empty() || consume_ == 0) return;
  buffer_.consume(consume_);
  consume_ = 0;
}

const http::Fields* H1Source::trailers() {
  if (!chunks_ || !decoded_ || chunks_->trailers().empty()) return nullptr;
  if (trailers_.empty()) http1::append_trailers(chunks_->trailers(), trailers_);
  return &trailers_;
}

/// Keeps a run of decoded data; `consumed` bytes leave the buffer once it is passed on.
void H1Source::take_data(std::string_view data, std::size_t consumed) {
  body_seen_ += data.size();
  if (body_max_ != 0 && body_seen_ > body_max_) {
    state_ = State::too_large;
    return;
  }
  data_ = data;
  consume_ = consumed;
}

/// Takes the next run of body out of the buffer. False: more bytes are needed, or the framing is
/// broken.
bool H1Source::decode() {
  if (framing_.kind == Framing::Kind::chunked) return decode_chunks();
  const std::string_view bytes = buffer_.bytes();
  const bool counted = framing_.kind == Framing::Kind::length;
  const std::size_t n = counted
                            ? static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_))
                            : bytes.size();
  if (n == 0) return false;
  take_data(bytes.substr(0, n), n);
  if (state_ != State::open) return false;
  left_ -= counted ? n : 0;
  decoded_ = counted && left_ == 0;
  return true;
}

bool H1Source::decode_chunks() {
  while (!buffer_.empty() && state_ == State::open) {
    const auto step = chunks_->next(buffer_.bytes());
    if (!step) {
      state_ = State::bad_framing;
      return false;
    }
    if (step->consumed == 0) return false;
    if (step->data.empty()) {
      buffer_.consume(step->consumed);
      decoded_ = step->done;
      if (decoded_) return true;
      continue;
    }
    take_data(step->data, step->consumed);
    if (state_ != State::open) return false;
    take_chunked_end();
    return true;
  }
  return false;
}

/// A short message often holds its end right behind its data: then both go on together.
void H1Source::take_chunked_end() {
  constexpr std::string_view end = "\r\n0\r\n\r\n";
  std::string_view rest = buffer_.bytes().substr(consume_);
  if (!rest.starts_with(end)) return;
  while (!decoded_) {
    const auto step = chunks_->next(rest);
    if (!step || step->consumed == 0)
      return;  // Not the end after all: the next call says what it is.
    rest.remove_prefix(step->consumed);
    consume_ += step->consumed;
    decoded_ = step->done;
  }
}

bool H1Source::read_more() {
  buffer_.release_if_empty();
  if (!stream_.readable()) return false;
  const std::span<char> room = buffer_.room();
  if (room.empty()) return false;
  const net::IoResult got = stream_.read(room);
  if (got.status == net::Io::ok) {
    buffer_.filled(got.bytes);
    received_ += got.bytes;
    return true;
  }
  buffer_.release_if_empty();
  if (got.status == net::Io::again) return false;
  if (got.status == net::Io::end && framing_.kind == Framing::Kind::until_close) {
    decoded_ = true;
    return true;
  }
  fail(got.status);
  return false;
}

void H1Source::fail(net::Io status) noexcept {
  state_ = status == net::Io::end ? State::ended : State::error;
}

bool H1Source::is_bulk() const noexcept {
  // Where a length is above the limit, next() counts and refuses.
  return framing_.kind == Framing::Kind::length && (spliced_ || left_ >= model::kSpliceMin) &&
         !decoded_ && state_ == State::open && data_.empty() && buffer_.empty() &&
         stream_.tls() == nullptr && (body_max_ == 0 || framing_.length <= body_max_);
}

void H1Source::fill(net::Pipe& pipe) {
  buffer_.release_if_empty();
  if (!stream_.readable()) return;
  const net::IoResult got = pipe.fill(
      stream_, static_cast<std::size_t>(std::min<std::uint64_t>(left_, model::kPipeBytes)));
  if (got.status == net::Io::end || got.status == net::Io::error) fail(got.status);
  spliced_ |= got.bytes > 0;
  received_ += got.bytes;
  left_ -= got.bytes;
  decoded_ = left_ == 0;
}

}  // namespace bd::proxy
