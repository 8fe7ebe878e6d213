#include "mux/connection.h"

#include <algorithm>
#include <array>
#include <utility>

namespace bd::mux {
namespace {

constexpr int kReadsPerTurn = 16;             // Then the other connections have a turn.
constexpr std::size_t kReadBytes = 16 << 10;  // One buffer for all connections of a thread.
constexpr std::size_t kPullBytes = 64 << 10;  // Frames that go out with one system call.

std::span<char> read_buffer() {
  static thread_local std::array<char, kReadBytes> buffer;
  return buffer;
}

}  // namespace

void Stream::consume(std::size_t n) {
  consumed_ += n;
  if (consumed_ == inbound_.size()) {
    // Idle streams hold no memory.
    inbound_ = {};
    consumed_ = 0;
  }
  if (connection_ == nullptr || closed_) return;
  connection_->http2_.consume(id_, n);
  connection_->defer();
}

void Stream::submit_head(int status, std::span<const http::Field> fields, bool end) {
  if (connection_ == nullptr || closed_) return;
  connection_->http2_.submit_head(id_, status, fields, end);
  connection_->defer();
}

std::size_t Stream::write(std::string_view data) {
  if (connection_ == nullptr || closed_) return 0;
  connection_->defer();
  return connection_->http2_.write(id_, data);
}

void Stream::finish(std::span<const http::Field> fields) {
  if (connection_ == nullptr || closed_) return;
  connection_->http2_.finish(id_, fields);
  connection_->defer();
}

void Stream::reset(std::uint32_t error_code) {
  if (connection_ == nullptr || closed_) return;
  connection_->http2_.reset(id_, error_code);
  connection_->defer();
}

bool Stream::takes_bytes() const {
  if (connection_ == nullptr || closed_) return false;
  return connection_->http2_.outbound(id_) == 0;
}

Connection::Connection(rt::Reactor& reactor, net::Stream& stream, http2::Role role,
                       const http2::Options& options, Owner& owner)
    : Deferred(reactor),
      stream_(stream),
      role_(role),
      owner_(owner),
      http2_(role, options, *this),
      last_progress_(reactor.now()) {
  stream_.handle().set_sink(this);
  defer();  // The preface.
}

Connection::~Connection() {
  for (const auto& [id, stream] : streams_) {
    stream->connection_ = nullptr;
    stream->closed_ = true;
  }
}

void Connection::begin(std::string_view bytes) {
  receive(bytes);
  on_event();
}

void Connection::on_event() {
  const std::shared_ptr<void> alive = owner_.hold();
  for (int reads = 0; reads < kReadsPerTurn && read_once(); ++reads) {
  }
  tell();
  // Somebody else's turn; edge-triggered events do not come twice.
  if (!over_ && !dying_ && stream_.readable()) defer();
  if (!over_ && (stream_.writable() || dying_)) defer();
}

bool Connection::read_once() {
  if (over_ || dying_ || !stream_.readable()) return false;
  const std::span<char> room = read_buffer();
  const net::IoResult got = stream_.read(room);
  if (got.status == net::Io::again) return false;
  if (got.status != net::Io::ok) {
    abandon();
    return false;
  }
  receive({room.data(), got.bytes});
  return true;
}

void Connection::receive(std::string_view bytes) {
  last_progress_ = reactor_.now();
  if (http2_.receive(bytes, reactor_.now())) return;
  dying_ = true;
}

std::shared_ptr<Stream> Connection::open(std::span<const http::Field> fields, bool end) {
  if (over_) return nullptr;
  const std::int32_t id = http2_.submit_request(fields, end);
  if (id < 0) return nullptr;
  auto stream = std::make_shared<Stream>(*this);
  stream->id_ = id;
  streams_.emplace(id, stream);
  defer();
  return stream;
}

void Connection::on_head(std::int32_t id, http2::Head head, bool) {
  auto found = streams_.find(id);
  const bool is_request = found == streams_.end();
  if (is_request) {
    auto stream = std::make_shared<Stream>(*this);
    stream->id_ = id;
    found = streams_.emplace(id, std::move(stream)).first;
  }
  found->second->heads.push_back(std::move(head));
  news(found->second);
}

void Connection::on_data(std::int32_t id, std::string_view data) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = *found->second;
  if (stream.consumed_ > 0) stream.inbound_.erase(0, std::exchange(stream.consumed_, 0));
  stream.inbound_.append(data);
  stream.received_ += data.size();
  news(found->second);
}

void Connection::on_trailers(std::int32_t id, http2::Head trailers) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  found->second->trailers = std::move(trailers);
  news(found->second);
}

void Connection::on_end(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  found->second->ended_ = true;
  news(found->second);
}

void Connection::on_writable(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found != streams_.end()) news(found->second);
}

void Connection::on_closed(std::int32_t id, std::uint32_t error_code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::shared_ptr<Stream> stream = found->second;
  streams_.erase(found);
  stream->closed_ = true;
  stream->error_ = error_code;
  news(stream);
}

void Connection::news(const std::shared_ptr<Stream>& stream) {
  if (std::exchange(stream->has_news_, true)) return;
  news_.push_back(stream);
}

/// Whoever is woken may make more news, for itself and for others.
void Connection::tell() {
  while (!news_.empty()) {
    const std::shared_ptr<Stream> stream = std::move(news_.back());
    news_.pop_back();
    stream->has_news_ = false;
    if (stream->waiter != nullptr) {
      stream->waiter->wake();
    } else if (role_ == http2::Role::server && stream->heads.size() == 1 && !stream->closed_) {
      owner_.on_stream(stream);
    }
  }
}

/// One write per turn in the common case: all frames of all streams together.
bool Connection::write_out() {
  while (stream_.writable()) {
    if (out_.empty() && !http2_.pull(out_, kPullBytes)) return true;
    const iovec part{out_.data(), out_.size()};
    const net::IoResult put = stream_.write({&part, 1});
    if (put.status == net::Io::again) return true;
    if (put.status != net::Io::ok) return false;
    last_progress_ = reactor_.now();
    out_.erase(0, put.bytes);
  }
  return true;
}

void Connection::flush() {
  if (over_) return;
  const std::shared_ptr<void> alive = owner_.hold();
  const bool sent = write_out();
  if (out_.empty() && out_.capacity() > kPullBytes / 4) out_ = {};  // Held only while it waits.
  const bool silent = out_.empty() || !sent;
  if (!sent || ((dying_ || http2_.finished()) && silent)) return end();
  tell();
  if (stream_.readable() && !dying_) on_event();
}

void Connection::announce_shutdown() {
  http2_.announce_shutdown();
  defer();
}

void Connection::shutdown() {
  http2_.shutdown();
  defer();
}

void Connection::abandon() {
  dying_ = true;
  out_.clear();
  end();
}

void Connection::end() {
  if (std::exchange(over_, true)) return;
  stream_.handle().set_sink(nullptr);
  for (auto& [id, stream] : streams_) {
    stream->closed_ = stream->lost_ = true;
    stream->error_ = Stream::kInternalError;
    news(stream);
  }
  streams_.clear();
  tell();
  owner_.on_end();
}

std::size_t Connection::held() const {
  std::size_t out = out_.capacity();
  for (const auto& [id, stream] : streams_) {
    out += stream->inbound_.capacity() + http2_.outbound(id);
  }
  return out;
}

void Connection::wake_all() {
  std::vector<std::shared_ptr<Stream>> all;
  for (const auto& [id, stream] : streams_) all.push_back(stream);
  for (const auto& stream : all) {
    if (stream->waiter != nullptr) stream->waiter->wake();
  }
}

}  // namespace bd::mux
