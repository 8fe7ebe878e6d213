#pragma once
// Certificates for tests, made on the spot.

#include <string>
#include <vector>

#include "tls/certificate.h"
#include "tls/openssl.h"

namespace bd::tls {

struct CertificateSpec {
  std::vector<std::string> names;
  std::string common_name = "leaf";
  std::string key = "P-256";  ///< An EC group, "RSA-2048", "ED25519" or "ED448".
  int from_days = -1, to_days = 30;
  const char* digest = "SHA256";
  std::string usage;  ///< Extended key usage: "serverAuth".
};

/// A certificate authority of its own.
class Authority {
 public:
  explicit Authority(std::string name);
  [[nodiscard]] KeyPair issue(const CertificateSpec& spec) const;
  [[nodiscard]] const std::string& pem() const { return pem_; }

 private:
  std::string name_;
  OwnKey key_;
  OwnCertificate certificate_;
  std::string pem_;
};

/// The authority of most tests, and one that nobody trusts.
const Authority& authority();
const Authority& stranger();
/// Issued by authority(); made once per key and name.
std::shared_ptr<const KeyPair> pair_for(const std::string& name, const std::string& key = "P-256");

}  // namespace bd::tls
