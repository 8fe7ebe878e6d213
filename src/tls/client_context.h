#pragma once
// The client's side: who must be at the other end, and sessions to resume.

#include <expected>
#include <memory>
#include <string>

#include "tls/certificate.h"
#include "tls/session.h"

namespace bd::tls {

struct ClientOptions {
  bool verify = true;
  std::string ca;           ///< PEM bundle; needed if `verify`.
  std::string server_name;  ///< SNI (if a DNS name) and what the SAN must name (DNS or IP).
  std::shared_ptr<const KeyPair> certificate;  ///< May be null.
  enum class Alpn : std::uint8_t { http1, h2, h2_or_http1 } alpn = Alpn::http1;
};

/// Makes sessions of TLS 1.2 and 1.3 to one upstream, and keeps what is needed to resume them. For
/// one thread.
class ClientContext {
 public:
  /// The error says what is wrong with which text.
  static std::expected<std::unique_ptr<ClientContext>, std::string> create(
      const ClientOptions& options);
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;
  ~ClientContext();

  /// A session over `wire`, which must outlive it; this context need not. It resumes the newest
  /// session of this context.
  [[nodiscard]] std::unique_ptr<Session> connect(Wire& wire);

  struct Inner;

 private:
  explicit ClientContext(std::shared_ptr<Inner> inner);
  std::shared_ptr<Inner> inner_;
};

}  // namespace bd::tls
