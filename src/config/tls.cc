#include "config/tls.h"

#include <fmt/format.h>

#include <set>

#include "config/checks.h"
#include "model/route.h"

namespace bd::config {
namespace {

using model::ClientCertificate;
using model::Listener;
using model::TlsMode;
using model::TlsPolicy;

/// What a host's entry sets, or else the listener itself.
TlsPolicy& policy_of(Target target) {
  return target.tls_host != nullptr ? target.tls_host->policy : target.listener->tls.policy;
}

/// A file's name becomes the name of a unit of the feed, which has a bound.
std::optional<std::string> file_of(const Field& field) {
  auto file = field.text();
  if (!file) return std::nullopt;
  constexpr std::size_t kMost = model::kCertificateNameMax - model::kFileUnit.size();
  if (file->size() <= kMost) return file;
  field.reject(
      fmt::format("is a file name of {} bytes; at most {} are possible", file->size(), kMost));
  return std::nullopt;
}

/// What an entry of `hosts` leaves out is as for the listener.
void derive_host(const Draft& draft, const std::string& path, const TlsPolicy& listener,
                 TlsPolicy& out) {
  if (!draft.is_set(path + ".minVersion")) out.min_version = listener.min_version;
  if (!draft.is_set(path + ".clientCertificate")) out.client = listener.client;
  if (!draft.is_set(path + ".clientCa")) out.client_ca = listener.client_ca;
  if (out.client == ClientCertificate::none) out.client_ca.clear();
}

void derive_listener(const Draft& draft, const std::string& path, Listener& listener) {
  listener.tls.hosts.clear();
  const auto found = draft.tls_hosts.find(path + ".tls.hosts");
  if (found == draft.tls_hosts.end()) return;
  for (const TlsHost& entry : found->second) {
    TlsPolicy policy = entry.policy;
    derive_host(draft, entry.path, listener.tls.policy, policy);
    if (!entry.host.empty()) listener.tls.hosts.emplace(entry.host, std::move(policy));
  }
}

void check_policy(Draft& draft, const std::string& path, const TlsPolicy& policy) {
  if (policy.client == ClientCertificate::none || !policy.client_ca.empty()) return;
  draft.reject(path + ".clientCertificate", "nobody says which certificates are good",
               "name the file of their CA with clientCa");
}

void check_hosts(Draft& draft, const std::string& path, const Listener& listener) {
  const auto found = draft.tls_hosts.find(path + ".tls.hosts");
  if (found == draft.tls_hosts.end()) return;
  if (found->second.size() > model::kTlsHostsMax) {
    draft.reject(path + ".tls.hosts", fmt::format("names {} hosts; at most {} are possible",
                                                  found->second.size(), model::kTlsHostsMax));
  }
  std::set<std::string> seen;
  for (const TlsHost& entry : found->second) {
    if (!draft.is_set(entry.path + ".host")) draft.reject(entry.path, "host is missing");
    if (entry.host.empty()) continue;
    if (!seen.insert(entry.host).second) {
      draft.reject(entry.path + ".host", fmt::format("{} is there already", entry.host));
    }
    // What came from the listener was said of the listener.
    if (!draft.is_set(entry.path + ".clientCertificate")) continue;
    check_policy(draft, entry.path, listener.tls.hosts.at(entry.host));
  }
}

/// One certificate has one key: its file is the name of the pair.
void check_certificates(Draft& draft, const std::string& path, const Listener& listener,
                        std::map<std::string, std::string>& key_of) {
  const bool files = listener.tls.mode == TlsMode::files;
  const std::string list = path + ".tls.certificates";
  if (files && listener.tls.files.empty()) {
    draft.reject(path + ".tls", "names no certificates",
                 "list them: `certificates: [{certificate: FILE, key: FILE}]`");
  }
  if (!files && !listener.tls.files.empty()) {
    draft.reject(list, "are served only with `mode: files`");
  }
  std::set<std::string> seen;
  for (std::size_t i = 0; i < listener.tls.files.size(); ++i) {
    const model::CertificateFiles& entry = listener.tls.files[i];
    const std::string item = fmt::format("{}[{}]", list, i);
    for (const char* needed : {".certificate", ".key"}) {
      if (!draft.is_set(item + needed))
        draft.reject(item, fmt::format("{} is missing", needed + 1));
    }
    if (entry.certificate.empty() || entry.key.empty()) continue;
    if (!seen.insert(entry.certificate).second) {
      draft.reject(item + ".certificate", fmt::format("{} is there already", entry.certificate));
    }
    const auto [known, is_new] = key_of.emplace(entry.certificate, entry.key);
    if (!is_new && known->second != entry.key) {
      draft.reject(item + ".key",
                   fmt::format("{} has the key {} elsewhere", entry.certificate, known->second));
    }
  }
}

void check_listener(Draft& draft, std::size_t exposure, const std::string& path,
                    const Listener& listener) {
  const model::Tls& tls = listener.tls;
  if (tls.mode != TlsMode::off && listener.public_scheme == model::Scheme::http) {
    // Blame the key that somebody wrote: the mode may be the whole exposure's.
    draft.reject(draft.sets_tls_mode(path) ? path + ".tls" : exposure_path(exposure) + ".tls",
                 "TLS ends here, and applications would be told that the client spoke http",
                 "say `publicScheme: https`, or `tls: off`");
  }
  const bool has_policy = tls.policy != TlsPolicy{} || !tls.hosts.empty();
  if (tls.mode == TlsMode::off && has_policy) {
    draft.warn(path + ".tls", "has no effect while the mode is off");
  }
  check_policy(draft, path + ".tls", tls.policy);
  check_hosts(draft, path, listener);
  for (const Cidr& peers : listener.proxy_protocol_from) {
    if (!peers.text().ends_with("/0")) continue;
    draft.warn(path + ".proxyProtocolFrom",
               "believes everyone: any client can choose the address it is known by");
  }
}

void check_exposure(Draft& draft, std::size_t index, std::map<std::string, std::string>& key_of) {
  const model::Exposure& exposure = draft.config.exposures[index];
  const std::string path = exposure_path(index);
  std::size_t certificates = 0;
  bool uses_mode = false;
  bool uses_secrets = false;
  for (std::size_t j = 0; j < exposure.listeners.size(); ++j) {
    const std::string listener = listener_path(index, j);
    check_listener(draft, index, listener, exposure.listeners[j]);
    check_certificates(draft, listener, exposure.listeners[j], key_of);
    certificates += exposure.listeners[j].tls.files.size();
    uses_mode |= !draft.sets_tls_mode(listener);
    uses_secrets |= exposure.listeners[j].tls.mode == TlsMode::secrets;
  }
  if (certificates > model::kCertificatesPerDoorMax) {
    draft.reject(path + ".listeners", fmt::format("name {} certificates; at most {} are possible",
                                                  certificates, model::kCertificatesPerDoorMax));
  }
  if (draft.exposure_tls.contains(path + ".tls") && !uses_mode) {
    draft.warn(path + ".tls", "has no effect: every listener sets its own");
  }
  if (uses_secrets && draft.is_set(path + ".secrets") && !exposure.referenced_secrets) {
    draft.reject(path + ".secrets", "is none, but the certificates of a listener are Secrets",
                 "leave the key out, or say `secrets: referenced`");
  }
}

}  // namespace

void read_tls_mode(const Field& field, Target target) {
  field.store(target.listener->tls.mode);
}

void read_exposure_tls(const Field& field, Target) {
  TlsMode mode{};
  if (!field.choice()) return;
  field.store(mode);
  field.draft.exposure_tls[field.path] = mode;
}

void read_tls_version(const Field& field, Target target) {
  TlsPolicy& out = policy_of(target);
  const double* number = field.value.real();
  const std::string word = number == nullptr ? "" : fmt::format("{}", *number);
  if (word != "1.2" && word != "1.3") return field.store(out.min_version);
  out.min_version = word == "1.2" ? model::TlsVersion::tls12 : model::TlsVersion::tls13;
}

void read_client_certificate(const Field& field, Target target) {
  field.store(policy_of(target).client);
}

void read_client_ca(const Field& field, Target target) {
  if (const auto file = file_of(field)) policy_of(target).client_ca = model::file_unit(*file);
}

void read_certificate_file(const Field& field, Target target) {
  if (auto file = file_of(field)) target.certificate->certificate = *std::move(file);
}

void read_key_file(const Field& field, Target target) {
  if (auto file = file_of(field)) target.certificate->key = *std::move(file);
}

void read_tls_host(const Field& field, Target target) {
  const auto text = field.text();
  if (!text) return;
  const auto host = model::HostPattern::parse(*text);
  if (!host) return field.reject(fmt::format("the host {}", host.error()));
  target.tls_host->host = host->text();
}

void read_secrets(const Field& field, Target target) {
  if (const auto word = field.choice()) target.exposure->referenced_secrets = *word == 1;
}

void derive_tls(Draft& draft) {
  for (std::size_t i = 0; i < draft.config.exposures.size(); ++i) {
    model::Exposure& exposure = draft.config.exposures[i];
    const auto mode = draft.exposure_tls.find(exposure_path(i) + ".tls");
    for (std::size_t j = 0; j < exposure.listeners.size(); ++j) {
      const std::string path = listener_path(i, j);
      Listener& listener = exposure.listeners[j];
      if (mode != draft.exposure_tls.end() && !draft.sets_tls_mode(path)) {
        listener.tls.mode = mode->second;
      }
      derive_listener(draft, path, listener);
      if (listener.tls.policy.client == ClientCertificate::none) {
        listener.tls.policy.client_ca.clear();
      }
      const bool implied = listener.tls.mode == TlsMode::secrets;
      if (implied && !draft.is_set(exposure_path(i) + ".secrets")) {
        exposure.referenced_secrets = true;
      }
    }
  }
}

void check_tls(Draft& draft) {
  std::map<std::string, std::string> key_of;
  for (std::size_t i = 0; i < draft.config.exposures.size(); ++i) check_exposure(draft, i, key_of);
}

}  // namespace bd::config
