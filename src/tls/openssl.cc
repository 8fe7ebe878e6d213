#include "tls/openssl.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <climits>
#include <ctime>
#include <mutex>

#include "tls/warm_up.h"

namespace bd::tls {

std::string take_error() {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown error";
}

OwnBio reader(std::string_view text) {
  if (text.size() > INT_MAX) text = {};
  return OwnBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string written(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

namespace {

/// Fetched once, OpenSSL finds them again without asking its providers.
void fetch_algorithms() {
  for (const char* name : {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305", "AES-256-CBC"}) {
    EVP_CIPHER_free(EVP_CIPHER_fetch(nullptr, name, nullptr));
  }
  for (const char* name : {"SHA256", "SHA384", "SHA512", "SHA1"}) {
    EVP_MD_free(EVP_MD_fetch(nullptr, name, nullptr));
  }
  EVP_MAC_free(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  for (const char* name : {"RSA", "EC", "X25519", "ED25519"}) {
    EVP_KEYMGMT_free(EVP_KEYMGMT_fetch(nullptr, name, nullptr));
  }
  ERR_clear_error();  // A build of OpenSSL may lack one of them.
}

}  // namespace

void warm_up() {
  static std::once_flag once;
  std::call_once(once, [] {
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
                         OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
                     nullptr);
    unsigned char seed[32];
    RAND_bytes(seed, sizeof seed);
    ::tzset();  // The first conversion of a date, even of one in UTC, reads /etc/localtime.
    fetch_algorithms();
  });
}

}  // namespace bd::tls
