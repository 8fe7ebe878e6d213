#include "control/link.h"

#include <algorithm>
#include <utility>

namespace bd::control {

using namespace std::chrono_literals;

namespace {

constexpr auto kKeepEvery =
    1s;  // A disk and the supervisor need not see every flip of an endpoint.

bool only_endpoints_differ(const snapshot::Door& before, const snapshot::Door& after) {
  snapshot::Difference d = snapshot::difference(before, after);
  d.put_endpoints.clear();
  return d.empty();
}

bool same_table(const snapshot::Door& one, const snapshot::Door& other) {
  const snapshot::Difference difference = snapshot::difference(one, other);
  return !difference.exposure && difference.put_hosts.empty() && difference.drop_hosts.empty();
}

/// Those of `units` that are known to be something else by now. True if there is one.
template <class Unit>
bool renew(std::map<std::string, Unit>& units, const std::map<std::string, Unit>& now) {
  bool changed = false;
  for (auto& [name, unit] : units) {
    const auto found = now.find(name);
    if (found == now.end() || found->second == unit) continue;
    unit = found->second;
    changed = true;
  }
  return changed;
}

/// The table of `old` with what `now` knows of its endpoints, certificates and keys. Itself if that
/// is the same.
std::shared_ptr<const snapshot::Door> under_old_table(
    const std::shared_ptr<const snapshot::Door>& old, const snapshot::Door& now) {
  auto out = std::make_shared<snapshot::Door>(*old);
  bool changed = renew(out->endpoints, now.endpoints);
  changed |= renew(out->certificates, now.certificates);
  changed |= renew(out->bundles, now.bundles);
  if (!now.ticket_keys.empty() && out->ticket_keys != now.ticket_keys) {
    out->ticket_keys = now.ticket_keys;
    changed = true;
  }
  return changed ? out : old;
}

}  // namespace

Link::Link(rt::Reactor& reactor, std::string door, std::uint64_t epoch, Keep keep)
    : reactor_(reactor), door_(std::move(door)), epoch_(epoch), keep_(std::move(keep)) {}

void Link::attach(UniqueFd socket) {
  handle_.detach();
  sender_ = std::make_unique<feed::Sender>(std::move(socket), door_, epoch_);
  if (!handle_.attach(reactor_, sender_->fd())) {
    sender_.reset();  // The door finds its feed closed, and asks for another one.
    return;
  }
  handle_.set_sink(this);
  told_.reset();
  tell();
}

void Link::attach_stats(int memfd) {
  stats_ = telemetry::map_stats(memfd, false);
}

bool Link::door_is_newer() const {
  return kept_as_ != 0 && stats_ != nullptr &&
         stats_->applied_generation.load(std::memory_order_acquire) >= kept_as_;
}

/// A table with the same hosts as a poison is that poison, whatever its number and its endpoints.
void Link::judge() {
  const auto found = std::find_if(poisons_.begin(), poisons_.end(), [this](const State& poison) {
    return same_table(*poison.door, *state_.door);
  });
  held_ = found == poisons_.end() ? 0 : found->generation;
  fallback_ = held_ == 0 || recent_.empty() ? State{} : recent_.back();
  refresh_fallback();
}

/// Pods come and go, and certificates are renewed, also while a table is held back.
void Link::refresh_fallback() {
  if (fallback_.door) fallback_.door = under_old_table(fallback_.door, *state_.door);
}

void Link::tell() {
  const State& wanted = held_ == 0 ? state_ : fallback_;
  if (is_connected() && wanted.door && wanted.door != told_ && !door_is_newer()) {
    told_ = wanted.door;
    sender_->update(told_, wanted.generation);
  }
  if (sender_) after_io();
}

void Link::update(std::shared_ptr<const snapshot::Door> state, std::uint64_t generation) {
  state_ = {std::move(state), generation};
  kept_as_ = std::exchange(recalled_, 0);
  judge();
  if (held_ == 0) {
    recent_.push_back(state_);
    if (recent_.size() > kRecentKept) recent_.pop_front();
  }
  tell();
}

void Link::update_endpoints(std::shared_ptr<const snapshot::Door> state,
                            std::span<const std::string> upstreams) {
  state_.door = std::move(state);
  if (held_ != 0) {
    refresh_fallback();
    return tell();
  }
  if (!is_connected()) return;
  told_ = state_.door;
  sender_->update_endpoints(state_.door, state_.generation, upstreams);
  after_io();
}

void Link::update_material(std::shared_ptr<const snapshot::Door> state) {
  state_.door = std::move(state);
  if (held_ != 0) refresh_fallback();
  tell();
}

bool Link::quarantine(std::uint64_t generation) {
  const auto guilty = std::find_if(recent_.begin(), recent_.end(), [&](const State& state) {
    return state.generation == generation;
  });
  if (guilty == recent_.end()) return false;
  const State poison = *guilty;
  poisons_.push_back(poison);
  if (poisons_.size() > kPoisonsKept) poisons_.pop_front();
  std::erase_if(recent_, [&](const State& state) { return same_table(*poison.door, *state.door); });
  judge();
  tell();
  return true;
}

void Link::on_event() {
  if (!sender_) return;
  sender_->on_readable();
  if (sender_->is_open()) sender_->on_writable();
  after_io();
}

void Link::after_io() {
  take_ack();
  if (const auto& refusal = sender_->refusal()) {
    refusal_ = fmt::format("{}: {}", refusal->object, refusal->reason);
  }
  if (!sender_->is_open()) handle_.detach();
}

void Link::take_ack() {
  if (sender_->acked_door() == nullptr || sender_->acked_door() == acked_) return;
  acked_ = sender_->acked_door();
  acked_generation_ = sender_->acked_generation();
  refusal_.clear();
  const bool can_wait = kept_ != nullptr && only_endpoints_differ(*kept_, *acked_);
  if (!can_wait || reactor_.now() - kept_at_ >= kKeepEvery) {
    keep_now();
  } else {
    reactor_.timers().arm(*this, kept_at_ + kKeepEvery);
  }
}

void Link::keep_now() {
  if (acked_ == kept_) return;
  kept_ = acked_;
  kept_at_ = reactor_.now();
  keep_(*kept_, acked_generation_);
}

}  // namespace bd::control
