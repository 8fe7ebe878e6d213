// Certificates and CA bundles. Nothing of their values may reach a finding, a log line or the admin
// API: what is said names keys and never quotes what they hold.

#include <fmt/format.h>

#include "kube/base64.h"
#include "kube/decode.h"
#include "model/limits.h"
#include "tls/certificate.h"

namespace bd::kube {
namespace {

using text::Value;

/// One value of a Secret or ConfigMap. The error completes "it can't be used: …".
using Got = std::expected<std::string, std::string>;
using Problem = std::unexpected<std::string>;

Got missing(std::string_view key) {
  return Problem(fmt::format("its key {} is missing", key));
}

/// `key` of the member `group`, as text; missing is an error too.
Got plain(const Field& root, std::string_view group, std::string_view key, std::size_t most) {
  const Value* value = root.value().at({group, key});
  if (value == nullptr || value->is(Value::Kind::null)) return missing(key);
  const std::string* text = value->string();
  if (text == nullptr) return Problem(fmt::format("its key {} is no text", key));
  if (text->size() > most) {
    return Problem(fmt::format("its key {} has {} bytes; the most is {}", key, text->size(), most));
  }
  return *text;
}

Got decoded(const Field& root, std::string_view key, std::size_t most) {
  Got text = plain(root, "data", key, (most + 2) / 3 * 4);
  if (!text) return text;
  std::optional<std::string> bytes = decode_base64(*text);
  if (!bytes) return Problem(fmt::format("its key {} is no base64", key));
  return *std::move(bytes);
}

/// stringData stands in files alone: an API server has made data of it, and there it wins.
Got secret_value(const Field& root, bool is_file, std::string_view key, std::size_t most) {
  const Value* written = is_file ? root.value().at({"stringData", key}) : nullptr;
  Got out = written != nullptr ? plain(root, "stringData", key, most) : decoded(root, key, most);
  return out && out->empty() ? missing(key) : out;
}

void drop_annotations(Meta& meta) {
  meta.annotations.clear();
  meta.mistyped_annotations.clear();
}

}  // namespace

bool Secret::operator==(const Secret& other) const {
  const bool same_pair =
      pair == other.pair || (pair != nullptr && other.pair != nullptr && *pair == *other.pair);
  return same_pair && meta == other.meta && problem == other.problem && names == other.names;
}

bool ConfigMap::operator==(const ConfigMap& other) const {
  const bool same_ca = ca == other.ca || (ca != nullptr && other.ca != nullptr && *ca == *other.ca);
  return same_ca && meta == other.meta && problem == other.problem;
}

bool is_wanted_secret(const Field& root) {
  const Value* type = root.value().find("type");
  return type != nullptr && type->string() != nullptr && *type->string() == kTlsSecretType;
}

/// A label that is no text is looked at, so that it is said.
bool is_wanted_config_map(const Field& root) {
  const Value* label = root.value().at({"metadata", "labels", kCaLabel});
  return label != nullptr && (label->string() == nullptr || *label->string() == "true");
}

void decode_secret(const Field& root, Reader& reader, Secret& out) {
  drop_annotations(out.meta);
  Got chain = secret_value(root, reader.is_file(), "tls.crt", model::kCertificateChainMax);
  Got key = secret_value(root, reader.is_file(), "tls.key", model::kCertificateKeyMax);
  if (!chain || !key) {
    out.problem = std::move(!chain ? chain.error() : key.error());
    return;
  }
  const auto facts = tls::inspect({*chain, *key});
  if (!facts) {
    out.problem = facts.error();
    return;
  }
  out.names = facts->names;
  out.pair = std::make_shared<const model::Certificate>(
      model::Certificate{*std::move(chain), *std::move(key)});
}

void decode_config_map(const Field& root, Reader&, ConfigMap& out) {
  drop_annotations(out.meta);
  Got ca = plain(root, "data", "ca.crt", model::kCaBundleMax);
  if (!ca) {
    out.problem = std::move(ca.error());
    return;
  }
  if (const auto count = tls::inspect_bundle(*ca); !count) {
    out.problem = count.error();
    return;
  }
  out.ca = std::make_shared<const std::string>(*std::move(ca));
}

}  // namespace bd::kube
