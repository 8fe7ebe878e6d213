#pragma once
// TCP connections without protocol: non-blocking reads and writes that say plainly what happened.

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>

#include "base/address.h"
#include "base/unique_fd.h"
#include "rt/reactor.h"
#include "tls/session.h"

namespace bd::net {

enum class Io : std::uint8_t {
  ok,     ///< `bytes` > 0 were moved.
  again,  ///< Wait for an event.
  end,    ///< The peer finished sending (reads only).
  error,  ///< Reset, broken pipe: the connection is dead.
};
struct IoResult {
  Io status = Io::again;
  std::size_t bytes = 0;
};

/// A connected, or connecting, TCP socket in a reactor; with TLS over it once secure() was called.
class Stream final : private tls::Wire {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() override { close(); }

  /// Takes the descriptor (non-blocking). False if it can't be registered; the stream is then
  /// closed.
  bool open(rt::Reactor& reactor, UniqueFd fd);
  /// Starts to connect; finished() tells when handle().writable is set. False: refused at once.
  bool connect(rt::Reactor& reactor, const SocketAddress& to);
  /// After connect(): 0 when connected, EINPROGRESS while not, else the errno.
  [[nodiscard]] int connect_error() noexcept;

  /// What a TLS session of this connection is made over.
  [[nodiscard]] tls::Wire& wire() noexcept { return *this; }
  /// From now on all bytes are encrypted. handshake() comes first.
  void secure(std::unique_ptr<tls::Session> session) { tls_ = std::move(session); }
  /// Null: plain.
  [[nodiscard]] tls::Session* tls() noexcept { return tls_.get(); }
  /// ok: done; again: wait for an event; else tls()->error() says why.
  [[nodiscard]] tls::Session::Status handshake() { return tls_->handshake(); }

  /// Reads once. A short read means that the socket is drained (unless the peer has closed). Over
  /// TLS `error` is also an end that nobody announced.
  [[nodiscard]] IoResult read(std::span<char> into);
  [[nodiscard]] IoResult write(std::span<const iovec> from);
  /// Looks at what is here and leaves it there; before TLS only. Says nothing of readable().
  [[nodiscard]] IoResult peek(std::span<char> into) noexcept;

  void close() noexcept;  ///< In good order: FIN.
  void reset() noexcept;  ///< RST: the peer must not mistake a broken message for a complete one.
  void shutdown_write() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }
  /// A read may give something.
  [[nodiscard]] bool readable() const noexcept {
    return handle_.readable || (tls_ && tls_->has_pending());
  }
  [[nodiscard]] bool writable() const noexcept { return handle_.writable; }
  [[nodiscard]] rt::Handle& handle() noexcept { return handle_; }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  Moved receive(std::span<char> into) override;
  Moved send(std::string_view from) override;
  [[nodiscard]] IoResult read_plain(std::span<char> into) noexcept;
  [[nodiscard]] IoResult write_plain(std::span<const iovec> from) noexcept;

  rt::Handle handle_;
  UniqueFd fd_;
  std::unique_ptr<tls::Session> tls_;
};

/// The kernel's form of an address; returns its size.
socklen_t to_kernel(const SocketAddress& address, sockaddr_storage& out) noexcept;
/// The two ends of an accepted connection, from the kernel.
[[nodiscard]] SocketAddress peer_address(int fd) noexcept;
[[nodiscard]] SocketAddress local_address(int fd) noexcept;

struct Accepted {
  UniqueFd fd;
  SocketAddress peer;
  int error = 0;  ///< errno when there is no fd: EAGAIN, EMFILE, ECONNABORTED …
};
/// A connection with the options of its listener: TCP_NODELAY is inherited.
[[nodiscard]] Accepted accept(int listener) noexcept;

/// Addresses of this host's interfaces, read once.
[[nodiscard]] std::vector<IpAddress> interface_addresses();

}  // namespace bd::net
