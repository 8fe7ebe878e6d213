#include "upstream/upstream.h"

#include <algorithm>

#include "model/limits.h"

namespace bd::upstream {

bool AddressPolicy::is_denied(const SocketAddress& address) const noexcept {
  const IpAddress& ip = address.ip;
  if (address.port == 0 || ip.is_unspecified() || ip.is_link_local() || ip.is_multicast())
    return true;
  if (ip.is_loopback() && !allow_loopback_) return true;
  return snapshot::is_denied(own_, address);
}

void Upstream::succeeded(Endpoint& endpoint) noexcept {
  endpoint.health.succeeded();
  load_.answered();
}

void Upstream::failed(Endpoint& endpoint, rt::Instant now) {
  if (!endpoint.health.failed(now) || endpoint.health.is_ejected(now)) return;
  if ((ejected(now) + 1) * 100 > slots_.size() * model::kEjectedPercentMax) return;
  endpoint.health.eject(now);
  settled_at_ = std::max(settled_at_, endpoint.health.settled_at());
  stats_.add(telemetry::Counter::ejections);
}

bool Upstream::has_room_for_connection() {
  std::size_t open = 0;
  for (const Slot& slot : slots_) open += slot.endpoint->open_connections();
  if (open < load_.connections_max()) return true;
  return std::ranges::any_of(slots_,
                             [](const Slot& slot) { return slot.endpoint->close_one_idle(); });
}

std::uint64_t Upstream::identity(const Endpoint& endpoint) const noexcept {
  for (const Slot& slot : slots_) {
    if (slot.endpoint.get() == &endpoint) return slot.identity;
  }
  return identity_of(endpoint.address());
}

std::shared_ptr<Endpoint> Upstreams::endpoint(const SocketAddress& address,
                                              const std::shared_ptr<const Profile>& profile) {
  std::shared_ptr<Endpoint>& slot = endpoints_[{address, profile.get()}];
  if (!slot) slot = std::make_shared<Endpoint>(reactor_, stats_, address, profile);
  return slot;
}

std::shared_ptr<const Profile> Upstreams::profile(const model::Upstream& upstream,
                                                  const snapshot::Door& door) {
  std::shared_ptr<const Profile>& slot = profiles_[Profile::key(upstream, door)];
  if (!slot) slot = std::make_shared<const Profile>(upstream, door);
  return slot;
}

/// Who joins others that serve already starts slowly: it has no connection yet, and its caches are
/// cold.
void Upstreams::assign(Upstream& upstream, const std::vector<model::Endpoint>& list) {
  const rt::Instant now = reactor_.now();
  const bool joins = !upstream.slots_.empty();
  auto before = upstream.slots_.cbegin();  // Both lists are in the order of addresses.
  std::vector<Upstream::Slot> next;
  for (const model::Endpoint& entry : list) {
    if (policy_.is_denied(entry.address)) {
      stats_.add(telemetry::Counter::denied_endpoints);
      continue;
    }
    const std::uint64_t identity =
        entry.identity != 0 ? entry.identity : identity_of(entry.address);
    next.push_back({endpoint(entry.address, upstream.profile_), identity, entry.weight});
    Upstream::Slot& slot = next.back();
    if (joins && slot.endpoint->is_new()) slot.endpoint->health.start_slowly(now);
    while (before != upstream.slots_.end() && before->endpoint->address() < entry.address) ++before;
    if (before != upstream.slots_.end() && before->endpoint == slot.endpoint)
      slot.credit = before->credit;
    ++slot.endpoint->users;
  }
  release(upstream);
  upstream.slots_ = std::move(next);
  upstream.weighted_ = false;
  upstream.settled_at_ = {};
  for (const Upstream::Slot& slot : upstream.slots_) {
    upstream.weighted_ |= slot.weight != upstream.slots_.front().weight;
    upstream.settled_at_ = std::max(upstream.settled_at_, slot.endpoint->health.settled_at());
  }
}

void Upstreams::release(Upstream& upstream) {
  for (const Upstream::Slot& slot : upstream.slots_) --slot.endpoint->users;
  upstream.slots_.clear();
}

void Upstreams::apply(std::shared_ptr<const snapshot::Door> door) {
  static const std::vector<model::Endpoint> none;
  const auto list_of = [](const snapshot::Door* d, const std::string& key) -> const auto& {
    if (d == nullptr) return none;
    const auto it = d->endpoints.find(key);
    return it == d->endpoints.end() ? none : it->second;
  };
  const bool same_policy =
      door_ && door_->denied == door->denied && door_->allow_loopback == door->allow_loopback;
  policy_ = AddressPolicy(door->denied, door->allow_loopback);
  for (const auto& [key, facts] : door->upstreams) {
    std::shared_ptr<Upstream>& slot = upstreams_[key];
    const bool is_new = slot == nullptr;
    if (is_new) slot = std::make_shared<Upstream>(stats_);
    Upstream& upstream = *slot;
    if (is_new || upstream.facts_ != facts) {
      upstream.facts_ = facts;
      upstream.load_.limit(facts.circuit, workers_);
    }
    const auto& wanted = list_of(door.get(), key);
    std::shared_ptr<const Profile> now = profile(facts, *door);
    const bool same_profile = now == upstream.profile_;
    upstream.profile_ = std::move(now);
    if (!is_new && same_policy && same_profile && list_of(door_.get(), key) == wanted) continue;
    assign(upstream, wanted);
  }
  if (upstreams_.size() > door->upstreams.size()) {
    for (auto it = upstreams_.begin(); it != upstreams_.end();) {
      if (door->upstreams.contains(it->first)) {
        ++it;
        continue;
      }
      release(*it->second);  // Exchanges may still hold it.
      it = upstreams_.erase(it);
    }
  }
  forget_unused();
  door_ = std::move(door);
}

void Upstreams::forget_unused() {
  std::erase_if(endpoints_, [](const auto& entry) {
    if (entry.second->users > 0) return false;
    entry.second->retire();
    return true;
  });
  std::erase_if(profiles_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

std::shared_ptr<Upstream> Upstreams::find(std::string_view key) const {
  const auto it = upstreams_.find(key);
  return it == upstreams_.end() ? nullptr : it->second;
}

void Upstreams::drop_idle() {
  for (const auto& [address, entry] : endpoints_) entry->drop_idle();
}

}  // namespace bd::upstream
