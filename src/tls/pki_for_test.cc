#include "tls/pki_for_test.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <map>

#include "base/address.h"
#include "base/check.h"

namespace bd::tls {
namespace {

OwnKey make_key(const std::string& kind) {
  EVP_PKEY* key = nullptr;
  if (kind.starts_with("RSA-")) {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA",
                            static_cast<std::size_t>(std::stoul(kind.substr(4))));
  } else if (kind.starts_with("ED")) {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, kind.c_str());
  } else {
    key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind.c_str());
  }
  BD_ASSERT(key != nullptr);
  return OwnKey(key);
}

void add_extension(X509* to, int id, const std::string& value) {
  X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
  BD_ASSERT(made != nullptr);
  X509_add_ext(to, made, -1);
  X509_EXTENSION_free(made);
}

void set_name(X509_NAME* name, const std::string& common) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
}

OwnCertificate begin(const std::string& common, const std::string& issuer, EVP_PKEY* key,
                     int from_days, int to_days) {
  static long serial = 4096;
  OwnCertificate out(X509_new());
  X509_set_version(out.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), ++serial);
  set_name(X509_get_subject_name(out.get()), common);
  set_name(X509_get_issuer_name(out.get()), issuer);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), 86400L * from_days);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), 86400L * to_days);
  X509_set_pubkey(out.get(), key);
  return out;
}

std::string pem_of(X509* certificate) {
  const OwnBio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate);
  return written(out.get());
}

std::string pem_of(EVP_PKEY* key) {
  const OwnBio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return written(out.get());
}

}  // namespace

Authority::Authority(std::string name) : name_(std::move(name)), key_(make_key("P-256")) {
  certificate_ = begin(name_, name_, key_.get(), -10, 3650);
  add_extension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  BD_ASSERT(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) != 0);
  pem_ = pem_of(certificate_.get());
}

KeyPair Authority::issue(const CertificateSpec& spec) const {
  const OwnKey key = make_key(spec.key);
  const OwnCertificate out =
      begin(spec.common_name, name_, key.get(), spec.from_days, spec.to_days);
  std::string names;
  for (const std::string& name : spec.names) {
    names += names.empty() ? "" : ",";
    names += (IpAddress::parse(name) ? "IP:" : "DNS:") + name;
  }
  if (!names.empty()) add_extension(out.get(), NID_subject_alt_name, names);
  add_extension(out.get(), NID_basic_constraints, "critical,CA:FALSE");
  if (!spec.usage.empty()) add_extension(out.get(), NID_ext_key_usage, spec.usage);
  BD_ASSERT(X509_sign(out.get(), key_.get(), EVP_get_digestbyname(spec.digest)) != 0);
  return {pem_of(out.get()), pem_of(key.get())};
}

const Authority& authority() {
  static const Authority one("test authority");
  return one;
}

const Authority& stranger() {
  static const Authority one("stranger");
  return one;
}

std::shared_ptr<const KeyPair> pair_for(const std::string& name, const std::string& key) {
  static std::map<std::string, std::shared_ptr<const KeyPair>> made;
  auto& pair = made[name + "/" + key];
  if (!pair) {
    pair = std::make_shared<KeyPair>(authority().issue({.names = {name}, .key = key}));
  }
  return pair;
}

}  // namespace bd::tls
