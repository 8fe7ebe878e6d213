#include "proxy/acceptor.h"

#include <cerrno>
#include <limits>

#include "base/check.h"
#include "net/stream.h"
#include "proxy/worker.h"

namespace bd::proxy {

using namespace std::chrono_literals;

Acceptor::Acceptor(Worker& worker, std::size_t listener, int fd)
    : worker_(worker), listener_(listener), fd_(fd) {
  BD_ASSERT(handle_.attach(worker.reactor(), fd));
  handle_.set_sink(this);
}

void Acceptor::take(std::size_t at_most) {
  waiting_for_room_ = false;
  for (std::size_t taken = 0; fd_ >= 0;) {
    if (!worker_.has_room()) {
      if (!waiting_for_room_) worker_.stats().add(telemetry::Counter::limit_connections);
      waiting_for_room_ = true;
      return;
    }
    net::Accepted accepted = net::accept(fd_);
    if (!accepted.fd) {
      const bool again = accepted.error == EAGAIN;
      if (accepted.error == ECONNABORTED || accepted.error == EINTR) continue;
      // Out of descriptors or memory: the backlog keeps the clients; never spin.
      if (!again) worker_.reactor().timers().arm(*this, worker_.reactor().now() + 100ms);
      return;
    }
    worker_.accept(listener_, std::move(accepted.fd), accepted.peer);
    if (++taken == at_most) {
      worker_.reactor().timers().arm(*this, worker_.reactor().now());
      return;
    }
  }
}

void Acceptor::room_again() {
  if (waiting_for_room_) on_event();
}

void Acceptor::drain() {
  take(std::numeric_limits<std::size_t>::max());
  leave();
}

void Acceptor::leave() {
  handle_.detach();
  fd_ = -1;
}

}  // namespace bd::proxy
