#pragma once
// Two sessions that talk over memory, and peers that do what our own contexts never do.

#include <memory>
#include <string>
#include <vector>

#include "tls/client_context.h"
#include "tls/openssl.h"
#include "tls/pki_for_test.h"
#include "tls/server_context.h"

namespace bd::tls {

/// One direction of a connection.
struct Pipe {
  std::string bytes;
  bool ended = false;
  std::size_t room = 64 << 20;  ///< A sender must wait while this much is on its way.
};

class MemoryWire final : public Wire {
 public:
  MemoryWire(Pipe& in, Pipe& out, std::size_t piece) : in_(in), out_(out), piece_(piece) {}
  Moved receive(std::span<char> into) override;
  Moved send(std::string_view from) override;
  int receives = 0, sends = 0;
  bool broken = false;

 private:
  Pipe& in_;
  Pipe& out_;
  std::size_t piece_;
};

/// A peer with any habit: TLS 1.2 only, other algorithms, any certificate.
struct RawOptions {
  int max_version = 0;  ///< TLS1_2_VERSION …; 0: the newest.
  std::string server_name;
  std::string alpn;  ///< As on the wire: "\x02h2".
  const char* signatures = nullptr;
  const char* ciphers = nullptr;  ///< Of TLS 1.2.
  const char* groups = nullptr;
  std::shared_ptr<const KeyPair> certificate;
};
class RawPeer {
 public:
  explicit RawPeer(RawOptions options, bool server = false);
  std::unique_ptr<Session> open(Wire& wire, bool resume = true);
  [[nodiscard]] SSL* last() const { return last_; }
  [[nodiscard]] std::string peer_key() const;  ///< "EC", "RSA": of the certificate it was shown.
  [[nodiscard]] std::string peer_sha256() const;
  std::vector<OwnSession> sessions;  ///< The newest last.
  RawOptions options;

 private:
  bool server_;
  OwnContext context_;
  SSL* last_ = nullptr;
};

/// A connection: the two ends and what is between them.
struct Talk {
  explicit Talk(std::size_t piece = 1 << 20)
      : client_wire(to_client, to_server, piece), server_wire(to_server, to_client, piece) {}
  Talk(ServerContext& context, ClientContext& by, std::size_t piece = 1 << 20);
  Talk(ServerContext& context, RawPeer& by, std::size_t piece = 1 << 20, bool resume = true);

  /// Until both are done (true), or one failed.
  bool handshake();
  /// All that `from` can read now, and how it ended.
  static std::string read_all(Session& from, Session::Status* status = nullptr);
  /// Sends `bytes` from one end and returns what arrives at the other.
  static std::string send(Session& from, Session& to, std::string_view bytes);

  Pipe to_client, to_server;
  MemoryWire client_wire, server_wire;
  std::unique_ptr<Session> client, server;
};

/// Options of a server with these certificates, and one for sure-to-work calls.
ServerOptions server_options(std::vector<std::shared_ptr<const KeyPair>> certificates);
std::unique_ptr<ServerContext> make_server(const ServerOptions& options);
std::unique_ptr<ClientContext> make_client(const ClientOptions& options);
TicketKey ticket_key(unsigned char seed);

}  // namespace bd::tls
