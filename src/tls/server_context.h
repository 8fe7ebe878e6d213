#pragma once
// The server's side: certificates by name, policies by name, tickets.

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "tls/certificate.h"
#include "tls/session.h"
#include "tls/tickets.h"

namespace bd::tls {

struct ServerOptions {
  /// A name gets the certificate that names it, or else one with a wildcard for it, or else the
  /// first. Of several that name the same, the first of each kind of key is offered, and the
  /// client's algorithms decide. Never null. Text that did not change is best passed as the same
  /// object: with `before` it is not parsed again.
  std::vector<std::shared_ptr<const KeyPair>> certificates;
  bool self_signed = false;  ///< Adds one made by create(), which serves all other names.
  Version min_version = Version::tls12;
  ClientAuth client_auth = ClientAuth::none;
  std::string client_ca;  ///< PEM bundle; needed unless `client_auth` is none.

  /// What differs for one SNI, exact or "*.example.com".
  struct Host {
    std::string host;
    Version min_version = Version::tls12;
    ClientAuth client_auth = ClientAuth::none;
    std::string client_ca;
  };
  std::vector<Host> hosts;
  std::vector<TicketKey> tickets;  ///< Empty: no session is resumed.
  /// ALPN h2 and http/1.1, else http/1.1 only. Without ALPN all is http/1.1; a client that wants
  /// neither gets a fatal alert (RFC 7301 §3.2).
  bool h2 = true;
};

/// Makes sessions that speak TLS 1.2 and 1.3 with forward secrecy and AEAD, X25519, P-256 or P-384;
/// without renegotiation, compression or early data. For one thread.
class ServerContext {
 public:
  /// The error says which certificate or bundle is wrong, why, and what is needed. What `before`
  /// parsed already is taken from it.
  static std::expected<std::unique_ptr<ServerContext>, std::string> create(
      const ServerOptions& options, const ServerContext* before = nullptr);
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;
  ~ServerContext();

  /// A session over `wire`, which must outlive it; this context need not.
  [[nodiscard]] std::unique_ptr<Session> accept(Wire& wire);
  /// For sessions that are accepted from now on.
  void set_tickets(std::vector<TicketKey> keys);

  struct Inner;

 private:
  explicit ServerContext(std::shared_ptr<const Inner> inner, std::vector<TicketKey> keys);
  std::shared_ptr<const Inner> inner_;
  std::shared_ptr<const TicketKeys> keys_;
};

}  // namespace bd::tls
