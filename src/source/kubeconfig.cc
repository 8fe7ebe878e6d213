#include "source/kubeconfig.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <cstdlib>

#include "source/file_text.h"
#include "text/value.h"

namespace bd::source {
namespace {

using text::Value;
using Fault = std::unexpected<std::string>;

constexpr std::size_t kKubeconfigBytesMax = 1u << 20;
constexpr const char* kServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

std::string in_folder(const std::string& folder, const std::string& file) {
  return file.empty() || file.front() == '/' ? file : folder + "/" + file;
}

/// The string at `key`; empty if it is absent. A value of another kind was no string to its writer.
std::string string_at(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  const std::string* text = value == nullptr ? nullptr : value->string();
  return text == nullptr ? std::string() : *text;
}

bool flag_at(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  return value != nullptr && value->boolean() != nullptr && *value->boolean();
}

std::expected<std::string, std::string> decode_base64(std::string_view key, std::string encoded) {
  std::erase_if(encoded, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
  std::string out(encoded.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(encoded.data()),
                                     static_cast<int>(encoded.size()));
  if (encoded.size() % 4 != 0 || length < 0) return Fault(fmt::format("{} is no base64", key));
  // EVP_DecodeBlock counts the padding as bytes.
  const std::size_t padding = encoded.ends_with("==") ? 2 : encoded.ends_with("=") ? 1 : 0;
  out.resize(static_cast<std::size_t>(length) - padding);
  return out;
}

/// PEM from `KEY-data`, which wins as in kubectl, or the file that `KEY` names.
struct Pem {
  std::string file, data;
};
std::expected<Pem, std::string> pem_at(const Value& map, const std::string& key,
                                       const std::string& folder) {
  const std::string encoded = string_at(map, key + "-data");
  if (encoded.empty()) return Pem{in_folder(folder, string_at(map, key)), {}};
  auto data = decode_base64(key + "-data", encoded);
  if (!data) return Fault(data.error());
  return Pem{{}, std::move(*data)};
}

/// The member `what` of the entry that is called `name` in the list `lists`, or why there is none.
std::expected<const Value*, std::string> entry(const Value& root, std::string_view lists,
                                               std::string_view what, const std::string& name) {
  const Value* list = root.find(lists);
  std::string known;
  if (list != nullptr && list->array() != nullptr) {
    for (const Value& item : *list->array()) {
      const std::string found = string_at(item, "name");
      const Value* body = item.find(what);
      if (found == name && body != nullptr && body->object() != nullptr) return body;
      known += (known.empty() ? "" : ", ") + found;
    }
  }
  return Fault(fmt::format("there is no {} named '{}' (there are: {})", what, name,
                           known.empty() ? "none" : known));
}

std::expected<void, std::string> read_cluster(const Value& cluster, const std::string& folder,
                                              KubeAccess& access) {
  access.server = string_at(cluster, "server");
  while (access.server.ends_with('/')) access.server.pop_back();
  if (!access.server.starts_with("https://") && !access.server.starts_with("http://")) {
    return Fault(fmt::format("cluster.server is '{}', expected https://HOST:PORT", access.server));
  }
  auto authority = pem_at(cluster, "certificate-authority", folder);
  if (!authority) return Fault(authority.error());
  access.ca_file = std::move(authority->file);
  access.ca_data = std::move(authority->data);
  access.server_name = string_at(cluster, "tls-server-name");
  access.insecure_skip_verify = flag_at(cluster, "insecure-skip-tls-verify");
  access.proxy = string_at(cluster, "proxy-url");
  return {};
}

/// A user that proves itself in a way that we do not have must not become an anonymous one.
std::expected<void, std::string> refuse_unsupported(const Value& user) {
  constexpr std::string_view kInstead =
      "use a ServiceAccount's token (`kubectl create token`), a tokenFile or a client certificate";
  for (const std::string_view key : {"exec", "auth-provider", "username", "as"}) {
    if (user.find(key) == nullptr) continue;
    return Fault(fmt::format("user.{} is not supported: {}", key, kInstead));
  }
  return {};
}

std::expected<void, std::string> read_user(const Value& user, const std::string& folder,
                                           KubeAccess& access) {
  if (auto supported = refuse_unsupported(user); !supported) return supported;
  access.token = string_at(user, "token");
  access.token_file = in_folder(folder, string_at(user, "tokenFile"));
  auto certificate = pem_at(user, "client-certificate", folder);
  if (!certificate) return Fault(certificate.error());
  auto key = pem_at(user, "client-key", folder);
  if (!key) return Fault(key.error());
  access.client_cert_file = std::move(certificate->file);
  access.client_cert_data = std::move(certificate->data);
  access.client_key_file = std::move(key->file);
  access.client_key_data = std::move(key->data);
  const bool has_certificate = !access.client_cert_file.empty() || !access.client_cert_data.empty();
  const bool has_key = !access.client_key_file.empty() || !access.client_key_data.empty();
  if (has_certificate != has_key) {
    return Fault("user has only one of client-certificate and client-key");
  }
  return {};
}

}  // namespace

std::expected<KubeAccess, std::string> parse_kubeconfig(std::string_view text,
                                                        const std::string& folder) {
  const text::YamlResult yaml = text::parse_yaml(text);
  if (!yaml.errors.empty()) {
    return Fault(fmt::format("line {}: {}", yaml.errors[0].line, yaml.errors[0].what));
  }
  if (yaml.documents.size() != 1 || yaml.documents[0].object() == nullptr) {
    return Fault("is no kubeconfig: expected one YAML map");
  }
  const Value& root = yaml.documents[0];
  const std::string current = string_at(root, "current-context");
  if (current.empty()) {
    return Fault("has no current-context: choose one with `kubectl config use-context NAME`");
  }
  const auto context = entry(root, "contexts", "context", current);
  if (!context) return Fault(context.error());
  const auto cluster = entry(root, "clusters", "cluster", string_at(**context, "cluster"));
  if (!cluster) return Fault(cluster.error());

  KubeAccess access;
  if (auto read = read_cluster(**cluster, folder, access); !read) return Fault(read.error());
  const std::string user_name = string_at(**context, "user");
  if (user_name.empty()) return access;  // Anonymous, as through `kubectl proxy`.
  const auto user = entry(root, "users", "user", user_name);
  if (!user) return Fault(user.error());
  if (auto read = read_user(**user, folder, access); !read) return Fault(read.error());
  return access;
}

std::expected<KubeAccess, std::string> read_kubeconfig(const std::string& path) {
  const auto text = read_text(path, kKubeconfigBytesMax);
  if (!text) return Fault(fmt::format("{}: {}", path, text.error().what));
  const std::size_t slash = path.rfind('/');
  auto access = parse_kubeconfig(*text, slash == std::string::npos ? "." : path.substr(0, slash));
  if (!access) return Fault(fmt::format("{}: {}", path, access.error()));
  return access;
}

std::expected<KubeAccess, std::string> service_account_access(const std::string& host,
                                                              const std::string& port,
                                                              const std::string& folder) {
  if (host.empty() || port.empty()) {
    return Fault(
        "this is no pod (KUBERNETES_SERVICE_HOST and _PORT are not set): give --kubeconfig FILE");
  }
  KubeAccess access;
  const std::string address = host.contains(':') ? "[" + host + "]" : host;  // IPv6
  access.server = fmt::format("https://{}:{}", address, port);
  access.token_file = folder + "/token";
  access.ca_file = folder + "/ca.crt";
  for (const std::string& file : {access.token_file, access.ca_file}) {
    if (::access(file.c_str(), R_OK) == 0) continue;
    return Fault(fmt::format("{} can't be read: {} (is automountServiceAccountToken off?)", file,
                             system_message(errno)));
  }
  return access;
}

std::expected<KubeAccess, std::string> in_cluster_access() {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  return service_account_access(host == nullptr ? "" : host, port == nullptr ? "" : port,
                                kServiceAccountFolder);
}

}  // namespace bd::source
