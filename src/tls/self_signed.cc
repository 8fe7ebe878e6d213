// Certificates of our own: enough where the client does not verify, as an ALB's target group.
#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "base/address.h"
#include "tls/certificate.h"
#include "tls/openssl.h"
#include "tls/warm_up.h"

namespace bd::tls {
namespace {

using OwnGeneralNames = std::unique_ptr<GENERAL_NAMES, FreeBy<GENERAL_NAMES_free>>;
constexpr std::size_t kCommonNameMax = 64;  // RFC 5280, ub-common-name.
constexpr int kSerialBits = 127;            // Positive, and above the 64 random bits that CAs use.

/// Built as values and not as configuration text, in which a comma in a name would be a new name.
OwnGeneralNames subject_names(std::span<const std::string> names) {
  OwnGeneralNames out(sk_GENERAL_NAME_new_null());
  for (const std::string& name : names) {
    GENERAL_NAME* const one = GENERAL_NAME_new();
    if (const auto ip = IpAddress::parse(name)) {
      ASN1_OCTET_STRING* const bytes = ASN1_OCTET_STRING_new();
      ASN1_OCTET_STRING_set(bytes, ip->bytes().data(), ip->is_v4() ? 4 : 16);
      GENERAL_NAME_set0_value(one, GEN_IPADD, bytes);
    } else {
      ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
      ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
      GENERAL_NAME_set0_value(one, GEN_DNS, text);
    }
    sk_GENERAL_NAME_push(out.get(), one);
  }
  return out;
}

bool add_constant(X509* certificate, int extension, const char* value) {
  const std::unique_ptr<X509_EXTENSION, FreeBy<X509_EXTENSION_free>> made(
      X509V3_EXT_conf_nid(nullptr, nullptr, extension, value));
  return made && X509_add_ext(certificate, made.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  const std::unique_ptr<BIGNUM, FreeBy<BN_free>> serial(BN_new());
  return BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool fill(X509* certificate, EVP_PKEY* key, std::span<const std::string> names, int days) {
  const std::string common = names.empty() ? "blastdoor" : names[0].substr(0, kCommonNameMax);
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const std::time_t hour_ago = std::time(nullptr) - 3600;
  if (X509_set_version(certificate, X509_VERSION_3) != 1 || !set_serial(certificate) ||
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common.data()),
                                 static_cast<int>(common.size()), -1, 0) != 1 ||
      X509_set_issuer_name(certificate, subject) != 1 ||
      ASN1_TIME_set(X509_getm_notBefore(certificate), hour_ago) == nullptr ||
      ASN1_TIME_adj(X509_getm_notAfter(certificate), hour_ago, days, 0) == nullptr ||
      X509_set_pubkey(certificate, key) != 1) {
    return false;
  }
  if (!names.empty()) {
    const OwnGeneralNames alternatives = subject_names(names);
    if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, alternatives.get(), 0,
                          X509V3_ADD_DEFAULT) != 1) {
      return false;
    }
  }
  return add_constant(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_constant(certificate, NID_key_usage, "critical,digitalSignature") &&
         add_constant(certificate, NID_ext_key_usage, "serverAuth") &&
         X509_sign(certificate, key, EVP_sha256()) != 0;
}

}  // namespace

std::expected<KeyPair, std::string> self_signed(std::span<const std::string> names, int days) {
  warm_up();
  if (days < 1) return std::unexpected("a certificate must be valid for a day or more");
  const OwnKey key(EVP_EC_gen("P-256"));
  const OwnCertificate certificate(X509_new());
  if (!key || !certificate || !fill(certificate.get(), key.get(), names, days)) {
    return std::unexpected(fmt::format("no self-signed certificate: {}", take_error()));
  }
  const OwnBio chain(BIO_new(BIO_s_mem()));
  const OwnBio secret(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(chain.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return std::unexpected(fmt::format("no self-signed certificate: {}", take_error()));
  }
  return KeyPair{written(chain.get()), written(secret.get())};
}

}  // namespace bd::tls
