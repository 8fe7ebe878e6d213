#pragma once
// tls/ answers: how are bytes encrypted, and who is at the other end? Ciphertext moves through a
// Wire that the caller provides, so this room does no I/O. No file is ever opened here: all
// material comes as PEM text. One context per worker: OpenSSL 3.0 scales badly over threads.

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct bio_st;
struct ssl_st;

namespace bd::tls {

enum class Version : std::uint8_t { tls12, tls13 };
enum class ClientAuth : std::uint8_t {
  none,
  optional,  ///< A client may come without a certificate, but not with an invalid one.
  required,
};

/// Where ciphertext comes from and goes to: a socket, or memory. Never raises SIGPIPE.
class Wire {
 public:
  enum class Status : std::uint8_t {
    ok,     ///< `bytes` > 0 were moved.
    again,  ///< Nothing now.
    end,    ///< The peer finished sending (receive only).
    error,  ///< The connection is dead.
  };
  struct Moved {
    Status status = Status::again;
    std::size_t bytes = 0;
  };
  virtual ~Wire() = default;
  virtual Moved receive(std::span<char> into) = 0;
  virtual Moved send(std::string_view from) = 0;
};

/// The certificate that a client presented and that was verified.
struct Peer {
  bool present = false;
  bool verified = false;
  std::string subject, issuer;  ///< RFC 2253.
  std::string serial;           ///< Hex, upper case.
  std::string sha256;           ///< Hex, of its DER.
  std::string pem;              ///< Without its chain.
};

class Role;

/// One connection. Contexts make it; its wire must outlive it, its context need not.
class Session {
 public:
  enum class Status : std::uint8_t { ok, again, end, error };
  struct Moved {
    Status status = Status::again;
    std::size_t bytes = 0;
  };

  Session(ssl_st* owned, Wire& wire, std::unique_ptr<Role> role);  ///< For the contexts only.
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// ok: done. again: after the wire moved, call again. A peer that leaves meanwhile is an error.
  [[nodiscard]] Status handshake();

  /// ok: `bytes` > 0; as many whole records as one look at the wire gave. end: close_notify.
  /// A wire that ends without one is an error, "truncated": whether the message was complete all
  /// the same, only the protocol above can tell; writing is still possible.
  [[nodiscard]] Moved read(std::span<char> into);

  /// Takes all parts as one sequence, in records of up to 16 KiB; small parts share a record.
  /// ok: `bytes` > 0 were taken, fewer than all if the wire is full; again: none. After a call that
  /// did not take all, the next one must present the same bytes first, in any division.
  [[nodiscard]] Moved write(std::span<const iovec> from);

  /// A read may give bytes, an end or an error though the wire is silent. While only a part of a
  /// record is here this can be true once too often: the read then says `again`, and it is false.
  [[nodiscard]] bool has_pending() const;
  /// The last `again` of handshake() or read() waits for the wire to take bytes.
  [[nodiscard]] bool wants_write() const { return wants_write_; }
  void close();  ///< close_notify, once, best effort.

  [[nodiscard]] bool done() const;                     ///< The handshake is complete.
  [[nodiscard]] std::string_view alpn() const;         ///< "h2", "http/1.1" or "".
  [[nodiscard]] std::string_view server_name() const;  ///< SNI, lower case; "" if none.
  [[nodiscard]] Version version() const;
  [[nodiscard]] std::string_view cipher() const;
  [[nodiscard]] bool resumed() const;

  /// Server role: the certificate that was presented covers `host`. The self-signed one that a
  /// context made itself covers everything.
  [[nodiscard]] bool covers(std::string_view host) const;
  /// Server role: what this session negotiated meets the policy of `host`, in version and client
  /// certificate, under the same CA. If not, a request for `host` is misdirected: 421.
  [[nodiscard]] bool satisfies(std::string_view host) const;
  /// Server role: null if the client presented none.
  [[nodiscard]] const Peer* client_certificate() const;

  /// Why the last call said error: "truncated", "certificate verify failed: certificate has
  /// expired"; "" if none did. Valid as long as the session.
  [[nodiscard]] const char* error() const { return error_.c_str(); }

  /// What the BIO of this room knows of its wire.
  struct Line {
    Wire* wire = nullptr;
    bool muted = false;         ///< Only what is here already: the wire is not asked.
    bool ended = false;         ///< The wire said end.
    bool broken = false;        ///< The wire said error.
    bool flooded = false;       ///< The peer sends, but no data.
    std::size_t fruitless = 0;  ///< Bytes received by this call, without any data yet.
    unsigned key_updates = 0;   ///< Since the last data.
    bool holds = false;         ///< What is sent waits in `held` if there is room.
    std::string held;           ///< Goes before all that is sent later, and with it.
  };

 private:
  struct Free {
    void operator()(ssl_st* ssl) const noexcept;
  };
  Status failed(int result);
  Status die(std::string text);
  Status waits_for_room();
  Status ready();

  Line line_;
  std::unique_ptr<Role> role_;  // Its callbacks run until ssl_ is gone: freed after it.
  std::unique_ptr<ssl_st, Free> ssl_;
  std::string error_;
  mutable std::optional<Peer> peer_;
  std::size_t unsent_ = 0;    // Size of the chunk that OpenSSL holds and could not send.
  Status last_ = Status::ok;  // How reading ended, once it has.
  bool told_ = false;         // The caller knows of `last_`.
  bool starved_ = false;      // The last read needs more of the wire.
  bool wants_write_ = false;
  bool fatal_ = false;
  bool closed_ = false;
};

}  // namespace bd::tls
