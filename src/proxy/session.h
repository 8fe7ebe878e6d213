#pragma once
// One client connection: idle, or in an exchange. Idle it holds this struct and one small frame.

#include <cstddef>

#include "base/address.h"
#include "net/stream.h"
#include "proxy/buffer.h"
#include "proxy/worker.h"
#include "rt/reactor.h"
#include "rt/task.h"

namespace bd::proxy {

/// What a session carries: a message, or a connection of streams.
class Cargo {
 public:
  /// Bytes of buffers that are its own.
  [[nodiscard]] virtual std::size_t held() const = 0;

 protected:
  ~Cargo() = default;
};

class Session {
 public:
  Session(Worker& worker, std::size_t listener, const SocketAddress& peer);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// Serves the connection until it ends; owns the session.
  static rt::Task<void> serve(std::unique_ptr<Session> session);
  /// The door drains, or sheds load: an idle connection closes, a busy one after its response.
  void announce_close() { waiter.wake(); }

  /// What ends with it, as far as it is known here; 0: it is of no use to reset it.
  [[nodiscard]] std::size_t held() const;
  /// The client gets a reset, and whatever is in progress ends.
  void abort();

  [[nodiscard]] const std::shared_ptr<const decide::Listener>& listener() const {
    return worker.listener(listener_index);
  }

  Worker& worker;
  const std::size_t listener_index;
  SocketAddress peer;  ///< The client, as far as the connection itself or a PROXY header says.
  net::Stream client;
  Buffer in;
  rt::Waiter waiter;
  const Cargo* cargo = nullptr;  ///< Set by the cargo itself, while it is carried.

 private:
  friend class Worker;
  enum class Idle : std::uint8_t { message, closed };
  rt::Task<bool> open();
  rt::Task<bool> take_proxy_header();
  rt::Task<bool> handshake();
  rt::Task<bool> speaks_h2();
  rt::Task<void> serve_h2();
  [[nodiscard]] bool sends_proxy_header() const;
  rt::Task<Idle> wait_for_message(bool first);
  rt::Task<void> linger();
  Session* next_ = nullptr;
  Session** link_ = nullptr;
};

}  // namespace bd::proxy
