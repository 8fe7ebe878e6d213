#pragma once
// Objects and configurations in few words, for the tests of this room.

#include <set>
#include <string>
#include <vector>

#include "config/config.h"
#include "kube/objects.h"
#include "translate/translate.h"

namespace bd::translate {

inline constexpr const char* kSource = "manifests:test";

inline model::ObjectRef ref(std::string kind, std::string ns, std::string name) {
  return {std::move(kind), std::move(ns), std::move(name), kSource, "", 0};
}

inline kube::Ingress ingress(std::string ns, std::string name, std::string expose = "") {
  kube::Ingress out;
  out.meta.ref = ref("Ingress", std::move(ns), std::move(name));
  if (!expose.empty()) out.meta.labels["expose"] = std::move(expose);
  return out;
}

inline kube::IngressPath path(std::string text, std::string service, std::uint16_t port = 80,
                              kube::PathType type = kube::PathType::prefix) {
  return {std::move(text), type, {std::move(service), {port, ""}, ""}};
}

inline kube::IngressClass ingress_class(std::string name, std::string controller) {
  kube::IngressClass out;
  out.meta.ref = ref("IngressClass", "", std::move(name));
  out.controller = std::move(controller);
  return out;
}

inline kube::Service service(std::string ns, std::string name,
                             std::vector<kube::ServicePort> ports) {
  kube::Service out;
  out.meta.ref = ref("Service", std::move(ns), std::move(name));
  out.ports = std::move(ports);
  return out;
}
inline kube::ServicePort port(std::uint16_t number, std::string name = "") {
  return {std::move(name), number, "", "", "TCP"};
}

inline kube::EndpointSlice slice(std::string ns, std::string service,
                                 std::vector<kube::EndpointSlice::Port> ports,
                                 std::vector<std::string> addresses) {
  kube::EndpointSlice out;
  out.meta.ref = ref("EndpointSlice", std::move(ns), service + "-1");
  out.service = std::move(service);
  out.address_type = "IPv4";
  out.ports = std::move(ports);
  for (std::string& address : addresses)
    out.endpoints.push_back({.addresses = {std::move(address)}});
  return out;
}

inline model::Exposure& exposure(config::Config& config, std::string_view name) {
  for (model::Exposure& exposure : config.exposures) {
    if (exposure.name == name) return exposure;
  }
  return config.exposures.emplace_back();
}

inline std::set<ServiceName> all_services(const kube::ObjectSet& objects) {
  std::set<ServiceName> out;
  for (const kube::SourceObjects& source : objects.sources) {
    for (const kube::Service& found : source.services) {
      out.insert({source.source, found.meta.ref.ns, found.meta.ref.name});
    }
  }
  return out;
}

inline std::vector<std::string> codes(const std::vector<model::Finding>& findings) {
  std::vector<std::string> out;
  for (const model::Finding& finding : findings) {
    out.push_back(std::string(model::name(finding.severity)) + " " + finding.code);
  }
  return out;
}

}  // namespace bd::translate
