#pragma once
// The upstreams of one worker: endpoints with their pools and in-flight counts, which survive every
// change of the routes that point at them.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "model/route.h"
#include "rt/reactor.h"
#include "snapshot/snapshot.h"
#include "telemetry/stats.h"
#include "upstream/affinity.h"
#include "upstream/endpoint.h"
#include "upstream/load.h"

namespace bd::upstream {

/// Which addresses may never be connected to (invariant 5). Checked at connect, whatever the
/// snapshot says.
class AddressPolicy {
 public:
  AddressPolicy() = default;
  AddressPolicy(std::vector<SocketAddress> own, bool allow_loopback)
      : own_(std::move(own)), allow_loopback_(allow_loopback) {}
  [[nodiscard]] bool is_denied(const SocketAddress& address) const noexcept;

 private:
  std::vector<SocketAddress> own_;
  bool allow_loopback_ = false;
};

/// One upstream: a pick among its endpoints, and what this worker has in flight for it. It lives as
/// long as somebody serves it, through all changes; one that is gone has no endpoints.
class Upstream {
 public:
  explicit Upstream(telemetry::WorkerStats& stats) : stats_(stats) {}

  struct Wish {
    Affinity affinity;
    /// Were tried: avoided if there are others.
    std::span<const std::shared_ptr<Endpoint>> tried;
  };
  /// Null: none. Endpoints that are ejected are left out, unless they are most of all.
  [[nodiscard]] std::shared_ptr<Endpoint> pick(const Wish& wish, Random& random, rt::Instant now);
  /// `endpoint` is one of ours, or was. It gave a proper answer, or failed.
  void succeeded(Endpoint& endpoint) noexcept;
  void failed(Endpoint& endpoint, rt::Instant now);

  /// True: another connection may be opened. An idle one of the upstream's may be closed for it.
  [[nodiscard]] bool has_room_for_connection();
  [[nodiscard]] std::uint64_t identity(const Endpoint& endpoint) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
  [[nodiscard]] const Profile& profile() const noexcept { return *profile_; }
  [[nodiscard]] const model::Upstream& facts() const noexcept { return facts_; }
  [[nodiscard]] Load& load() noexcept { return load_; }

 private:
  friend class Upstreams;
  struct Slot {
    std::shared_ptr<Endpoint> endpoint;
    std::uint64_t identity;
    std::uint32_t weight;
    std::int64_t credit = 0;  // For the weighted round.
  };
  /// A slot that may be picked, and what it is worth now.
  struct Candidate {
    Slot* slot;
    std::uint64_t worth;
  };
  [[nodiscard]] Slot* named(const Wish& wish, rt::Instant now);
  [[nodiscard]] Slot* one_of_two(Random& random, rt::Instant now);
  void collect(const Wish& wish, rt::Instant now);
  [[nodiscard]] std::size_t ejected(rt::Instant now) const noexcept;
  [[nodiscard]] const Candidate& sample(Random& random, const Candidate* except) const;
  [[nodiscard]] Slot& least_requests(Random& random);
  [[nodiscard]] Slot& round_robin();
  [[nodiscard]] Slot& by_hash(std::uint64_t hash);

  telemetry::WorkerStats& stats_;
  model::Upstream facts_;
  std::shared_ptr<const Profile> profile_;
  std::vector<Slot> slots_;
  std::vector<Candidate> candidates_;  // Of the pick that is going on; kept for its memory.
  std::uint64_t worth_ = 0;            // Of all candidates.
  Load load_;
  bool weighted_ = false;     // The weights differ.
  rt::Instant settled_at_{};  // From then on all endpoints get their whole share.
};

class Upstreams {
 public:
  /// Of one of `workers` that share the door's limits.
  Upstreams(rt::Reactor& reactor, telemetry::WorkerStats& stats, unsigned workers = 1)
      : reactor_(reactor), stats_(stats), workers_(workers) {}

  /// Takes over what the door says now. Endpoints that stay keep their pools; those that go get no
  /// new request, their idle connections are closed and the running ones finish.
  void apply(std::shared_ptr<const snapshot::Door> door);
  /// Null: no such upstream.
  [[nodiscard]] std::shared_ptr<Upstream> find(std::string_view key) const;
  [[nodiscard]] const AddressPolicy& policy() const noexcept { return policy_; }
  void drop_idle();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  std::shared_ptr<Endpoint> endpoint(const SocketAddress& address,
                                     const std::shared_ptr<const Profile>& profile);
  std::shared_ptr<const Profile> profile(const model::Upstream& upstream,
                                         const snapshot::Door& door);
  void assign(Upstream& upstream, const std::vector<model::Endpoint>& list);
  void forget_unused();
  static void release(Upstream& upstream);

  rt::Reactor& reactor_;
  telemetry::WorkerStats& stats_;
  unsigned workers_;
  std::shared_ptr<const snapshot::Door> door_;  // What was applied last.
  AddressPolicy policy_;
  std::unordered_map<std::string, std::shared_ptr<Upstream>, Hash, std::equal_to<>> upstreams_;
  std::map<std::string, std::shared_ptr<const Profile>> profiles_;  // By Profile::key().
  /// One pool per address and way to speak to it, whoever uses it.
  std::map<std::pair<SocketAddress, const Profile*>, std::shared_ptr<Endpoint>> endpoints_;
};

}  // namespace bd::upstream
