#include "proxy/session.h"

#include <algorithm>

#include "proxy/exchange.h"
#include "proxy/h1_client.h"

namespace bd::proxy {

using namespace std::chrono_literals;
using rt::Waiter;

Session::Session(Worker& owner, std::size_t index, const SocketAddress& address)
    : worker(owner),
      listener_index(index),
      peer(address),
      in(owner.blocks()),
      waiter(owner.reactor()) {
  next_ = worker.sessions_;
  link_ = &worker.sessions_;
  if (next_ != nullptr) next_->link_ = &next_;
  worker.sessions_ = this;
  ++worker.session_count_;
  telemetry::WorkerStats::bump(worker.stats().open_connections, 1);
}

Session::~Session() {
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  client.close();
  worker.forget(*this);
}

/// Waits for the first byte of a message without holding a buffer.
rt::Task<Session::Idle> Session::wait_for_message(bool first) {
  rt::Instant deadline = worker.reactor().now() + listener()->facts.timeouts.idle;
  for (;;) {
    if (!in.empty()) co_return Idle::message;
    if (client.readable()) {
      const net::IoResult got = client.read(in.room());
      if (got.status == net::Io::ok) {
        in.filled(got.bytes);
        worker.stats().add(telemetry::Counter::request_bytes, got.bytes);
        co_return Idle::message;
      }
      in.release_if_empty();
      if (got.status != net::Io::again) co_return Idle::closed;
    }
    if (worker.closing()) {
      // Who has just connected is about to ask, and gets an answer that announces the end.
      if (!first) co_return Idle::closed;
      deadline = std::min(deadline, worker.reactor().now() + 1s);
    }
    const Waiter::Woken woken = co_await waiter.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return Idle::closed;
  }
}

/// Closes without a reset that would destroy the response on its way: says that we are done, and
/// reads what the client still sends, in bounds (RFC 9112 §9.6).
rt::Task<void> Session::linger() {
  const rt::Instant deadline = worker.reactor().now() + 1s;
  client.shutdown_write();
  in.clear();
  for (std::size_t drained = 0; drained < model::kLocalBodyDrainMax;) {
    if (!client.readable()) {
      if (client.handle().broken) co_return;
      const Waiter::Woken woken = co_await waiter.wait(deadline);
      if (woken == Waiter::Woken::deadline) co_return;
      continue;
    }
    const net::IoResult got = client.read(in.room());
    if (got.status == net::Io::end || got.status == net::Io::error) co_return;
    drained += got.bytes;
  }
}

namespace {

/// A coroutine of its own, so that the exchange's memory is held only while there is one.
rt::Task<Outcome> exchange_once(Session& session) {
  H1Client client(session);
  const decide::Cause failed = co_await client.read_head();
  if (client.is_silent()) co_return Outcome::close;
  Exchange exchange(client);
  if (failed != decide::Cause::none) {
    const Outcome outcome = co_await exchange.refuse(failed);
    co_return outcome;
  }
  const Outcome outcome = co_await exchange.run();
  co_return outcome;
}

}  // namespace

rt::Task<void> Session::serve(std::unique_ptr<Session> session) {
  for (unsigned served = 0;;) {
    const Idle idle = co_await session->wait_for_message(served == 0);
    if (idle == Idle::closed) co_return;
    const Outcome outcome = co_await exchange_once(*session);
    session->in.release_if_empty();
    if (outcome == Outcome::keep) {
      // Requests that we answer ourselves wait for nothing: a client that pipelines them without
      // end would keep the thread.
      if (++served % 16 == 0) co_await session->waiter.yield();
      continue;
    }
    // Bytes that nobody read would turn the close into a reset, and the response would be lost.
    const bool unread = !session->in.empty() || session->client.readable();
    if (outcome == Outcome::linger || (outcome == Outcome::close && unread)) {
      co_await session->linger();
    }
    if (outcome == Outcome::reset) session->client.reset();
    co_return;
  }
}

}  // namespace bd::proxy
