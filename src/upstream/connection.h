#pragma once
// One connection to an endpoint, in use or idle in its pool.

#include <memory>

#include "base/address.h"
#include "net/stream.h"
#include "rt/reactor.h"
#include "rt/timer.h"

namespace bd::upstream {

class Endpoint;

class Connection final : public rt::EventSink, public rt::Timer {
 public:
  explicit Connection(Endpoint& endpoint);
  ~Connection() { --*open_; }
  net::Stream stream;
  /// Connected. Lets the kernel end it when what was sent is not confirmed in time, and with it the
  /// wait for a host that is gone. Not while the endpoint may take its time to read: a closed
  /// window counts as silence (tcp(7), TCP_USER_TIMEOUT).
  void watch_acknowledgements(bool on);
  bool reused = false;  ///< It carried a request before this one.

 private:
  friend class Endpoint;
  void on_event() override;  // While idle: the peer closed, or sent what nobody asked for.
  void on_timer() override;  // While idle: idle for too long.
  bool watched_ = false;
  Endpoint* endpoint_;
  std::shared_ptr<std::uint32_t> open_;  // The endpoint's count; it may outlive the endpoint.
};

}  // namespace bd::upstream
