#include "proxy/pump.h"

#include <algorithm>

namespace bd::proxy {

using http1::Framing;

namespace {
constexpr int kRoundsPerStep = 16;  // Of one buffer each.
constexpr int kWritesPerStep = 32;
}  // namespace

void Pump::start(std::string head, Framing body, Out out, std::uint64_t body_max) {
  head_ = std::move(head);
  framing_ = body;
  out_ = out;
  body_max_ = body_max;
  decoded_ = body.kind == Framing::Kind::none;
  end_written_ = decoded_;
  left_ = body.length;
  if (body.kind == Framing::Kind::chunked) chunks_.emplace(source_party_);
}

/// Queues a run of decoded data; `consumed` bytes leave the buffer once it is written.
void Pump::take_data(std::string_view data, std::size_t consumed) {
  body_seen_ += data.size();
  if (body_max_ != 0 && body_seen_ > body_max_) {
    state_ = State::too_large;
    return;
  }
  data_ = data;
  consume_ = consumed;
  if (out_ == Out::chunked) {
    line_size_ = http1::write_chunk_head(line_.data(), data.size());
    line_sent_ = 0;
    tail_ = http1::kChunkEnd;
  }
}

void Pump::finish_body() {
  decoded_ = true;
  end_written_ = true;
  if (out_ == Out::chunked) {
    // The message's end goes out with its last data if there is some.
    constexpr std::string_view data_then_end = "\r\n0\r\n\r\n";
    tail_ = data_.empty() ? http1::kLastChunk : data_then_end;
  }
}

/// Takes the next run of body out of the buffer. False: more bytes are needed, or the framing is
/// broken.
bool Pump::decode() {
  if (framing_.kind == Framing::Kind::chunked) return decode_chunks();
  const std::string_view bytes = buffer_.bytes();
  const bool counted = framing_.kind == Framing::Kind::length;
  const std::size_t n = counted
                            ? static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_))
                            : bytes.size();
  if (n == 0) return false;
  take_data(bytes.substr(0, n), n);
  if (state_ != State::moving) return false;
  left_ -= counted ? n : 0;
  if (counted && left_ == 0) finish_body();
  return true;
}

bool Pump::decode_chunks() {
  bool moved = false;
  while (!buffer_.empty() && data_.empty() && !decoded_ && state_ == State::moving) {
    auto step = chunks_->next(buffer_.bytes());
    if (!step) {
      state_ = State::bad_framing;
      return false;
    }
    if (step->consumed == 0) break;
    moved = true;
    if (step->data.empty()) {
      buffer_.consume(step->consumed);
    } else {
      take_data(step->data, step->consumed);
      if (state_ != State::moving) return false;
      take_chunked_end();
    }
    if (step->done) finish_body();
  }
  return moved;
}

/// A short message often holds its end right behind its data: then both go out with one write.
void Pump::take_chunked_end() {
  constexpr std::string_view end = "\r\n0\r\n\r\n";
  std::string_view rest = buffer_.bytes().substr(consume_);
  if (!rest.starts_with(end)) return;
  while (!decoded_) {
    const auto step = chunks_->next(rest);
    if (!step || step->consumed == 0)
      return;  // Not the end after all: the next call says what it is.
    rest.remove_prefix(step->consumed);
    consume_ += step->consumed;
    if (step->done) finish_body();
  }
}

bool Pump::read_more() {
  if (!source_.handle().readable) return false;
  const std::span<char> room = buffer_.room();
  if (room.empty()) return false;
  const net::IoResult got = source_.read(room);
  if (got.status == net::Io::ok) {
    buffer_.filled(got.bytes);
    received_ += got.bytes;
    return true;
  }
  buffer_.release_if_empty();
  if (got.status == net::Io::again) return false;
  if (got.status == net::Io::end && framing_.kind == Framing::Kind::until_close) {
    finish_body();
    return true;
  }
  state_ = got.status == net::Io::end ? State::source_ended : State::source_error;
  return true;
}

void Pump::account_written(std::size_t bytes) {
  sent_ += bytes;
  const std::size_t head = std::min(bytes, head_.size() - head_sent_);
  head_sent_ += head;
  bytes -= head;
  const std::size_t line = std::min(bytes, line_size_ - line_sent_);
  line_sent_ += line;
  bytes -= line;
  const std::size_t data = std::min(bytes, data_.size());
  data_.remove_prefix(data);
  bytes -= data;
  if (data_.empty() && consume_ > 0) {
    buffer_.consume(consume_);
    consume_ = 0;
  }
  tail_.remove_prefix(bytes);
}

/// Writes what is queued. False: nothing to write, or the sink takes no more.
bool Pump::flush(net::Stream& sink) {
  std::array<iovec, 4> parts;
  std::size_t count = 0;
  const auto add = [&](const char* at, std::size_t size) {
    if (size > 0) parts[count++] = {const_cast<char*>(at), size};
  };
  add(head_.data() + head_sent_, head_.size() - head_sent_);
  add(line_.data() + line_sent_, line_size_ - line_sent_);
  add(data_.data(), data_.size());
  add(tail_.data(), tail_.size());
  if (count == 0 || !sink.handle().writable) return false;
  const net::IoResult put = sink.write({parts.data(), count});
  if (put.status == net::Io::again) return false;
  if (put.status != net::Io::ok) {
    state_ = State::sink_error;
    return true;
  }
  account_written(put.bytes);
  return true;
}

bool Pump::step(net::Stream& sink) {
  bool moved = false;
  for (int rounds = 0, writes = 0; state_ == State::moving;) {
    const bool queued = !data_.empty() || !tail_.empty();
    if (!decoded_ && !queued && decode()) {
      moved = true;
      continue;
    }
    if (state_ != State::moving) return true;
    if (flush(sink)) {
      moved = true;
      // Chunks of one byte each cost a write each: writes count too.
      if (++writes > kWritesPerStep) return true;
      continue;
    }
    const bool pending =
        head_sent_ < head_.size() || line_sent_ < line_size_ || !data_.empty() || !tail_.empty();
    if (pending) return moved;
    buffer_.release_if_empty();
    if (decoded_ && end_written_) {
      state_ = State::done;
      return true;
    }
    if (++rounds > kRoundsPerStep || !read_more()) return moved;
    moved = true;
  }
  return moved;
}

}  // namespace bd::proxy
