#include "proxy/h2_session.h"

#include <algorithm>
#include <new>
#include <utility>

#include "proxy/exchange.h"
#include "proxy/h2_client.h"

namespace bd::proxy {

using namespace std::chrono_literals;
using telemetry::Counter;

namespace {

http2::Options options_of(const model::Limits& limits) {
  http2::Options out;
  out.streams_max = model::kStreamsMax;
  out.head_max = limits.request_head_max;
  out.fields_max = limits.request_fields_max;
  out.stream_window = model::kStreamWindow;
  out.outbound_max = model::kStreamOutboundMax;
  return out;
}

/// A peer that takes nothing at all, while we have something for it, is gone.
constexpr auto kLastWords = 1s;

}  // namespace

H2Session::H2Session(Session& session)
    : session_(session),
      connection_(session.worker.reactor(), session.client, http2::Role::server,
                  options_of(session.listener()->facts.limits), *this),
      idle_since_(session.worker.reactor().now()) {
  session_.cargo = this;
}

rt::Task<void> H2Session::run() {
  const std::string early(session_.in.bytes());
  session_.in.clear();
  session_.in.release_if_empty();
  session_.worker.stats().add(Counter::http2_connections);
  connection_.begin(early);
  while (!connection_.over()) {
    const rt::Instant due = look();
    if (connection_.over()) break;
    co_await session_.waiter.wait(due);
    const bool reset = !session_.client.is_open();  // To make room.
    if (reset || session_.worker.reactor().is_cancelled()) connection_.abandon();
  }
  if (connection_.abuse()) session_.worker.stats().add(Counter::http2_abuse);
  // Each stream was told that it is closed; one that waits for its upstream ends a little later.
  while (!serving_.empty()) {
    co_await session_.waiter.wait(rt::kNever);
    if (!session_.worker.reactor().is_cancelled()) continue;
    while (!serving_.empty()) serving_.back()->wake();  // Nothing waits any more.
  }
}

rt::Instant H2Session::look() {
  const rt::Instant now = session_.worker.reactor().now();
  const auto& timeouts = session_.listener()->facts.timeouts;
  if (session_.worker.closing()) drain();
  if (last_call_ <= now) {
    connection_.shutdown();
    last_call_ = rt::kNever;
  }
  // A peer that does not take what waits for it is timed out by each exchange; with none left, by
  // this.
  const rt::Instant quiet = std::max(idle_since_, connection_.last_progress());
  const rt::Duration patience = connection_.is_clogged() ? rt::Duration(timeouts.body_idle)
                                : draining_              ? rt::Duration(kLastWords)
                                : !session_.worker.keeps_connections()
                                    ? rt::Duration(0)
                                    : rt::Duration(timeouts.idle);
  if (!serving_.empty()) return std::min(last_call_, now + 60s);
  if (quiet + patience > now) return std::min(last_call_, quiet + patience);
  if (draining_ || connection_.is_clogged()) {
    connection_.abandon();
    return now;
  }
  draining_ = true;
  connection_.shutdown();
  return now + kLastWords;
}

/// RFC 9113 §6.8: first the announcement, then, a round trip later, the last stream's number.
void H2Session::drain() {
  if (std::exchange(draining_, true)) return;
  connection_.announce_shutdown();
  for (rt::Waiter* waiter : serving_) waiter->wake_later();  // Tunnels say goodbye.
  last_call_ = session_.worker.reactor().now() + kLastWords;
}

void H2Session::on_stream(std::shared_ptr<mux::Stream> stream) {
  try {
    session_.worker.scope().spawn(serve(stream));
  } catch (const std::bad_alloc&) {
    session_.worker.stats().add(Counter::allocation_failures);
    stream->reset(mux::Stream::kInternalError);
  }
}

rt::Task<void> H2Session::serve(std::shared_ptr<mux::Stream> stream) {
  rt::Waiter waiter(session_.worker.reactor());
  serving_.push_back(&waiter);
  co_await exchange_once(std::move(stream), waiter);
  std::erase(serving_, &waiter);
  if (!serving_.empty()) co_return;
  idle_since_ = session_.worker.reactor().now();
  session_.waiter.wake_later();
}

rt::Task<void> H2Session::exchange_once(std::shared_ptr<mux::Stream> stream, rt::Waiter& waiter) {
  try {
    H2Client client(session_, std::move(stream), waiter);
    Exchange exchange(client);
    const decide::Cause wrong = client.judge_head();
    if (wrong == decide::Cause::none) {
      const Outcome outcome = co_await exchange.run();
      static_cast<void>(outcome);
    } else {
      const Outcome outcome = co_await exchange.refuse(wrong);
      static_cast<void>(outcome);
    }
  } catch (const std::bad_alloc&) {  // The client's end has reset the stream.
    session_.worker.stats().add(Counter::allocation_failures);
  }
}

}  // namespace bd::proxy
