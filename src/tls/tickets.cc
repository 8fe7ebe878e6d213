#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>

#include "tls/server_role.h"

namespace bd::tls {
namespace {

constexpr std::size_t kNameSize = 16;
constexpr std::size_t kCipherKey = kNameSize;     // Offset in a TicketKey.
constexpr std::size_t kHashKey = kNameSize + 32;  // The same.
constexpr int kUse = 1;
constexpr int kUseAndRenew = 2;
constexpr int kUnknown = 0;
constexpr int kFailed = -1;

/// Looked up once: by its name, each ticket would ask OpenSSL's providers again.
const EVP_CIPHER* ticket_cipher() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

bool set_hash_key(EVP_MAC_CTX* hash, const TicketKey& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_init(hash, key.data() + kHashKey, 32, parameters) == 1;
}

/// OpenSSL asks for the key of a ticket: a new one, or one by its name.
int choose_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
               EVP_MAC_CTX* hash, int encrypt) {
  const TicketKeys& keys = server_role_of(ssl).tickets();
  if (keys.empty()) return kUnknown;
  if (encrypt != 0) {
    const TicketKey& key = keys.front();
    std::copy_n(key.begin(), kNameSize, name);
    const bool good =
        RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher())) == 1 &&
        EVP_EncryptInit_ex(cipher, ticket_cipher(), nullptr, &key[kCipherKey], iv) == 1 &&
        set_hash_key(hash, key);
    return good ? kUse : kFailed;
  }
  const auto found = std::ranges::find_if(
      keys, [&](const TicketKey& key) { return std::equal(name, name + kNameSize, key.begin()); });
  if (found == keys.end()) return kUnknown;
  const bool good =
      set_hash_key(hash, *found) &&
      EVP_DecryptInit_ex(cipher, ticket_cipher(), nullptr, &(*found)[kCipherKey], iv) == 1;
  if (!good) return kFailed;
  return found == keys.begin() ? kUse : kUseAndRenew;
}

/// A ticket must not prolong the life of the client's certificate.
SSL_TICKET_RETURN judge_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                               SSL_TICKET_STATUS status, void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  const X509* const peer = SSL_SESSION_get0_peer(session);
  if (peer != nullptr && X509_cmp_time(X509_get0_notAfter(peer), nullptr) <= 0) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  // TLS 1.3 uses a ticket once, so who shows one gets the next.
  const bool renew = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
  return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

int fill_nothing(SSL*, void*) {
  return 1;
}

}  // namespace

void use_tickets(ssl_ctx_st* context) {
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, choose_key);
  SSL_CTX_set_session_ticket_cb(context, fill_nothing, judge_ticket, nullptr);
}

}  // namespace bd::tls
