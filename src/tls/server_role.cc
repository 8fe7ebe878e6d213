#include "tls/server_role.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "base/ascii.h"

namespace bd::tls {
namespace {

constexpr std::size_t kServerNameMax = 255;  // RFC 1035 §2.3.4.

/// The host name of a server_name extension (RFC 6066 §3), lower case, without a trailing dot.
/// Empty if there is none, or one that is no host name: OpenSSL refuses malformed extensions later.
std::string parse_server_name(std::string_view extension) {
  constexpr std::size_t kHead = 5;  // Size of the list, type, size of the name.
  if (extension.size() <= kHead) return {};
  const auto number = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(extension[at])) << 8 |
           static_cast<unsigned char>(extension[at + 1]);
  };
  if (number(0) != extension.size() - 2 || extension[2] != TLSEXT_NAMETYPE_host_name ||
      number(3) != extension.size() - kHead) {
    return {};
  }
  std::string name = ascii::to_lower(extension.substr(kHead));
  if (name.ends_with('.')) name.pop_back();
  const bool good = name.size() <= kServerNameMax && std::ranges::all_of(name, [](char c) {
                      return ascii::is_alnum(c) || c == '-' || c == '_' || c == '.';
                    });
  return good ? name : std::string();
}

std::string comparable(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return ascii::to_lower(host);
}

bool has_client_certificate(const ssl_st* ssl) {
  return SSL_get0_peer_certificate(ssl) != nullptr && SSL_get_verify_result(ssl) == X509_V_OK;
}

}  // namespace

const Policy& ServerContext::Inner::policy_of(std::string_view host) const {
  const Policy* const found = policies.find(host);
  return found != nullptr ? *found : policy;
}

ServerRole::ServerRole(std::shared_ptr<const ServerContext::Inner> inner,
                       std::shared_ptr<const TicketKeys> keys)
    : inner_(std::move(inner)), keys_(std::move(keys)), policy_(&inner_->policy) {}

bool ServerRole::greet(ssl_st* ssl, int& alert) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  std::string name;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) == 1) {
    name = parse_server_name({reinterpret_cast<const char*>(data), size});
  }
  if (greeted_ && name != name_) {
    // The ClientHello after a HelloRetryRequest must be the same (RFC 8446 §4.1.2), or the policy
    // of one name and the certificate of another would meet.
    alert = SSL_AD_ILLEGAL_PARAMETER;
    return false;
  }
  greeted_ = true;
  name_ = std::move(name);
  policy_ = &inner_->policy_of(name_);
  alert = SSL_AD_INTERNAL_ERROR;
  return apply_policy(ssl);
}

bool ServerRole::apply_policy(ssl_st* ssl) const {
  // A ticket is good for the name and the policy that it was given under, and for nothing else: a
  // client must not bring to one host what it proved to another.
  const std::string identity = policy_->id + '\n' + name_;
  unsigned char id[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(identity.data()), identity.size(), id);
  static_assert(sizeof id <= SSL_MAX_SID_CTX_LENGTH);
  if (SSL_set_session_id_context(ssl, id, sizeof id) != 1) return false;

  const int version = policy_->min_version == Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (SSL_set_min_proto_version(ssl, version) != 1) return false;
  if (policy_->client_auth == ClientAuth::none) {
    SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
    return true;
  }
  const int must =
      policy_->client_auth == ClientAuth::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_set_verify(ssl, SSL_VERIFY_PEER | must, nullptr);
  SSL_set0_CA_list(ssl, SSL_dup_CA_list(policy_->trust->names.get()));
  return SSL_set1_verify_cert_store(ssl, policy_->trust->store.get()) == 1;
}

bool ServerRole::offer_certificates(ssl_st* ssl) const {
  SSL_certs_clear(ssl);
  for (const auto& one : inner_->certificates.choose(name_).of) {
    if (one &&
        SSL_use_cert_and_key(ssl, one->leaf.get(), one->key.get(), one->chain.get(), 1) != 1) {
      return false;
    }
  }
  return true;
}

bool ServerRole::h2() const {
  return inner_->h2;
}

bool ServerRole::covers(ssl_st* ssl, std::string_view host) const {
  const Offer& offer = inner_->certificates.choose(name_);
  if (offer.own) return true;
  // A resumed session presents none: then it is as good as the worst that it might have presented.
  const X509* const presented = SSL_session_reused(ssl) == 1 ? nullptr : SSL_get_certificate(ssl);
  return std::ranges::all_of(offer.of, [&](const std::shared_ptr<const Material>& one) {
    if (!one || (presented != nullptr && one->leaf.get() != presented)) return true;
    return tls::covers(one->facts.names, host);
  });
}

bool ServerRole::satisfies(ssl_st* ssl, std::string_view host) const {
  const Policy& asked = inner_->policy_of(comparable(host));
  if (asked.min_version == Version::tls13 && SSL_version(ssl) != TLS1_3_VERSION) return false;
  if (asked.client_auth == ClientAuth::none) return true;
  if (policy_->client_auth == ClientAuth::none || policy_->trust->id != asked.trust->id) {
    return false;
  }
  return asked.client_auth == ClientAuth::optional || has_client_certificate(ssl);
}

}  // namespace bd::tls
