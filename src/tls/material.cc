#include "tls/material.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "base/address.h"
#include "base/ascii.h"
#include "tls/warm_up.h"

namespace bd::tls {
namespace {

using Problem = std::unexpected<std::string>;
constexpr int kRsaBitsMin = 2048;
constexpr std::size_t kRequestNamesMax = 8 << 10;  // Bytes in each handshake; TLS ends at 64 KiB.
constexpr int kSignatureBitsMin = 112;  // What OpenSSL's security level 2 asks of a signature.

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", c & 0xff);
  return out;
}

/// Never asks on a terminal, as OpenSSL does without a callback.
int refuse_passphrase(char*, int, int, void*) {
  return -1;
}

/// All certificates of a PEM text. `where` begins the sentence of an error.
std::expected<OwnChain, std::string> read_certificates(const std::string& pem, std::size_t most,
                                                       std::string_view where) {
  if (pem.size() > kPemMax) return Problem(fmt::format("{} is larger than 4 MiB", where));
  const OwnBio in = reader(pem);
  OwnChain out(sk_X509_new_null());
  ERR_clear_error();
  for (std::size_t count = 1;; ++count) {
    OwnCertificate one(PEM_read_bio_X509(in.get(), nullptr, refuse_passphrase, nullptr));
    if (!one) break;
    if (count > most) {
      return Problem(fmt::format("{} holds more than {} certificates", where, most));
    }
    sk_X509_push(out.get(), one.release());
  }
  const int count = sk_X509_num(out.get());
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return Problem(
        fmt::format("{}: certificate {} can't be read: {}", where, count + 1, take_error()));
  }
  ERR_clear_error();
  if (count == 0) {
    return Problem(
        fmt::format("{} holds no certificate: a PEM block CERTIFICATE is needed", where));
  }
  return out;
}

std::expected<OwnKey, std::string> read_key(const std::string& pem) {
  if (pem.size() > kPemMax) return Problem("the key is larger than 4 MiB");
  const OwnBio in = reader(pem);
  ERR_clear_error();
  OwnKey key(PEM_read_bio_PrivateKey(in.get(), nullptr, refuse_passphrase, nullptr));
  if (key) {
    ERR_clear_error();
    return key;
  }
  if (pem.find("ENCRYPTED") != std::string::npos) {
    return Problem("the key is encrypted: store it without a passphrase");
  }
  if (pem.find("PRIVATE KEY-----") == std::string::npos) {
    return Problem("the key holds no private key: a PEM block PRIVATE KEY is needed");
  }
  return Problem(fmt::format("the key can't be read: {}", take_error()));
}

struct KeyFacts {
  KeyKind kind;
  std::string text;
};

std::expected<KeyFacts, std::string> judge_key(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits < kRsaBitsMin) {
      return Problem(fmt::format("RSA {} bit: at least {} are needed", bits, kRsaBitsMin));
    }
    return KeyFacts{KeyKind::rsa, fmt::format("rsa-{}", bits)};
  }
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return KeyFacts{KeyKind::ed25519, "ed25519"};
  if (EVP_PKEY_is_a(key, "EC") == 1) {
    char group[64] = "";
    std::size_t size = 0;
    EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &size);
    const std::string_view name(group);
    if (name == "prime256v1") return KeyFacts{KeyKind::ecdsa, "ecdsa-p256"};
    if (name == "secp384r1") return KeyFacts{KeyKind::ecdsa, "ecdsa-p384"};
    if (name == "secp521r1") return KeyFacts{KeyKind::ecdsa, "ecdsa-p521"};
    return Problem(fmt::format("EC key on {}: P-256, P-384 or P-521 is needed", name));
  }
  const char* const type = EVP_PKEY_get0_type_name(key);
  return Problem(fmt::format("key type {}: RSA, EC or Ed25519 is needed", type ? type : "unknown"));
}

/// Clients refuse these, and so does our own security level: better now than in each handshake.
std::expected<void, std::string> judge_signature(X509* certificate, std::string_view which) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_SS) != 0) return {};
  int digest = 0;
  int bits = 0;
  if (X509_get_signature_info(certificate, &digest, nullptr, &bits, nullptr) == 1 &&
      bits >= kSignatureBitsMin) {
    return {};
  }
  ERR_clear_error();
  const char* const name = digest != 0 ? OBJ_nid2sn(digest) : nullptr;
  return Problem(fmt::format("the {} is signed with {}: SHA-256 or better is needed", which,
                             name != nullptr ? name : "an unknown digest"));
}

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string address_text(std::string_view bytes) {
  if (bytes.size() == 4) {
    std::array<std::uint8_t, 4> four{};
    std::copy(bytes.begin(), bytes.end(), four.begin());
    return IpAddress::v4(four).text();
  }
  std::array<std::uint8_t, 16> sixteen{};
  if (bytes.size() != sixteen.size()) return {};
  std::copy(bytes.begin(), bytes.end(), sixteen.begin());
  return IpAddress::v6(sixteen).text();
}

