// Which endpoint of an upstream gets a request.

#include <algorithm>

#include "model/limits.h"
#include "upstream/upstream.h"

namespace bd::upstream {

using Policy = model::BalancePolicy;

std::shared_ptr<Endpoint> Upstream::pick(const Wish& wish, Random& random, rt::Instant now) {
  if (slots_.empty()) return nullptr;
  if (Slot* const slot = named(wish, now)) return slot->endpoint;
  Policy policy = facts_.balance.policy;
  if (policy == Policy::hash && !wish.affinity.hash) policy = Policy::least_requests;
  if (policy == Policy::least_requests && wish.tried.empty()) {
    if (Slot* const slot = one_of_two(random, now)) return slot->endpoint;
  }
  collect(wish, now);
  switch (policy) {
    case Policy::round_robin:
      return round_robin().endpoint;
    case Policy::random:
      return sample(random, nullptr).slot->endpoint;
    case Policy::hash:
      return by_hash(*wish.affinity.hash).endpoint;
    case Policy::least_requests:
      break;
  }
  return least_requests(random).endpoint;
}

/// The one that the sticky cookie asks for.
Upstream::Slot* Upstream::named(const Wish& wish, rt::Instant now) {
  if (!wish.affinity.identity) return nullptr;
  const auto found = std::ranges::find(slots_, *wish.affinity.identity, &Slot::identity);
  if (found == slots_.end() || found->endpoint->health.is_ejected(now)) return nullptr;
  return std::ranges::find(wish.tried, found->endpoint) == wish.tried.end() ? &*found : nullptr;
}

/// The usual case, in constant time: all are worth the same. Null: they are not.
Upstream::Slot* Upstream::one_of_two(Random& random, rt::Instant now) {
  if (weighted_ || now < settled_at_) return nullptr;
  const std::uint64_t bits = random();
  const std::size_t n = slots_.size();
  const std::size_t i = static_cast<std::uint32_t>(bits) % n;
  std::size_t j = static_cast<std::uint32_t>(bits >> 32) % n;
  if (n > 1 && i == j) j = (j + 1) % n;
  Slot& a = slots_[i];
  Slot& b = slots_[j];
  if (a.endpoint->health.is_ejected(now) || b.endpoint->health.is_ejected(now)) return nullptr;
  return b.endpoint->in_flight() < a.endpoint->in_flight() ? &b : &a;
}

std::size_t Upstream::ejected(rt::Instant now) const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      slots_, [now](const Slot& slot) { return slot.endpoint->health.is_ejected(now); }));
}

/// Never nothing: if there is no other choice, what was tried is, and if most are ejected, the
/// fault is not theirs.
void Upstream::collect(const Wish& wish, rt::Instant now) {
  const bool panic = ejected(now) * 100 > slots_.size() * model::kEjectedPercentMax;
  for (const bool again : {false, true}) {
    candidates_.clear();
    worth_ = 0;
    for (Slot& slot : slots_) {
      const Health& health = slot.endpoint->health;
      if (health.is_ejected(now) && !panic) continue;
      if (!again && std::ranges::find(wish.tried, slot.endpoint) != wish.tried.end()) continue;
      const std::uint64_t worth = std::uint64_t{slot.weight} * health.share(now);
      candidates_.push_back({&slot, worth});
      worth_ += worth;
    }
    if (!candidates_.empty()) return;
  }
}

/// By worth.
const Upstream::Candidate& Upstream::sample(Random& random, const Candidate* except) const {
  std::uint64_t left = random.below(worth_ - (except == nullptr ? 0 : except->worth));
  for (const Candidate& candidate : candidates_) {
    if (&candidate == except) continue;
    if (left < candidate.worth) return candidate;
    left -= candidate.worth;
  }
  return candidates_.front();
}

Upstream::Slot& Upstream::least_requests(Random& random) {
  const Candidate& a = sample(random, nullptr);
  if (candidates_.size() == 1) return *a.slot;
  const Candidate& b = sample(random, &a);
  const bool b_has_less =
      b.slot->endpoint->in_flight() * a.worth < a.slot->endpoint->in_flight() * b.worth;
  return b_has_less ? *b.slot : *a.slot;
}

/// Who has waited for longest by its worth, so that turns are spread evenly.
Upstream::Slot& Upstream::round_robin() {
  Slot* best = nullptr;
  for (const Candidate& candidate : candidates_) {
    candidate.slot->credit += static_cast<std::int64_t>(candidate.worth);
    if (best == nullptr || candidate.slot->credit > best->credit) best = candidate.slot;
  }
  best->credit -= static_cast<std::int64_t>(worth_);
  return *best;
}

Upstream::Slot& Upstream::by_hash(std::uint64_t hash) {
  const auto wanted = [hash](const Candidate& candidate) {
    return desire(hash, candidate.slot->identity, candidate.slot->weight);
  };
  return *std::ranges::max_element(candidates_, {}, wanted)->slot;
}

}  // namespace bd::upstream
