#pragma once
// The upstreams of one worker: endpoints with their pools and in-flight counts, which survive every
// change of the routes that point at them.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/route.h"
#include "rt/reactor.h"
#include "snapshot/snapshot.h"
#include "telemetry/stats.h"
#include "upstream/endpoint.h"

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

/// One upstream: a pick among its endpoints.
class Upstream {
 public:
  /// The better of two random endpoints by requests in flight; `except` is avoided if there is
  /// another. Null: none.
  [[nodiscard]] std::shared_ptr<Endpoint> pick(std::uint64_t random, const Endpoint* except) const;
  [[nodiscard]] std::size_t size() const noexcept { return endpoints_.size(); }
  [[nodiscard]] const Profile& profile() const noexcept { return *profile_; }

 private:
  friend class Upstreams;
  std::shared_ptr<const Profile> profile_;
  std::vector<std::shared_ptr<Endpoint>> endpoints_;
};

class Upstreams {
 public:
  Upstreams(rt::Reactor& reactor, telemetry::WorkerStats& stats)
      : reactor_(reactor), stats_(stats) {}

  /// Takes over what the door says now. Endpoints that stay keep their pools; those that go get no
  /// new request, their idle connections are closed and the running ones finish.
  void apply(std::shared_ptr<const snapshot::Door> door);
  /// Null: no such upstream.
  [[nodiscard]] const Upstream* find(std::string_view key) const;
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
  std::shared_ptr<const snapshot::Door> door_;  // What was applied last.
  AddressPolicy policy_;
  std::unordered_map<std::string, Upstream, Hash, std::equal_to<>> upstreams_;
  std::map<std::string, std::shared_ptr<const Profile>> profiles_;  // By Profile::key().
  /// One pool per address and way to speak to it, whoever uses it.
  std::map<std::pair<SocketAddress, const Profile*>, std::shared_ptr<Endpoint>> endpoints_;
};

}  // namespace bd::upstream