/// A name with a byte that no host name has covers nothing.
void add_name(std::vector<std::string>& names, std::string name) {
  const bool good = std::all_of(name.begin(), name.end(), [](char c) {
    return ascii::is_alnum(c) || std::string_view("-_.*:").find(c) != std::string_view::npos;
  });
  if (good && !name.empty() && std::ranges::find(names, name) == names.end()) {
    names.push_back(std::move(name));
  }
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, FreeBy<GENERAL_NAMES_free>> all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* const one = sk_GENERAL_NAME_value(all.get(), i);
    if (one->type == GEN_DNS) add_name(names, ascii::to_lower(bytes_of(one->d.dNSName)));
    if (one->type == GEN_IPADD) add_name(names, address_text(bytes_of(one->d.iPAddress)));
  }
  if (all) return names;
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  if (const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0) {
    const ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    add_name(names, ascii::to_lower(bytes_of(text)));
  }
  return names;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return hex({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::string name_text(const X509_NAME* name) {
  const OwnBio out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return written(out.get());
}

std::string fingerprint(const X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest, &size);
  return hex({reinterpret_cast<const char*>(digest), size});
}

std::int64_t unix_seconds(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return ::timegm(&parts);
}

std::expected<std::shared_ptr<const Material>, std::string> load(const KeyPair& pair) {
  warm_up();
  auto chain = read_certificates(pair.chain, kChainMax, "the chain");
  if (!chain) return Problem(std::move(chain.error()));
  auto key = read_key(pair.key);
  if (!key) return Problem(std::move(key.error()));

  for (int i = 1; i < sk_X509_num(chain->get()); ++i) {
    if (X509_check_private_key(sk_X509_value(chain->get(), 0), key->get()) == 1) break;
    if (X509_check_private_key(sk_X509_value(chain->get(), i), key->get()) == 1) {
      return Problem("the chain is in the wrong order: the leaf must come first");
    }
  }
  auto out = std::make_shared<Material>();
  out->leaf.reset(sk_X509_shift(chain->get()));
  out->chain = std::move(*chain);
  if (X509_check_private_key(out->leaf.get(), key->get()) != 1) {
    ERR_clear_error();
    return Problem("the key does not belong to the leaf certificate");
  }
  ERR_clear_error();
  out->key = std::move(*key);
  auto judged = judge_key(out->key.get());
  if (!judged) return Problem(std::move(judged.error()));
  if (auto good = judge_signature(out->leaf.get(), "leaf certificate"); !good) {
    return Problem(std::move(good.error()));
  }
  for (int i = 0; i < sk_X509_num(out->chain.get()); ++i) {
    auto good = judge_signature(sk_X509_value(out->chain.get(), i), "chain");
    if (!good) return Problem(std::move(good.error()));
  }
  out->kind = judged->kind;
  X509* const leaf = out->leaf.get();
  out->facts = {.names = names_of(leaf),
                .not_before = unix_seconds(X509_get0_notBefore(leaf)),
                .not_after = unix_seconds(X509_get0_notAfter(leaf)),
                .key = std::move(judged->text),
                .subject = name_text(X509_get_subject_name(leaf)),
                .issuer = name_text(X509_get_issuer_name(leaf)),
                .sha256 = fingerprint(leaf)};
  return out;
}

std::expected<std::shared_ptr<const Trust>, std::string> load_trust(const std::string& pem) {
  warm_up();
  const auto all = read_certificates(pem, kBundleMax, "the CA bundle");
  if (!all) return Problem(all.error());
  auto out = std::make_shared<Trust>();
  out->store.reset(X509_STORE_new());
  out->names.reset(sk_X509_NAME_new_null());
  out->size = static_cast<std::size_t>(sk_X509_num(all->get()));
  out->id = sha256_hex(pem);
  std::size_t names_size = 0;
  for (int i = 0; i < sk_X509_num(all->get()); ++i) {
    X509* const one = sk_X509_value(all->get(), i);
    X509_STORE_add_cert(out->store.get(), one);
    X509_NAME* const subject = X509_get_subject_name(one);
    names_size += static_cast<std::size_t>(std::max(0, i2d_X509_NAME(subject, nullptr)));
    sk_X509_NAME_push(out->names.get(), X509_NAME_dup(subject));
  }
  // A request that names no authority accepts all (RFC 8446 §4.2.4, RFC 5246 §7.4.4).
  if (names_size > kRequestNamesMax) out->names.reset(sk_X509_NAME_new_null());
  // What the administrator put into the bundle is trusted, root or not.
  X509_STORE_set_flags(out->store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  return out;
}

}  // namespace bd::tls
