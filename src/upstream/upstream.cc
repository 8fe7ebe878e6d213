#include "upstream/upstream.h"

#include <algorithm>

namespace bd::upstream {

bool AddressPolicy::is_denied(const SocketAddress& address) const noexcept {
  const IpAddress& ip = address.ip;
  if (address.port == 0 || ip.is_unspecified() || ip.is_link_local() || ip.is_multicast())
    return true;
  if (ip.is_loopback() && !allow_loopback_) return true;
  return snapshot::is_denied(own_, address);
}

std::shared_ptr<Endpoint> Upstream::pick(std::uint64_t random, const Endpoint* except) const {
  if (endpoints_.empty()) return nullptr;
  const std::size_t n = endpoints_.size();
  std::size_t a = static_cast<std::uint32_t>(random) % n;
  std::size_t b = static_cast<std::uint32_t>(random >> 32) % n;
  if (n > 1 && a == b) b = (b + 1) % n;
  if (endpoints_[a].get() == except) a = b;
  if (endpoints_[b].get() == except) b = a;
  if (endpoints_[a].get() == except && n > 1) a = b = (a + 1) % n;
  return endpoints_[b]->in_flight() < endpoints_[a]->in_flight() ? endpoints_[b] : endpoints_[a];
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

void Upstreams::assign(Upstream& upstream, const std::vector<model::Endpoint>& list) {
  std::vector<std::shared_ptr<Endpoint>> next;
  for (const model::Endpoint& entry : list) {
    if (policy_.is_denied(entry.address)) {
      stats_.add(telemetry::Counter::denied_endpoints);
      continue;
    }
    next.push_back(endpoint(entry.address, upstream.profile_));
    ++next.back()->users;
  }
  release(upstream);
  upstream.endpoints_ = std::move(next);
}

void Upstreams::release(Upstream& upstream) {
  for (const auto& entry : upstream.endpoints_) --entry->users;
  upstream.endpoints_.clear();
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
    const auto [it, is_new] = upstreams_.try_emplace(key);
    const auto& wanted = list_of(door.get(), key);
    std::shared_ptr<const Profile> now = profile(facts, *door);
    const bool same_profile = now == it->second.profile_;
    it->second.profile_ = std::move(now);
    if (!is_new && same_policy && same_profile && list_of(door_.get(), key) == wanted) continue;
    assign(it->second, wanted);
  }
  if (upstreams_.size() > door->upstreams.size()) {
    for (auto it = upstreams_.begin(); it != upstreams_.end();) {
      if (door->upstreams.contains(it->first)) {
        ++it;
        continue;
      }
      release(it->second);
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

const Upstream* Upstreams::find(std::string_view key) const {
  const auto it = upstreams_.find(key);
  return it == upstreams_.end() ? nullptr : &it->second;
}

void Upstreams::drop_idle() {
  for (const auto& [address, entry] : endpoints_) entry->drop_idle();
}

}  // namespace bd::upstream
