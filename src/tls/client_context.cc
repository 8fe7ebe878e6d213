#include "tls/client_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <vector>

#include "base/address.h"
#include "base/ascii.h"
#include "base/check.h"
#include "tls/material.h"
#include "tls/role.h"
#include "tls/warm_up.h"

namespace bd::tls {

/// What sessions need of a context, and what they leave to it.
struct ClientContext::Inner {
  OwnContext ssl;
  std::string name;                  // SNI; "" for an address.
  std::string address;               // The name, if it is an address.
  std::vector<OwnSession> sessions;  // To resume, the newest last.

  void keep(SSL_SESSION* session);
  OwnSession newest();
};

namespace {

using Problem = std::unexpected<std::string>;
constexpr std::size_t kSessionsMax = 8;  // TLS 1.3 uses each once, and new ones come with each.
constexpr int kSecurityLevel = 2;
constexpr std::size_t kDnsNameMax = 253;

class ClientRole final : public Role {
 public:
  explicit ClientRole(std::shared_ptr<ClientContext::Inner> inner) : inner_(std::move(inner)) {}
  [[nodiscard]] std::string_view server_name() const override { return inner_->name; }
  [[nodiscard]] ClientContext::Inner& inner() const { return *inner_; }

 private:
  std::shared_ptr<ClientContext::Inner> inner_;
};

int on_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<ClientRole&>(*role_of(ssl)).inner().keep(session);
  return 1;  // It is ours now.
}

bool set_alpn(SSL_CTX* ssl, ClientOptions::Alpn alpn) {
  std::string_view list("\x02h2\x08http/1.1", 12);
  if (alpn == ClientOptions::Alpn::h2) list = list.substr(0, 3);
  if (alpn == ClientOptions::Alpn::http1) list = list.substr(3);
  // Zero is success, here only.
  return SSL_CTX_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(list.data()),
                                 static_cast<unsigned>(list.size())) == 0;
}

std::expected<void, std::string> set_verification(SSL_CTX* ssl, const ClientOptions& options,
                                                  const ClientContext::Inner& inner) {
  if (!options.verify) {
    SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
    return {};
  }
  if (options.server_name.empty()) return Problem("a name to verify is needed");
  auto trust = load_trust(options.ca);
  if (!trust) return Problem(std::move(trust.error()));
  SSL_CTX_set1_verify_cert_store(ssl, (*trust)->store.get());
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  X509_VERIFY_PARAM* const wanted = SSL_CTX_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(
      wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const int good = inner.address.empty()
                       ? X509_VERIFY_PARAM_set1_host(wanted, inner.name.data(), inner.name.size())
                       : X509_VERIFY_PARAM_set1_ip_asc(wanted, inner.address.c_str());
  if (good != 1) return Problem(fmt::format("{} can't be verified", options.server_name));
  return {};
}

std::expected<void, std::string> set_certificate(SSL_CTX* ssl, const KeyPair* pair) {
  if (pair == nullptr) return {};
  const auto material = load(*pair);
  if (!material) return Problem(fmt::format("client certificate: {}", material.error()));
  const Material& one = **material;
  if (SSL_CTX_use_cert_and_key(ssl, one.leaf.get(), one.key.get(), one.chain.get(), 1) != 1) {
    return Problem(fmt::format("client certificate: {}", take_error()));
  }
  return {};
}

std::expected<void, std::string> set_name(ClientContext::Inner& inner, std::string_view name) {
  if (const auto ip = IpAddress::parse(name)) {
    inner.address = ip->text();
    return {};
  }
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() > kDnsNameMax || name.find('\0') != std::string_view::npos) {
    return Problem("the server's name is no host name");
  }
  inner.name = ascii::to_lower(name);
  return {};
}

}  // namespace

void ClientContext::Inner::keep(SSL_SESSION* session) {
  if (sessions.size() == kSessionsMax) sessions.erase(sessions.begin());
  sessions.emplace_back(session);
}

OwnSession ClientContext::Inner::newest() {
  while (!sessions.empty()) {
    OwnSession session = std::move(sessions.back());
    sessions.pop_back();
    const long age = static_cast<long>(std::time(nullptr)) - SSL_SESSION_get_time(session.get());
    if (SSL_SESSION_is_resumable(session.get()) == 0 || age < 0 ||
        age >= SSL_SESSION_get_timeout(session.get())) {
      continue;
    }
    if (SSL_SESSION_get_protocol_version(session.get()) != TLS1_3_VERSION) {
      SSL_SESSION_up_ref(session.get());
      sessions.emplace_back(session.get());  // Good for many connections.
    }
    return session;
  }
  return nullptr;
}

std::expected<std::unique_ptr<ClientContext>, std::string> ClientContext::create(
    const ClientOptions& options) {
  warm_up();
  auto inner = std::make_shared<Inner>();
  inner->ssl.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const ssl = inner->ssl.get();
  if (ssl == nullptr) return Problem(fmt::format("no context: {}", take_error()));
  SSL_CTX_set_security_level(ssl, kSecurityLevel);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ssl, on_session);
  if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 || !set_alpn(ssl, options.alpn)) {
    return Problem(fmt::format("no context: {}", take_error()));
  }
  if (auto done = set_name(*inner, options.server_name); !done) {
    return Problem(std::move(done.error()));
  }
  if (auto done = set_verification(ssl, options, *inner); !done) {
    return Problem(std::move(done.error()));
  }
  if (auto done = set_certificate(ssl, options.certificate.get()); !done) {
    return Problem(std::move(done.error()));
  }
  return std::unique_ptr<ClientContext>(new ClientContext(std::move(inner)));
}

ClientContext::ClientContext(std::shared_ptr<Inner> inner) : inner_(std::move(inner)) {}
ClientContext::~ClientContext() = default;

std::unique_ptr<Session> ClientContext::connect(Wire& wire) {
  SSL* const ssl = SSL_new(inner_->ssl.get());
  BD_ASSERT(ssl != nullptr);
  if (!inner_->name.empty()) SSL_set_tlsext_host_name(ssl, inner_->name.c_str());
  if (const OwnSession session = inner_->newest()) SSL_set_session(ssl, session.get());
  SSL_set_connect_state(ssl);
  return std::make_unique<Session>(ssl, wire, std::make_unique<ClientRole>(inner_));
}

}  // namespace bd::tls
