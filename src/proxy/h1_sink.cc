#include "proxy/h1_sink.h"

#include <algorithm>
#include <utility>

#include "decide/rewrite.h"
#include "http1/chunked.h"

namespace bd::proxy {

H1Sink::~H1Sink() {
  if (pipe_) pipes_.give_back(std::move(pipe_));
}

void H1Sink::open_chunk(std::size_t size) {
  line_size_ = http1::write_chunk_head(line_.data(), size);
  line_sent_ = 0;
  chunk_left_ = size;
}

/// What follows the data of a chunk: its end, the end of the message, or both.
std::string_view H1Sink::behind(bool chunk_ends, bool message_ends, const http::Fields* trailers) {
  if (!message_ends) return chunk_ends ? http1::kChunkEnd : std::string_view();
  if (trailers == nullptr || !takes_trailers_) {
    constexpr std::string_view end = "\r\n0\r\n\r\n";
    return chunk_ends ? end : http1::kLastChunk;
  }
  trailers_ = chunk_ends ? "\r\n0\r\n" : "0\r\n";
  for (const http::Field& field : *trailers) {
    if (!decide::passes_in_trailer(field)) continue;
    trailers_.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  trailers_ += "\r\n";
  return trailers_;
}

std::size_t H1Sink::put(std::string_view data, bool last, const http::Fields* trailers) {
  if (ended_ || !tail_.empty() || pipe_) {
    flush();
    if (ended_ || !tail_.empty() || pipe_) return 0;
  }
  if (state_ != State::open) return 0;
  // A head alone is the whole message. What there is besides belongs to a tunnel that the peer has
  // not agreed to: it would take it for the next message.
  std::string_view part = framing_ == Framing::none ? std::string_view() : data;
  std::string_view tail;
  if (framing_ == Framing::chunked) {
    if (chunk_left_ == 0 && !data.empty()) open_chunk(data.size());
    part = data.substr(0, chunk_left_);
    const bool chunk_ends = !part.empty() && part.size() == chunk_left_;
    tail = behind(chunk_ends, last && part.size() == data.size(), trailers);
  }
  const std::size_t taken = write(part, tail);
  if (framing_ == Framing::chunked) chunk_left_ -= taken;
  ended_ = framing_ == Framing::none || (last && taken == data.size());
  if (ended_ && is_queue_empty() && state_ == State::open) state_ = State::done;
  return taken;
}

void H1Sink::flush() {
  if (state_ != State::open) return;
  if (pipe_) {
    empty_pipe();
  } else if (!is_queue_empty()) {
    static_cast<void>(write({}, {}));
  }
  if (ended_ && is_queue_empty() && state_ == State::open) state_ = State::done;
}

net::Pipe* H1Sink::pipe() {
  if (pipe_) return pipe_.get();
  const bool takes = framing_ == Framing::raw && !ended_ && is_queue_empty() &&
                     state_ == State::open && stream_.tls() == nullptr;
  if (takes) pipe_ = pipes_.take();
  return pipe_.get();
}

/// Whoever waits for the next bytes holds no pipe.
void H1Sink::empty_pipe() {
  while (!pipe_->empty() && stream_.writable()) {
    const net::IoResult result = pipe_->drain(stream_);
    sent_ += result.bytes;
    if (result.status == net::Io::error) {
      state_ = State::failed;
      return;
    }
  }
  if (pipe_->empty()) pipes_.give_back(std::move(pipe_));
}

/// Writes the queue with `data` in its place, and `tail` behind that. Returns how much of `data`
/// went out; once all did, what is left of `tail` is queued.
std::size_t H1Sink::write(std::string_view data, std::string_view tail) {
  if (tail.empty()) tail = std::exchange(tail_, {});
  std::array<iovec, 4> parts;
  std::size_t count = 0;
  std::size_t put = 0;
  for (const std::string_view part : {head_, line_left(), data, tail}) {
    if (!part.empty()) parts[count++] = {const_cast<char*>(part.data()), part.size()};
  }
  if (count > 0 && stream_.writable()) {
    const net::IoResult result = stream_.write({parts.data(), count});
    if (result.status == net::Io::error || result.status == net::Io::end) state_ = State::failed;
    put = result.bytes;
  }
  sent_ += put;
  const std::size_t head = std::min(put, head_.size());
  head_.remove_prefix(head);
  put -= head;
  const std::size_t line = std::min(put, line_size_ - line_sent_);
  line_sent_ += line;
  put -= line;
  const std::size_t taken = std::min(put, data.size());
  tail.remove_prefix(put - taken);
  if (taken == data.size()) tail_ = tail;
  return taken;
}

}  // namespace bd::proxy
