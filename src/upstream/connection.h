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
  explicit Connection(Endpoint& endpoint) : endpoint_(&endpoint) {}
  ~Connection() = default;
  net::Stream stream;
  bool reused = false;  ///< It carried a request before this one.

 private:
  friend class Endpoint;
  void on_event() override;  // While idle: the peer closed, or sent what nobody asked for.
  void on_timer() override;  // While idle: idle for too long.
  Endpoint* endpoint_;
};

}  // namespace bd::upstream
