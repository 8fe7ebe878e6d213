#include "tls/server_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/ascii.h"
#include "base/check.h"
#include "tls/server_role.h"
#include "tls/warm_up.h"

namespace bd::tls {
namespace {

using Problem = std::unexpected<std::string>;

// Mozilla's "intermediate" without its DHE: forward secrecy and AEAD, in TLS 1.2 as in 1.3.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr int kSecurityLevel = 2;         // 112 bits: RSA of 2048, no SHA-1.
constexpr int kSelfSignedDays = 3650;     // It lives in memory, as long as the process.
constexpr long kPeerChainMax = 64 << 10;  // Bytes of a client's chain; it is read before any trust.
constexpr int kPeerDepthMax = 8;          // Intermediates of a client's chain.
constexpr long kTicketSeconds = 7200;     // How long a session may be resumed.
constexpr std::size_t kTickets = 2;       // Per handshake in TLS 1.3, where each is used once.

int on_client_hello(SSL* ssl, int* alert, void*) {
  return server_role_of(ssl).greet(ssl, *alert) ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

int on_certificate(SSL* ssl, void*) {
  return server_role_of(ssl).offer_certificates(ssl) ? 1 : 0;
}

int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* size, const unsigned char* offered,
            unsigned offered_size, void*) {
  constexpr std::string_view all("\x02h2\x08http/1.1", 12);
  const std::string_view ours = server_role_of(ssl).h2() ? all : all.substr(3);
  // Points into one of the two lists, both of which outlive the handshake.
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

OwnContext make_context() {
  OwnContext out(SSL_CTX_new(TLS_server_method()));
  if (!out) return out;
  SSL_CTX* const ssl = out.get();
  SSL_CTX_set_security_level(ssl, kSecurityLevel);
  if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(ssl, kCiphers) != 1 ||
      SSL_CTX_set_ciphersuites(ssl, kCiphers13) != 1 ||
      SSL_CTX_set1_groups_list(ssl, kGroups) != 1) {
    return nullptr;
  }
  // All suites are strong; ours come first all the same, for audits ask for an order. A client that
  // puts ChaCha20 first has no hardware for AES.
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);  // Tickets, or nothing.
  SSL_CTX_set_timeout(ssl, kTicketSeconds);
  SSL_CTX_set_num_tickets(ssl, kTickets);
  SSL_CTX_set_max_cert_list(ssl, kPeerChainMax);
  SSL_CTX_set_verify_depth(ssl, kPeerDepthMax);
  SSL_CTX_set_client_hello_cb(ssl, on_client_hello, nullptr);
  SSL_CTX_set_cert_cb(ssl, on_certificate, nullptr);
  SSL_CTX_set_alpn_select_cb(ssl, on_alpn, nullptr);
  use_tickets(ssl);
  return out;
}

/// Fills an Inner, and takes from the one before what did not change.
class Builder {
 public:
  explicit Builder(const ServerContext::Inner* before) : before_(before) {}

  std::expected<void, std::string> certificates(const ServerOptions& options) {
    if (options.certificates.empty() && !options.self_signed) {
      return Problem("no certificate: one is needed, or a self-signed one");
    }
    for (std::size_t i = 0; const auto& pair : options.certificates) {
      BD_ASSERT(pair != nullptr);
      auto material = material_of(pair);
      if (!material) return Problem(fmt::format("certificate {}: {}", ++i, material.error()));
      inner_->certificates.add(*material);
      inner_->parsed.emplace(pair, std::move(*material));
      ++i;
    }
    if (options.self_signed) {
      auto own = own_material();
      if (!own) return Problem(std::move(own.error()));
      inner_->certificates.set_self_signed(*own);
      inner_->own = std::move(*own);
    }
    inner_->certificates.finish();
    return {};
  }

