#include "proxy/worker.h"

#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "proxy/session.h"

namespace bd::proxy {

using namespace std::chrono_literals;

namespace {

Random seeded_random() {
  std::uint64_t seed[2];
  BD_ASSERT(getrandom(seed, sizeof seed, 0) == sizeof seed);
  return {seed[0] | 1, seed[1]};
}

constexpr std::size_t kSpareFieldsMax = 64;

/// Half of what the process may open: the other half is for upstreams, and for pipes.
std::size_t client_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<std::size_t>::max();
  return static_cast<std::size_t>(limit.rlim_cur / 2);
}

/// Of one worker. All of a door have at most an eighth of the other half, two descriptors each.
std::size_t pipes_max(unsigned workers) {
  return std::min<std::size_t>(model::kPipesMax, client_descriptors() / 16 / workers);
}

}  // namespace

Worker::Worker(std::string exposure, std::vector<ListenSocket> sockets,
               telemetry::WorkerStats& stats, unsigned workers, Overload& overload,
               std::function<void()> on_step)
    : stats_(stats),
      workers_(workers),
      descriptors_max_(client_descriptors()),
      overload_(overload),
      on_step_(std::move(on_step)),
      pipes_(pipes_max(workers), model::kPipeBytes),
      upstreams_(reactor_, stats, workers),
      random_(seeded_random()) {
  // After a restart the memory holds the dead worker's gauges.
  stats_.open_connections.store(0, std::memory_order_relaxed);
  stats_.active_requests.store(0, std::memory_order_relaxed);
  stats_.idle_upstream.store(0, std::memory_order_relaxed);
  spare_fields_.reserve(kSpareFieldsMax);  // Giving back must not fail.
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
  if (overload_.look(reactor_.now())) on_step_();
  follow_overload();
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

std::optional<telemetry::Counter> Worker::obstacle() const noexcept {
  // One at a time still gets its 503: what holds the memory may be no connection at all.
  if (step_ == OverloadStep::stop && session_count_ > 0) {
    return telemetry::Counter::overload_pauses;
  }
  std::size_t room = 0;
  for (const auto& listener : listeners_)
    room = std::max<std::size_t>(room, listener->facts.limits.connections_max);
  room = std::min(room, descriptors_max_);
  if (session_count_ < (room + workers_ - 1) / workers_) return std::nullopt;
  return telemetry::Counter::limit_connections;
}

void Worker::follow_overload() {
  const std::uint64_t counts = overload_.counts();
  if (counts == std::exchange(counts_followed_, counts)) return;
  const OverloadStep before = std::exchange(step_, overload_.step());
  state_.overloaded = step_ >= OverloadStep::refuse;
  if (step_ > before) release_idle();
  const bool refuses = step_ == OverloadStep::refuse;
  const rt::Instant now = reactor_.now();
  if (!refuses || before != step_) reset_due_ = now + model::kOverloadPatience;
  if (step_ == OverloadStep::stop || (refuses && now >= reset_due_)) {
    reset_due_ = now + model::kOverloadPatience;
    reset_largest();
  }
  if (before == OverloadStep::stop && step_ < before && !closing_) {
    for (const auto& acceptor : acceptors_) acceptor->room_again();
  }
  if (step_ != OverloadStep::none) {
    reactor_.timers().arm(*this, reactor_.now() + model::kOverloadLook);
  }
}

void Worker::release_idle() {
  upstreams_.drop_idle();
  blocks_.drop();
  pipes_.drop();
  spare_fields_.clear();
  wake_sessions();
}

/// The connections that hold the most, until that is what is too much. What is counted is only part
/// of what ends with them, so the next count decides whether it was enough.
void Worker::reset_largest() {
  using Entry = std::pair<std::size_t, Session*>;
  std::array<Entry, model::kOverloadResetsMax> heap;  // No allocation now. The smallest in front.
  const auto larger = [](const Entry& a, const Entry& b) { return a.first > b.first; };
  std::size_t size = 0;
  for (Session* session = sessions_; session != nullptr; session = session->next_) {
    const std::size_t held = session->held();
    if (held < model::kOverloadHeldMin) continue;
    if (size == heap.size()) {
      if (held <= heap.front().first) continue;
      std::pop_heap(heap.begin(), heap.end(), larger);
      --size;
    }
    heap[size++] = {held, session};
    std::push_heap(heap.begin(), heap.begin() + static_cast<std::ptrdiff_t>(size), larger);
  }
  std::sort_heap(heap.begin(), heap.begin() + static_cast<std::ptrdiff_t>(size), larger);
  std::uint64_t left = overload_.excess();
  for (std::size_t i = 0; i < size && left > 0; ++i) {
    stats_.add(telemetry::Counter::overload_resets);
    heap[i].second->abort();
    left -= std::min<std::uint64_t>(left, heap[i].first);
  }
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

/// Those that are idle look whether they may stay.
void Worker::wake_sessions() {
  // Waking one session may end it and, through it, no other: the next pointer stays good.
  for (Session* session = sessions_; session != nullptr;) {
    Session* next = session->next_;
    session->announce_close();
    session = next;
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
  wake_sessions();
  if (session_count_ == 0 && drained_) std::exchange(drained_, nullptr)();
}

void Worker::stop() {
  reactor_.stop();
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
  if (spare_fields_.size() < kSpareFieldsMax && fields.capacity() <= 256)
    spare_fields_.push_back(std::move(fields));
}

}  // namespace bd::proxy
