#include "proxy/acceptor.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <limits>
#include <new>
#include <utility>

#include "base/check.h"
#include "net/stream.h"
#include "proxy/worker.h"

namespace bd::proxy {

namespace {

/// Any descriptor will do, and this one a sandbox lets us make again.
UniqueFd spare_descriptor() {
  return UniqueFd(::eventfd(0, EFD_CLOEXEC));
}

}  // namespace

Acceptor::Acceptor(Worker& worker, std::size_t listener, int fd)
    : worker_(worker), listener_(listener), fd_(fd), reserve_(spare_descriptor()) {
  BD_ASSERT(handle_.attach(worker.reactor(), fd));
  handle_.set_sink(this);
  worker.overload().bound_buffers(fd);  // What is accepted inherits it.
}

void Acceptor::on_event() {
  if (!paused_) take(kTurn);
}

void Acceptor::on_timer() {
  paused_ = false;
  take(kTurn);
}

void Acceptor::take(std::size_t at_most) {
  const bool waited = std::exchange(waiting_for_room_, false);
  for (std::size_t taken = 0; fd_ >= 0;) {
    if (const auto obstacle = worker_.obstacle()) {
      if (!waited || taken > 0) worker_.stats().add(*obstacle);
      waiting_for_room_ = true;
      return;
    }
    net::Accepted accepted = net::accept(fd_);
    if (!accepted.fd) {
      if (accepted.error == ECONNABORTED || accepted.error == EINTR) continue;
      if (accepted.error != EAGAIN) pause(accepted.error);
      return;
    }
    try {
      worker_.accept(listener_, std::move(accepted.fd), accepted.peer);
    } catch (const std::bad_alloc&) {
      worker_.stats().add(telemetry::Counter::allocation_failures);
      return pause(ENOMEM);
    }
    if (++taken == at_most) {
      worker_.reactor().timers().arm(*this, worker_.reactor().now());
      return;
    }
  }
}

/// Out of descriptors or memory. The backlog keeps the clients, and nothing spins: until the pause
/// is over no event is looked at.
void Acceptor::pause(int error) {
  worker_.stats().add(telemetry::Counter::descriptors_used_up);
  if (error == EMFILE || error == ENFILE) refuse_one();
  paused_ = true;
  worker_.reactor().timers().arm(*this, worker_.reactor().now() + model::kAcceptPause);
}

/// Who has waited the longest learns that there is nothing to wait for, and goes elsewhere.
void Acceptor::refuse_one() {
  reserve_.reset();
  net::Accepted accepted = net::accept(fd_);
  if (accepted.fd) {
    const linger now{1, 0};
    ::setsockopt(accepted.fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    accepted.fd.reset();
  }
  reserve_ = spare_descriptor();
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