  std::expected<void, std::string> policies(const ServerOptions& options) {
    auto common = policy(options.min_version, options.client_auth, options.client_ca);
    if (!common) return Problem(std::move(common.error()));
    inner_->policy = std::move(*common);
    for (const ServerOptions::Host& host : options.hosts) {
      auto one = policy(host.min_version, host.client_auth, host.client_ca);
      if (!one) return Problem(fmt::format("host {}: {}", host.host, one.error()));
      inner_->policies[ascii::to_lower(host.host)] = std::move(*one);
    }
    return {};
  }

  std::expected<std::shared_ptr<const ServerContext::Inner>, std::string> finish(bool h2) {
    inner_->h2 = h2;
    inner_->ssl = make_context();
    if (!inner_->ssl) return Problem(fmt::format("OpenSSL lacks what is needed: {}", take_error()));
    return std::move(inner_);
  }

 private:
  std::expected<std::shared_ptr<const Material>, std::string> material_of(
      const std::shared_ptr<const KeyPair>& pair) const {
    if (before_ != nullptr) {
      if (const auto found = before_->parsed.find(pair); found != before_->parsed.end()) {
        return found->second;
      }
    }
    return load(*pair);
  }

  std::expected<std::shared_ptr<const Material>, std::string> own_material() const {
    if (before_ != nullptr && before_->own) return before_->own;
    const std::string names[] = {"blastdoor"};
    const auto pair = self_signed(names, kSelfSignedDays);
    if (!pair) return Problem(pair.error());
    return load(*pair);
  }

  std::expected<Policy, std::string> policy(Version version, ClientAuth auth,
                                            const std::string& bundle) {
    Policy out{.min_version = version, .client_auth = auth, .trust = nullptr, .id = {}};
    if (auth != ClientAuth::none) {
      auto& trust = inner_->trusts[bundle];
      if (!trust && before_ != nullptr) {
        if (const auto found = before_->trusts.find(bundle); found != before_->trusts.end()) {
          trust = found->second;
        }
      }
      if (!trust) {
        auto loaded = load_trust(bundle);
        if (!loaded) return Problem(fmt::format("client certificates: {}", loaded.error()));
        trust = std::move(*loaded);
      }
      out.trust = trust;
    }
    out.id = fmt::format("{}/{}/{}", static_cast<int>(version), static_cast<int>(auth),
                         out.trust ? out.trust->id : "");
    return out;
  }

  const ServerContext::Inner* before_;
  std::shared_ptr<ServerContext::Inner> inner_ = std::make_shared<ServerContext::Inner>();
};

}  // namespace

std::expected<std::unique_ptr<ServerContext>, std::string> ServerContext::create(
    const ServerOptions& options, const ServerContext* before) {
  warm_up();
  Builder builder(before != nullptr ? before->inner_.get() : nullptr);
  if (auto done = builder.certificates(options); !done) return Problem(std::move(done.error()));
  if (auto done = builder.policies(options); !done) return Problem(std::move(done.error()));
  auto inner = builder.finish(options.h2);
  if (!inner) return Problem(std::move(inner.error()));
  return std::unique_ptr<ServerContext>(new ServerContext(std::move(*inner), options.tickets));
}

ServerContext::ServerContext(std::shared_ptr<const Inner> inner, std::vector<TicketKey> keys)
    : inner_(std::move(inner)) {
  set_tickets(std::move(keys));
}

ServerContext::~ServerContext() = default;

std::unique_ptr<Session> ServerContext::accept(Wire& wire) {
  SSL* const ssl = SSL_new(inner_->ssl.get());
  BD_ASSERT(ssl != nullptr);
  if (keys_->empty()) {
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_set_num_tickets(ssl, 0);  // Without this TLS 1.3 would keep sessions in a cache instead.
  }
  SSL_set_accept_state(ssl);
  return std::make_unique<Session>(ssl, wire, std::make_unique<ServerRole>(inner_, keys_));
}

void ServerContext::set_tickets(std::vector<TicketKey> keys) {
  keys_ = std::make_shared<const TicketKeys>(std::move(keys));
}

}  // namespace bd::tls
