#include "upstream/endpoint.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "model/limits.h"

namespace bd::upstream {

Connection::Connection(Endpoint& endpoint) : endpoint_(&endpoint), open_(endpoint.open_) {
  ++*open_;
}

void Connection::watch_acknowledgements(bool on) {
  if (on == std::exchange(watched_, on)) return;
  const auto ms = static_cast<unsigned>(on ? model::kUnacknowledged.count() : 0);
  // Without it the wait is longer, no more.
  static_cast<void>(::setsockopt(stream.fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms));
}

void Connection::on_event() {
  if (stream.handle().readable) endpoint_->drop(this);  // Room to write is no news.
}
void Connection::on_timer() {
  endpoint_->drop(this);
}

Endpoint::~Endpoint() {
  drop_idle();
}

namespace {

/// True if nothing has arrived: neither a FIN nor bytes that would belong to no request.
bool is_silent(int fd) {
  char byte;
  const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace

std::unique_ptr<Connection> Endpoint::take_idle(Check check) {
  while (!idle_.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    telemetry::WorkerStats::bump(stats_.idle_upstream, -1);
    reactor_.timers().disarm(*connection);
    connection->stream.handle().set_sink(nullptr);
    if (connection->stream.handle().peer_closed) continue;
    if (check == Check::probe && !is_silent(connection->stream.fd())) continue;
    connection->reused = true;
    return connection;
  }
  return nullptr;
}

void Endpoint::keep_idle(std::unique_ptr<Connection> connection, rt::Duration idle_max) {
  rt::Handle& handle = connection->stream.handle();
  if (retired_ || handle.peer_closed) return;
  // Bytes that arrived before now and were not read belong to no request, and no event will tell of
  // them again.
  if (handle.readable && !is_silent(connection->stream.fd())) return;
  handle.readable = false;
  if (idle_.size() >= model::kIdlePerEndpointMax) return;
  handle.set_sink(connection.get());
  reactor_.timers().arm(*connection, reactor_.now() + idle_max);
  telemetry::WorkerStats::bump(stats_.idle_upstream, 1);
  idle_.push_back(std::move(connection));
}

bool Endpoint::close_one_idle() {
  if (idle_.empty()) return false;
  drop(idle_.front().get());
  return true;
}

void Endpoint::drop(const Connection* connection) {
  const auto it = std::find_if(idle_.begin(), idle_.end(),
                               [&](const auto& entry) { return entry.get() == connection; });
  if (it == idle_.end()) return;
  telemetry::WorkerStats::bump(stats_.idle_upstream, -1);
  idle_.erase(it);
}

std::shared_ptr<Shared> Endpoint::shared() const {
  const auto found = std::find_if(shared_.begin(), shared_.end(),
                                  [](const auto& entry) { return entry->can_open(); });
  return found == shared_.end() ? nullptr : *found;
}

void Endpoint::share(std::shared_ptr<Shared> connection) {
  if (retired_) return;
  connection->endpoint = this;
  shared_.push_back(std::move(connection));
}

void Endpoint::drop(const Shared& connection) {
  std::erase_if(shared_, [&](const auto& entry) { return entry.get() == &connection; });
}

void Endpoint::end_connecting() {
  connecting_ = false;
  for (rt::Waiter* waiter : std::exchange(hopeful_, {})) waiter->wake_later();
}

void Endpoint::drop_idle() {
  // Those in use end with their last exchange.
  for (const auto& entry : shared_) entry->endpoint = nullptr;
  shared_.clear();
  telemetry::WorkerStats::bump(stats_.idle_upstream, -static_cast<std::int64_t>(idle_.size()));
  idle_.clear();
}

}  // namespace bd::upstream
