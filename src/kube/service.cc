#include <fmt/format.h>

#include "kube/decode.h"
#include "kube/names.h"

namespace bd::kube {
namespace {

using text::Value;

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
constexpr std::string_view kDefaultClassAnnotation = "ingressclass.kubernetes.io/is-default-class";

/// A string that must be one of `known`; `fallback` if it is absent. Nullopt, with a finding,
/// otherwise.
std::optional<std::string> one_of(const Field& at, Reader& reader, std::string_view fallback,
                                  std::initializer_list<std::string_view> known) {
  if (at.absent()) return std::string(fallback);
  const std::string* text = reader.string(at);
  if (text == nullptr) return std::nullopt;
  for (const std::string_view each : known) {
    if (*text == each) return *text;
  }
  const std::string near = did_you_mean(*text, known);
  reader.refuse(at, "value-unknown", fmt::format("{} is not known here.", backquoted(*text)),
                near.empty() ? "" : fmt::format("Did you mean `{}`?", near));
  return std::nullopt;
}

/// targetPort as text: a number, or the name of a container port.
bool read_target(const Field& at, Reader& reader, std::string& out) {
  if (at.absent()) return true;
  if (const std::string* name = at.value().string()) {
    out = *name;
    return true;
  }
  if (!at.value().is(Value::Kind::integer)) {
    reader.refuse(
        at, "wrong-type",
        fmt::format("Expected a number or a name, found {}.", text::name(at.value().kind())));
    return false;
  }
  const std::optional<std::uint16_t> port = read_port(at, reader);
  if (port) out = fmt::format("{}", *port);
  return port.has_value();
}

void decode_service_port(const Field& at, std::size_t index, Reader& reader, Service& service) {
  if (reader.object(at) == nullptr) return;
  const Field number = at["port"];
  if (number.absent()) {
    reader.refuse(number, "port-missing", "The port has no number.", "Add `port: 80`.");
    return;
  }
  ServicePort out;
  out.index = index;
  const std::optional<std::uint16_t> port = read_port(number, reader);
  const auto protocol = one_of(at["protocol"], reader, "TCP", {"TCP", "UDP", "SCTP"});
  const Field name_at = at["name"];
  const std::string* name = reader.string(name_at);
  const bool named = name != nullptr || name_at.absent();
  if (!read_target(at["targetPort"], reader, out.target) || !port || !protocol || !named) return;
  if (name != nullptr) out.name = *name;
  out.port = *port;
  out.protocol = *protocol;
  if (const std::string* app = reader.string(at["appProtocol"])) out.app_protocol = *app;
  service.ports.push_back(std::move(out));
}

void decode_slice_port(const Field& at, Reader& reader, EndpointSlice& slice) {
  if (reader.object(at) == nullptr) return;
  const Field number = at["port"];
  if (number.absent()) return;  // Every port of the address: nothing that we could connect to.
  EndpointSlice::Port out;
  const std::optional<std::uint16_t> port = read_port(number, reader);
  const auto protocol = one_of(at["protocol"], reader, "TCP", {"TCP", "UDP", "SCTP"});
  const Field name_at = at["name"];
  const std::string* name = reader.string(name_at);
  if (!port || !protocol || (name == nullptr && !name_at.absent())) return;
  if (name != nullptr) out.name = *name;
  out.port = *port;
  out.protocol = *protocol;
  slice.ports.push_back(std::move(out));
}

/// A condition; nullopt if it is not said, or with a finding.
std::optional<bool> condition(const Field& at, Reader& reader) {
  const bool* value = reader.boolean(at);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

void decode_endpoint(const Field& at, Reader& reader, EndpointSlice& slice) {
  if (reader.object(at) == nullptr) return;
  EndpointSlice::Endpoint out;
  const Field addresses = at["addresses"];
  const Value::Array* items = reader.array(addresses);
  for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
    if (const std::string* address = reader.string(addresses[i])) out.addresses.push_back(*address);
  }
  const Field conditions = at["conditions"];
  if (!conditions.absent() && reader.object(conditions) == nullptr) return;
  const Field ready_at = conditions["ready"];
  const std::optional<bool> ready = condition(ready_at, reader);
  // Absent means ready; unreadable does not.
  out.ready = ready.value_or(ready_at.absent());
  out.serving = condition(conditions["serving"], reader).value_or(out.ready);
  out.terminating = condition(conditions["terminating"], reader).value_or(false);
  const Field target = at["targetRef"];
  if (!target.absent() && reader.object(target) != nullptr) {
    const std::string* kind = reader.string(target["kind"]);
    const std::string* name = reader.string(target["name"]);
    if (kind != nullptr && name != nullptr && *kind == "Pod") out.pod = *name;
  }
  if (!out.addresses.empty()) slice.endpoints.push_back(std::move(out));
}

}  // namespace

void decode_ingress_class(const Field& root, Reader& reader, IngressClass& out) {
  const Field spec = root["spec"];
  if (reader.object(spec) != nullptr) {
    if (const std::string* name = reader.string(spec["controller"])) out.controller = *name;
  }
  const auto found = out.meta.annotations.find(kDefaultClassAnnotation);
  out.is_default = found != out.meta.annotations.end() && found->second == "true";
}

void decode_service(const Field& root, Reader& reader, Service& out) {
  const Field metadata = root["metadata"];
  const Field annotations = metadata["annotations"];
  out.annotations_unreadable =
      !annotations.absent() && !annotations.value().is(Value::Kind::object);
  const Field spec = root["spec"];
  if (reader.object(spec) == nullptr) return;
  const auto type = one_of(spec["type"], reader, "ClusterIP",
                           {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"});
  out.type = type.value_or("");
  if (const std::string* ip = reader.string(spec["clusterIP"])) out.cluster_ip = *ip;
  if (const std::string* name = reader.string(spec["externalName"])) out.external_name = *name;
  const Field ports = spec["ports"];
  const Value::Array* items = reader.array(ports);
  for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
    decode_service_port(ports[i], i, reader, out);
  }
}

void decode_endpoint_slice(const Field& root, Reader& reader, EndpointSlice& out) {
  const Field metadata = root["metadata"];
  const Field labels = metadata["labels"];
  const auto label = out.meta.labels.find(kServiceNameLabel);
  if (label != out.meta.labels.end()) out.service = label->second;
  if (out.service.empty() && reader.is_file()) {
    reader.warn(labels[kServiceNameLabel], "service-label-missing",
                "The slice belongs to no Service, so nothing uses it.",
                "Add the label `kubernetes.io/service-name: NAME`.");
  }
  const Field type_at = root["addressType"];
  if (type_at.absent()) {
    reader.refuse(type_at, "address-type-missing", "There is no addressType.",
                  "Add `addressType: IPv4`.");
  }
  out.address_type = one_of(type_at, reader, "", {"IPv4", "IPv6", "FQDN"}).value_or("");
  const Field ports = root["ports"];
  const Value::Array* port_items = reader.array(ports);
  for (std::size_t i = 0; port_items != nullptr && i < port_items->size(); ++i) {
    decode_slice_port(ports[i], reader, out);
  }
  const Field endpoints = root["endpoints"];
  const Value::Array* items = reader.array(endpoints);
  for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
    decode_endpoint(endpoints[i], reader, out);
  }
}

}  // namespace bd::kube
