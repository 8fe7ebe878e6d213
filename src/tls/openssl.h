#pragma once
// OpenSSL's objects with owners. Only the .cc files and the internal headers of this room include
// this.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

namespace bd::tls {

template <auto Function>
struct FreeBy {
  template <class T>
  void operator()(T* object) const noexcept {
    Function(object);
  }
};
inline void free_chain(STACK_OF(X509) * chain) noexcept {
  sk_X509_pop_free(chain, X509_free);
}
inline void free_names(STACK_OF(X509_NAME) * names) noexcept {
  sk_X509_NAME_pop_free(names, X509_NAME_free);
}

using OwnBio = std::unique_ptr<BIO, FreeBy<BIO_free_all>>;
using OwnCertificate = std::unique_ptr<X509, FreeBy<X509_free>>;
using OwnChain = std::unique_ptr<STACK_OF(X509), FreeBy<free_chain>>;
using OwnKey = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;
using OwnNames = std::unique_ptr<STACK_OF(X509_NAME), FreeBy<free_names>>;
using OwnStore = std::unique_ptr<X509_STORE, FreeBy<X509_STORE_free>>;
using OwnContext = std::unique_ptr<SSL_CTX, FreeBy<SSL_CTX_free>>;
using OwnSession = std::unique_ptr<SSL_SESSION, FreeBy<SSL_SESSION_free>>;

/// The reason of the newest error of this thread, which is then forgotten with all before it.
[[nodiscard]] std::string take_error();

/// OpenSSL judges a call by what is left of earlier ones. Clearing costs much more than looking.
inline void forget_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

/// Reads from text that outlives it.
[[nodiscard]] OwnBio reader(std::string_view text);
/// What was written to a memory BIO.
[[nodiscard]] std::string written(BIO* memory);

}  // namespace bd::tls
