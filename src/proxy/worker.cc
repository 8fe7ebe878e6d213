#include "proxy/worker.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "proxy/session.h"

namespace bd::proxy {

using namespace std::chrono_literals;

Worker::Worker(std::string exposure, std::vector<ListenSocket> sockets,
               telemetry::WorkerStats& stats, unsigned workers)
    : stats_(stats), workers_(workers), upstreams_(reactor_, stats) {
  // After a restart the memory holds the dead worker's gauges.
  stats_.open_connections.store(0, std::memory_order_relaxed);
  stats_.active_requests.store(0, std::memory_order_relaxed);
  stats_.idle_upstream.store(0, std::memory_order_relaxed);
  BD_ASSERT(getrandom(random_.data(), sizeof random_, 0) == sizeof random_);
  for (const ListenSocket& socket : sockets) {
    auto listener = std::make_shared<decide::Listener>();
    listener->exposure = exposure;
    listener->facts.name = socket.listener;
    listeners_.push_back(std::move(listener));
    tls_.emplace_back();
    acceptors_.push_back(std::make_unique<Acceptor>(*this, listeners_.size() - 1, socket.fd));
  }
}

Worker::~Worker() {
  BD_ASSERT(sessions_ == nullptr);
}

void Worker::run() {
  reactor_.run([this] { turn(); }, 1000ms);
  // stop() was called: nothing waits any more, so every session runs to its end.
  closing_ = true;
  reactor_.cancel();
  while (sessions_ != nullptr) sessions_->waiter.wake();
}

void Worker::turn() {
  const auto since_start = reactor_.now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_start).count();
  stats_.heartbeat_ms.store(static_cast<std::uint64_t>(ms), std::memory_order_relaxed);
}

void Worker::apply(const std::shared_ptr<const snapshot::Door>& door,
                   const std::map<std::string, std::shared_ptr<const route::Table>>& tables) {
  upstreams_.apply(door);
  for (auto& current : listeners_) {
    const auto facts =
        std::find_if(door->exposure.listeners.begin(), door->exposure.listeners.end(),
                     [&](const model::Listener& l) { return l.name == current->facts.name; });
    const auto table = tables.find(current->facts.name);
    if (facts == door->exposure.listeners.end() || table == tables.end()) continue;
    auto next = std::make_shared<decide::Listener>();
    next->exposure = current->exposure;
    next->facts = *facts;
    next->table = table->second;
    tls_[static_cast<std::size_t>(&current - listeners_.data())].update(*facts, *door);
    current = std::move(next);
  }
}

bool Worker::has_room() const noexcept {
  std::size_t room = 0;
  for (const auto& listener : listeners_)
    room = std::max<std::size_t>(room, listener->facts.limits.connections_max);
  return session_count_ < (room + workers_ - 1) / workers_;
}

void Worker::accept(std::size_t listener, UniqueFd fd, const SocketAddress& peer) {
  const model::Listener& facts = listeners_[listener]->facts;
  const bool accepted = facts.accept_from.empty() ||
                        std::any_of(facts.accept_from.begin(), facts.accept_from.end(),
                                    [&](const Cidr& block) { return block.contains(peer.ip); });
  auto session = std::make_unique<Session>(*this, listener, peer);
  if (!session->client.open(reactor_, std::move(fd))) return;
  if (!accepted) {
    stats_.add(telemetry::Counter::connections_refused);
    session->client.reset();
    return;
  }
  stats_.add(telemetry::Counter::connections);
  session->client.handle().set_sink(&session->waiter);
  scope_.spawn(Session::serve(std::move(session)));
}

void Worker::forget(Session&) {
  --session_count_;
  telemetry::WorkerStats::bump(stats_.open_connections, -1);
  if (!closing_) {
    for (const auto& acceptor : acceptors_) acceptor->room_again();
  } else if (session_count_ == 0 && drained_) {
    std::exchange(drained_, nullptr)();
  }
}

void Worker::drain(std::function<void()> done) {
  for (const auto& acceptor : acceptors_) acceptor->drain();
  close_sessions(std::move(done));
}

void Worker::retire(rt::Duration grace, std::function<void()> done) {
  for (const auto& acceptor : acceptors_) acceptor->leave();
  idle_until_ = reactor_.now() + grace;
  close_sessions(std::move(done));
}

void Worker::close_sessions(std::function<void()> done) {
  closing_ = true;
  state_.draining = true;
  drained_ = std::move(done);
  // Waking one session may end it and, through it, no other: the next pointer stays good.
  for (Session* session = sessions_; session != nullptr;) {
    Session* next = session->next_;
    session->announce_close();
    session = next;
  }
  if (session_count_ == 0 && drained_) std::exchange(drained_, nullptr)();
}

void Worker::stop() {
  reactor_.stop();
}

std::uint64_t Worker::random() noexcept {
  // xorshift128+: good enough to spread load and to name requests; nothing secret comes from it.
  std::uint64_t a = random_[0];
  const std::uint64_t b = random_[1];
  random_[0] = b;
  a ^= a << 23;
  random_[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
  return random_[1] + b;
}

http::Fields Worker::take_fields() {
  if (spare_fields_.empty()) {
    http::Fields fresh;
    fresh.reserve(32);
    return fresh;
  }
  http::Fields out = std::move(spare_fields_.back());
  spare_fields_.pop_back();
  return out;
}

void Worker::give_back(http::Fields fields) {
  fields.clear();
  if (spare_fields_.size() < 64 && fields.capacity() <= 256)
    spare_fields_.push_back(std::move(fields));
}

}  // namespace bd::proxy
