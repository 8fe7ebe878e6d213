#pragma once
// Parsed certificates. Internal to this room: a context holds these, each parsed once.

#include <expected>
#include <memory>
#include <string>

#include "tls/certificate.h"
#include "tls/openssl.h"

namespace bd::tls {

/// OpenSSL offers one certificate of each kind in a handshake; the client's signature algorithms
/// choose.
enum class KeyKind : std::uint8_t { ecdsa, rsa, ed25519 };
inline constexpr std::size_t kKeyKinds = 3;

/// A key pair, ready for handshakes.
struct Material {
  OwnCertificate leaf;
  OwnChain chain;  ///< Without the leaf.
  OwnKey key;
  KeyKind kind = KeyKind::ecdsa;
  Facts facts;
};
[[nodiscard]] std::expected<std::shared_ptr<const Material>, std::string> load(const KeyPair& pair);

/// A CA bundle, ready to verify with.
struct Trust {
  OwnStore store;
  OwnNames names;  ///< Subjects, for the certificate request; none if they are too many for it.
  std::size_t size = 0;
  std::string id;  ///< Hash of the bundle: equal bundles trust the same.
};
[[nodiscard]] std::expected<std::shared_ptr<const Trust>, std::string> load_trust(
    const std::string& pem);

[[nodiscard]] std::string sha256_hex(std::string_view bytes);
[[nodiscard]] std::string name_text(const X509_NAME* name);  ///< RFC 2253.
[[nodiscard]] std::string fingerprint(const X509* certificate);
[[nodiscard]] std::int64_t unix_seconds(const ASN1_TIME* time);

}  // namespace bd::tls
