#pragma once
// What certificates and keys say, and whether they fit together. PEM text in, facts out.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bd::tls {

inline constexpr std::size_t kChainMax = 16;  ///< Certificates of a chain; real ones have 2 to 4.
inline constexpr std::size_t kBundleMax = 1000;  ///< Of a CA bundle; Debian's has some 140.
inline constexpr std::size_t kPemMax = 4 << 20;  ///< Bytes of one text; a Secret has at most 1 MiB.

/// PEM texts. `chain`: leaf first.
struct KeyPair {
  std::string chain;
  std::string key;
};

/// What a certificate says; for findings, metrics and SNI.
struct Facts {
  /// DNS and IP names of the SAN, lower case, "*.example.com" for wildcards; without one the CN.
  std::vector<std::string> names;
  std::int64_t not_before = 0, not_after = 0;  ///< Unix seconds.
  std::string key;                             ///< "ecdsa-p256", "rsa-2048", "ed25519".
  std::string subject, issuer;                 ///< RFC 2253.
  std::string sha256;                          ///< Hex, of the leaf's DER.
};

/// Checks a pair as a whole: it parses, the key belongs to the leaf and is strong enough: RSA of
/// 2048 bit or more, EC on P-256, P-384 or P-521, Ed25519. The error says what is wrong and where.
/// Dates are not checked: an expired certificate is still the best there is.
[[nodiscard]] std::expected<Facts, std::string> inspect(const KeyPair& pair);

/// Checks a bundle of CA certificates; the number of certificates.
[[nodiscard]] std::expected<std::size_t, std::string> inspect_bundle(const std::string& pem);

/// True if a certificate with these names covers `host`: exact, or a wildcard for one label
/// (RFC 6125 §6.4.3). Case and a trailing dot of `host` do not matter; addresses may be in
/// brackets.
[[nodiscard]] bool covers(std::span<const std::string> names, std::string_view host);

/// A new ECDSA P-256 pair, self-signed, with these names; valid from an hour ago for `days`.
[[nodiscard]] std::expected<KeyPair, std::string> self_signed(std::span<const std::string> names,
                                                              int days);

}  // namespace bd::tls
