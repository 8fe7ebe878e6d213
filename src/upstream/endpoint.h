#pragma once
// An address that serves an upstream, as one worker sees it: its pool of idle connections and what
// is in flight.

#include <cstdint>
#include <memory>
#include <vector>

#include "base/address.h"
#include "rt/reactor.h"
#include "telemetry/stats.h"
#include "upstream/connection.h"

namespace bd::upstream {

class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  Endpoint(rt::Reactor& reactor, telemetry::WorkerStats& stats, SocketAddress address)
      : reactor_(reactor), stats_(stats), address_(address) {}
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }
  [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_; }

  /// The most recently used idle connection that is still good; null: connect.
  /// `probe` asks the kernel too, for requests that can't be sent twice.
  enum class Check : std::uint8_t { events, probe };
  [[nodiscard]] std::unique_ptr<Connection> take_idle(Check check);
  void keep_idle(std::unique_ptr<Connection> connection, rt::Duration idle_max);
  /// Closes what is idle: the endpoint was removed, or the door drains.
  void drop_idle();
  void retire() noexcept {
    retired_ = true;
    drop_idle();
  }

  void begin() noexcept { ++in_flight_; }
  void end() noexcept { --in_flight_; }
  std::uint32_t users = 0;  ///< Upstreams that list it; 0: it is going away.

 private:
  friend class Connection;
  void drop(const Connection* connection);

  rt::Reactor& reactor_;
  telemetry::WorkerStats& stats_;
  SocketAddress address_;
  std::vector<std::unique_ptr<Connection>> idle_;  // The last is the hottest.
  std::uint32_t in_flight_ = 0;
  bool retired_ = false;
};

}  // namespace bd::upstream
