#include "proxy/session.h"

#include <algorithm>
#include <array>
#include <new>

#include "proxy/exchange.h"
#include "proxy/h1_client.h"
#include "proxy/h2_session.h"
#include "proxyprotocol/header.h"

namespace bd::proxy {

using namespace std::chrono_literals;
using rt::Waiter;
using telemetry::Counter;

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

std::size_t Session::held() const {
  if (cargo == nullptr || !client.is_open()) return 0;
  return in.capacity() + cargo->held() + socket_memory(client.fd());
}

/// What is read or written from here on fails, and what waits for an upstream sees that its client
/// is gone.
void Session::abort() {
  client.reset();
  client.handle().readable = client.handle().writable = client.handle().broken = true;
  waiter.wake_later();
}

bool Session::sends_proxy_header() const {
  const auto& from = listener()->facts.proxy_protocol_from;
  return std::any_of(from.begin(), from.end(),
                     [&](const Cidr& block) { return block.contains(peer.ip); });
}

/// What stands in front of HTTP. False: the connection is of no use.
rt::Task<bool> Session::open() {
  if (sends_proxy_header()) {
    const bool told = co_await take_proxy_header();
    worker.stats().add(told ? Counter::proxy_headers : Counter::proxy_header_failures);
    if (!told) co_return false;
  }
  if (listener()->facts.tls.mode == model::TlsMode::off) co_return true;
  const bool secure = co_await handshake();
  worker.stats().add(secure ? Counter::tls_connections : Counter::tls_failures);
  co_return secure;
}

/// Looks first and takes then, for what follows may belong to a TLS session.
rt::Task<bool> Session::take_proxy_header() {
  const rt::Instant deadline = worker.reactor().now() + listener()->facts.timeouts.request_head;
  std::array<char, proxyprotocol::kHeaderSizeMax> bytes;
  for (;;) {
    const net::IoResult seen = client.peek(bytes);
    if (seen.status == net::Io::end || seen.status == net::Io::error) co_return false;
    const auto header = proxyprotocol::parse({bytes.data(), seen.bytes});
    if (!header) co_return false;
    if (*header) {
      const net::IoResult taken = client.read(std::span(bytes).first((*header)->size));
      if (taken.bytes != (*header)->size) co_return false;
      if ((*header)->source) peer = *(*header)->source;
      client.handle().readable = true;
      co_return true;
    }
    client.handle().readable = false;  // All that is here was seen; the next event tells of more.
    const Waiter::Woken woken = co_await waiter.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return false;
  }
}

rt::Task<bool> Session::handshake() {
  tls::ServerContext* context = worker.tls(listener_index);
  if (context == nullptr) co_return false;
  client.secure(context->accept(client.wire()));
  const rt::Instant deadline = worker.reactor().now() + listener()->facts.timeouts.request_head;
  for (;;) {
    const tls::Session::Status status = client.handshake();
    if (status == tls::Session::Status::ok) co_return true;
    if (status != tls::Session::Status::again) co_return false;
    const Waiter::Woken woken = co_await waiter.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return false;
  }
}

/// By ALPN; without TLS by the preface (RFC 9113 §3.3, §3.4): a balancer's HTTP/2 or gRPC target
/// group speaks so on the same port. The first bytes are here.
rt::Task<bool> Session::speaks_h2() {
  if (client.tls() != nullptr) co_return client.tls()->alpn() == "h2";
  constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const rt::Instant deadline = worker.reactor().now() + listener()->facts.timeouts.request_head;
  for (;;) {
    if (!preface.starts_with(in.bytes().substr(0, preface.size()))) co_return false;
    if (in.size() >= preface.size()) co_return true;
    if (client.readable()) {
      const net::IoResult got = client.read(in.room());
      if (got.status == net::Io::ok) in.filled(got.bytes);
      if (got.status == net::Io::end || got.status == net::Io::error) co_return false;
      continue;
    }
    const Waiter::Woken woken = co_await waiter.wait(deadline);
    if (woken == Waiter::Woken::deadline) co_return false;
  }
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
        worker.stats().add(Counter::request_bytes, got.bytes);
        co_return Idle::message;
      }
      in.release_if_empty();
      if (got.status != net::Io::again) co_return Idle::closed;
    }
    if (!worker.keeps_connections()) {
      // Who has just connected is about to ask, and gets an answer that announces the end.
      const rt::Instant now = worker.reactor().now();
      const rt::Instant last = std::max(worker.idle_until(), first ? now + 1s : now);
      if (last <= now) co_return Idle::closed;
      deadline = std::min(deadline, last);
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

rt::Task<void> serve_h2_streams(Session& session) {
  H2Session h2(session);
  co_await h2.run();
}

/// A coroutine of its own, so that the exchange's memory is held only while there is one.
rt::Task<Outcome> exchange_once(Session& session) {
  try {
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
  } catch (const std::bad_alloc&) {
    // Its own failure, and no other's. How far the response got is not known here.
    session.worker.stats().add(Counter::allocation_failures);
  }
  co_return Outcome::reset;
}

}  // namespace

rt::Task<void> Session::serve_h2() {
  co_await serve_h2_streams(*this);
  client.handle().set_sink(&waiter);
  co_await linger();
}

rt::Task<void> Session::serve(std::unique_ptr<Session> session) {
  const bool open = co_await session->open();
  if (!open) co_return;
  for (unsigned served = 0;;) {
    const Idle idle = co_await session->wait_for_message(served == 0);
    if (idle == Idle::closed) co_return;
    if (served == 0) {
      const bool h2 = co_await session->speaks_h2();
      if (h2) {
        co_await session->serve_h2();
        co_return;
      }
    }
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
