#pragma once
// An address that serves an upstream, as one worker sees it: its pool of idle connections and what
// is in flight.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/address.h"
#include "rt/reactor.h"
#include "telemetry/stats.h"
#include "upstream/connection.h"
#include "upstream/health.h"
#include "upstream/profile.h"
#include "upstream/shared.h"

namespace bd::upstream {

class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  Endpoint(rt::Reactor& reactor, telemetry::WorkerStats& stats, SocketAddress address,
           std::shared_ptr<const Profile> profile)
      : reactor_(reactor), stats_(stats), address_(address), profile_(std::move(profile)) {}
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }
  [[nodiscard]] const Profile& profile() const noexcept { return *profile_; }
  [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_; }

  /// The most recently used idle connection that is still good; null: connect.
  /// `probe` asks the kernel too, for requests that can't be sent twice.
  enum class Check : std::uint8_t { events, probe };
  [[nodiscard]] std::unique_ptr<Connection> take_idle(Check check);
  void keep_idle(std::unique_ptr<Connection> connection, rt::Duration idle_max);
  /// Connections of all kinds that are open, or being opened.
  [[nodiscard]] std::uint32_t open_connections() const noexcept { return *open_; }
  /// The one that has been idle for longest. False: there is none.
  bool close_one_idle();
  /// Closes what is idle: the endpoint was removed, or the door drains.
  void drop_idle();

  /// An HTTP/2 connection with room for another stream; null: connect, or wait for who does.
  [[nodiscard]] std::shared_ptr<Shared> shared() const;
  void share(std::shared_ptr<Shared> connection);
  /// It ended.
  void drop(const Shared& connection);
  /// One exchange connects, the others wait to be woken. False: somebody else is at it.
  [[nodiscard]] bool begin_connecting() noexcept { return !std::exchange(connecting_, true); }
  void end_connecting();
  void wait_for_shared(rt::Waiter& waiter) { hopeful_.push_back(&waiter); }
  void stop_waiting(const rt::Waiter& waiter) { std::erase(hopeful_, &waiter); }
  void retire() noexcept {
    retired_ = true;
    drop_idle();
  }

  void begin() noexcept { ++in_flight_; }
  void end() noexcept { --in_flight_; }
  /// `prefer`: the endpoint speaks no TLS, as far as is known, until then.
  rt::Instant plain_until{};
  std::uint32_t users = 0;  ///< Upstreams that list it; 0: it is new, or going away.
  [[nodiscard]] bool is_new() const noexcept { return users == 0 && !retired_; }
  Health health;

 private:
  friend class Connection;
  void drop(const Connection* connection);

  rt::Reactor& reactor_;
  telemetry::WorkerStats& stats_;
  SocketAddress address_;
  std::vector<std::unique_ptr<Connection>> idle_;  // The last is the hottest.
  std::shared_ptr<const Profile> profile_;
  std::vector<std::shared_ptr<Shared>> shared_;
  std::vector<rt::Waiter*> hopeful_;
  std::shared_ptr<std::uint32_t> open_ = std::make_shared<std::uint32_t>(0);
  bool connecting_ = false;
  std::uint32_t in_flight_ = 0;
  bool retired_ = false;
};

}  // namespace bd::upstream
