#include "translate/backends.h"

#include <algorithm>

#include "translate/findings.h"

namespace bd::translate {
namespace {

bool before(const model::ObjectRef& a, const model::ObjectRef& b) {
  return std::tie(a.file, a.line) < std::tie(b.file, b.line);
}

/// Names that an API server would take. A '/', ':' or '@' in one would let two Services share an
/// upstream's key.
std::string port_names(const kube::Service& service) {
  std::vector<std::string> out;
  for (const kube::ServicePort& port : service.ports) {
    out.push_back(port.name.empty() ? std::to_string(port.port)
                                    : fmt::format("{} ({})", port.name, port.port));
  }
  return out.empty() ? "It has none." : fmt::format("It has {}.", listed(out));
}

const kube::ServicePort* find_port(const kube::Service& service,
                                   const kube::ServicePortRef& wanted) {
  const auto it = std::ranges::find_if(service.ports, [&](const kube::ServicePort& port) {
    if (port.protocol != "TCP") return false;
    return wanted.name.empty() ? wanted.number != 0 && port.port == wanted.number
                               : port.name == wanted.name;
  });
  return it == service.ports.end() ? nullptr : &*it;
}

/// By name. Of two with one name the first by file and line counts.
template <class T>
void index(const std::vector<T>& objects, std::map<Backends::Name, const T*>& out) {
  for (const T& object : objects) {
    const T*& known = out[{object.meta.ref.ns, object.meta.ref.name}];
    if (known == nullptr || before(object.meta.ref, known->meta.ref)) known = &object;
  }
}

template <class T>
const T* find(const std::map<Backends::Name, const T*>& all, std::string_view ns,
              std::string_view name) {
  const auto found = all.find({ns, name});
  return found == all.end() ? nullptr : found->second;
}

}  // namespace

Backends::Backends(const kube::SourceObjects& source, bool only_source, const Names* wanted)
    : source_(source), suffix_(only_source ? "" : "@" + source.source) {
  const auto is_wanted = [&](const Name& name) {
    return wanted == nullptr || wanted->contains(name);
  };
  for (const kube::Service& service : source.services) {
    const Name name{service.meta.ref.ns, service.meta.ref.name};
    if (!is_wanted(name)) continue;
    const kube::Service*& known = services_[name];
    if (known == nullptr || before(service.meta.ref, known->meta.ref)) known = &service;
  }
  for (const kube::EndpointSlice& slice : source.slices) {
    const Name name{slice.meta.ref.ns, slice.service};
    if (is_wanted(name)) slices_[name].push_back(&slice);
  }
  if (wanted != nullptr) return;
  index(source.secrets, secrets_);
  index(source.config_maps, config_maps_);
}

const kube::Secret* Backends::secret(std::string_view ns, std::string_view name) const {
  return find(secrets_, ns, name);
}

const kube::ConfigMap* Backends::config_map(std::string_view ns, std::string_view name) const {
  return find(config_maps_, ns, name);
}

std::string Backends::key(std::string_view kind, const model::ObjectRef& object) const {
  return fmt::format("{} {}/{}{}", kind, object.ns, object.name, suffix_);
}

std::string Backends::upstream(const kube::Service& service, std::string_view port) const {
  return fmt::format("{}/{}:{}{}", service.meta.ref.ns, service.meta.ref.name, port, suffix_);
}

Problem Backends::missing(const std::string& ns, const std::string& service) const {
  std::vector<std::string> others;
  for (auto it = services_.lower_bound({ns, ""}); it != services_.end() && it->first.first == ns;
       ++it) {
    others.emplace_back(it->first.second);
  }
  return {"service-missing", ".service.name",
          fmt::format("There is no Service `{}` in namespace `{}`.", service, ns),
          did_you_mean(service, others, "")};
}

std::expected<Target, Problem> Backends::resolve(const std::string& ns,
                                                 const kube::Backend& backend) const {
  if (!backend.resource.empty()) {
    return std::unexpected(Problem{
        "resource-backend", ".resource",
        fmt::format("The backend is the resource {}, not a Service.", backquoted(backend.resource)),
        "Name a Service."});
  }
  const auto found = services_.find({ns, backend.service});
  if (found == services_.end()) return std::unexpected(missing(ns, backend.service));
  const kube::Service& service = *found->second;
  if (service.type == "ExternalName") {
    return std::unexpected(Problem{
        "external-name", ".service.name",
        fmt::format(
            "Service `{}` is of type ExternalName: it can point at anything, so it is no backend.",
            backend.service),
        "Use a Service with EndpointSlices."});
  }
  const kube::ServicePort* port = find_port(service, backend.port);
  if (port == nullptr) {
    return std::unexpected(Problem{
        "port-unknown", ".service.port",
        fmt::format("Service `{}` has no TCP port `{}`.", backend.service, backend.port.text()),
        port_names(service)});
  }
  return Target{upstream(service, backend.port.text()), this, &service, port};
}

std::vector<Target> Backends::all() const {
  std::vector<Target> out;
  for (const auto& [name, service] : services_) {
    if (service->type == "ExternalName") continue;
    for (const kube::ServicePort& port : service->ports) {
      const std::string number = std::to_string(port.port);
      if (find_port(*service, {port.port, ""}) == &port)
        out.push_back({upstream(*service, number), this, service, &port});
      if (!port.name.empty() && find_port(*service, {0, port.name}) == &port) {
        out.push_back({upstream(*service, port.name), this, service, &port});
      }
    }
  }
  return out;
}

const std::vector<const kube::EndpointSlice*>& Backends::slices_of(
    const kube::Service& service) const {
  static const std::vector<const kube::EndpointSlice*> none;
  const auto found = slices_.find({service.meta.ref.ns, service.meta.ref.name});
  return found == slices_.end() ? none : found->second;
}

}  // namespace bd::translate
