#include "translate/upstreams.h"

#include "translate/certificates.h"
#include "translate/contact.h"
#include "translate/traffic.h"

namespace bd::translate {

model::Action Upstreams::answer(const model::Forward& forward) {
  const std::string& key = forward.upstream;
  if (door_.upstreams.contains(key)) return forward;
  const auto [refused, is_new] = refused_.try_emplace(key);
  if (is_new) refused->second = add(key, targets_.at(key));
  if (!refused->second.empty()) return model::Refuse{refused->second};
  refused_.erase(refused);
  return forward;
}

std::string Upstreams::add(const std::string& key, const Target& target) {
  const Contact contact =
      read_contact(*target.service, *target.port, {door_.exposure.name}, findings_);
  if (!contact.refused.empty()) return contact.refused;
  model::Upstream upstream{key};
  upstream.protocol = contact.protocol;
  upstream.tls = contact.tls;
  upstream.server_name = contact.server_name;
  upstream.proxy_header = contact.proxy_header;
  Traffic traffic = read_traffic(*target.service, {door_.exposure.name}, findings_);
  upstream.balance = std::move(traffic.balance);
  upstream.circuit = traffic.circuit;
  upstream.patience = traffic.patience;
  Needs needs;
  std::string cause;
  if (contact.tls == model::UpstreamTls::verify) {
    cause = find_ca(target, contact.ca_config_map, upstream, needs);
  }
  if (cause.empty() && !contact.client_secret.empty()) {
    cause = find_identity(target, contact.client_secret, upstream, needs);
  }
  if (!cause.empty()) return cause;
  // Only now: a door is given no key that it does not use.
  if (needs.ca) door_.bundles.emplace(upstream.ca, needs.ca);
  if (needs.pair) door_.certificates.emplace(upstream.client_certificate, needs.pair);
  door_.upstreams.emplace(key, std::move(upstream));
  return {};
}

std::string Upstreams::refuse(const Target& target, std::string_view code, std::string_view key,
                              std::string what, std::string hint) {
  findings_.add({model::Severity::refused,
                 std::string(code),
                 target.service->meta.ref,
                 fmt::format("metadata.annotations[{}]", key),
                 std::move(what),
                 std::move(hint),
                 {door_.exposure.name}});
  return std::string(code);
}

std::string Upstreams::find_ca(const Target& target, const std::string& name,
                               model::Upstream& upstream, Needs& needs) {
  if (name.empty()) {
    upstream.ca = kSystemBundle;
    return {};
  }
  const std::string& ns = target.service->meta.ref.ns;
  const kube::ConfigMap* const found = target.backends->config_map(ns, name);
  if (found == nullptr) {
    const bool watched = config_.ca_config_maps || target.backends->source().source != "kube";
    return refuse(target, "upstream-ca-missing", kUpstreamCa,
                  fmt::format("There is no ConfigMap `{}` with the label `{}: \"true\"` in "
                              "namespace `{}`.",
                              name, kube::kCaLabel, ns),
                  watched ? "Create it, or label it."
                          : "ConfigMaps are not looked at before the key caConfigMaps is true.");
  }
  if (found->ca == nullptr) {
    return refuse(target, "upstream-ca-unusable", kUpstreamCa,
                  fmt::format("ConfigMap `{}` can't be used: {}.", name, found->problem), "");
  }
  upstream.ca = target.backends->key("configmap", found->meta.ref);
  if (door_.bundles.size() >= room_.bundles && !door_.bundles.contains(upstream.ca)) {
    return refuse(target, kTooManyCertificates, kUpstreamCa,
                  too_many("CA bundles of ConfigMaps", room_.bundles), "");
  }
  needs.ca = found->ca;
  return {};
}

std::string Upstreams::find_identity(const Target& target, const std::string& name,
                                     model::Upstream& upstream, Needs& needs) {
  if (!may_use_secrets(door_.exposure)) {
    return refuse(target, "secrets-not-allowed", kUpstreamClientCertificate,
                  "The exposure may not use Secrets, and a client certificate is one.",
                  "Set the exposure's key secrets to `referenced`.");
  }
  const std::string& ns = target.service->meta.ref.ns;
  const kube::Secret* const found = target.backends->secret(ns, name);
  if (found == nullptr) {
    return refuse(target, "upstream-client-certificate-missing", kUpstreamClientCertificate,
                  fmt::format("There is no Secret `{}` of type {} in namespace `{}`.", name,
                              kube::kTlsSecretType, ns),
                  "");
  }
  if (found->pair == nullptr) {
    return refuse(target, "upstream-client-certificate-unusable", kUpstreamClientCertificate,
                  fmt::format("Secret `{}` can't be used: {}.", name, found->problem), "");
  }
  upstream.client_certificate = target.backends->key("secret", found->meta.ref);
  if (door_.certificates.size() >= room_.certificates &&
      !door_.certificates.contains(upstream.client_certificate)) {
    return refuse(target, kTooManyCertificates, kUpstreamClientCertificate,
                  too_many("certificates of Secrets", room_.certificates), "");
  }
  needs.pair = found->pair;
  return {};
}

bool may_use_secrets(const model::Exposure& exposure) {
  return exposure.referenced_secrets || serves_secrets(exposure);
}

}  // namespace bd::translate
