// The part of an Exchange after a WebSocket was agreed on: bytes both ways, followed by the lengths
// of their frames only, so that a drain can say goodbye between two of them.

#include <algorithm>

#include "proxy/exchange.h"
#include "proxy/pump.h"
#include "proxy/tunnel_source.h"

namespace bd::proxy {

using decide::Cause;
using rt::Waiter;
using telemetry::Counter;

namespace {

/// One way of a tunnel.
struct Way {
  TunnelSource from;
  Sink& to;
  bool told = false;   // Our close frame was the last thing that went this way.
  bool ended = false;  // And the sender is done too.

  bool move() {
    if (!told) return pump(from, to);
    const Run run = from.next();  // An answer to the goodbye, or what crossed it.
    from.consume(run.data.size());
    ended = run.last;
    return !run.data.empty();
  }
  [[nodiscard]] bool is_over() const {
    return ended || from.state() != Source::State::open || to.state() != Sink::State::open;
  }
  [[nodiscard]] bool is_broken() const {
    return from.state() != Source::State::open || to.state() == Sink::State::failed;
  }
  /// 1001 between two frames (RFC 6455 §7.4.1); where the middle of a frame is, the end must do.
  void say_goodbye(bool masked, std::uint64_t random) {
    if (told || is_over() || !from.frames().at_boundary()) return;
    const std::string frame =
        websocket::close_frame(websocket::kGoingAway, masked, static_cast<std::uint32_t>(random));
    told = to.put(frame, false, nullptr) > 0;
  }
};

}  // namespace

rt::Task<Exchange::Attempt> Exchange::tunnel() {
  count(Counter::websockets);
  Way up{TunnelSource(client_.body()), lease_->request()};
  Way down{TunnelSource(lease_->response()), *response_sink_};
  last_progress_ = now();
  rt::Instant end_at = rt::kNever;
  for (unsigned rounds = 0;;) {
    const std::uint64_t sent = down.to.sent();
    bool moved = up.move();
    moved |= down.move();
    count(Counter::response_bytes, down.to.sent() - sent);
    if (up.is_broken() || down.is_broken() || client_.is_gone()) break;
    if (up.is_over() && down.is_over()) break;
    if (end_at == rt::kNever && (up.is_over() || down.is_over() || worker_.closing())) {
      if (up.is_over()) up.to.half_close();
      if (down.is_over()) down.to.half_close();
      end_at = now() + model::kTunnelLinger;
    }
    if (worker_.closing()) {
      down.say_goodbye(false, 0);
      up.say_goodbye(true, worker_.random()());
    }
    if (moved) {
      last_progress_ = now();
      if (++rounds % 2 == 0) co_await client_.waiter.yield();
      continue;
    }
    const rt::Instant idle = last_progress_ + model::kTunnelIdle;
    const Waiter::Woken woken = co_await client_.waiter.wait(std::min(end_at, idle));
    if (woken == Waiter::Woken::deadline) break;
  }
  const bool orderly = up.is_over() && down.is_over();
  co_return Attempt{Attempt::Kind::finished, Cause::none,
                    orderly || up.told ? Outcome::close : Outcome::reset};
}

}  // namespace bd::proxy
