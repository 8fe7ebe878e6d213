#include "control/store.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace bd::control {
namespace {

template <class T>
std::vector<T>& list_of(kube::SourceObjects& objects) {
  if constexpr (std::is_same_v<T, kube::Ingress>) return objects.ingresses;
  if constexpr (std::is_same_v<T, kube::IngressClass>) return objects.classes;
  if constexpr (std::is_same_v<T, kube::Service>) return objects.services;
  if constexpr (std::is_same_v<T, kube::EndpointSlice>) return objects.slices;
  if constexpr (std::is_same_v<T, kube::Namespace>) return objects.namespaces;
}

bool before(const kube::Meta& a, const std::string& ns, const std::string& name) {
  return std::tie(a.ref.ns, a.ref.name) < std::tie(ns, name);
}

/// The lists are sorted by namespace and name, so that an event costs a binary search.
template <class T>
auto position(std::vector<T>& list, const std::string& ns, const std::string& name) {
  return std::lower_bound(list.begin(), list.end(), 0,
                          [&](const T& entry, int) { return before(entry.meta, ns, name); });
}

template <class T>
bool is_at(const std::vector<T>& list, typename std::vector<T>::iterator at, const std::string& ns,
           const std::string& name) {
  return at != list.end() && at->meta.ref.ns == ns && at->meta.ref.name == name;
}

template <class T>
void sort(std::vector<T>& list) {
  std::sort(list.begin(), list.end(),
                   [](const T& a, const T& b) { return before(a.meta, b.meta.ref.ns, b.meta.ref.name); });
}

/// A new resourceVersion alone changes nothing that routing sees.
template <class T>
bool is_same(T a, const T& b) {
  a.meta.resource_version = b.meta.resource_version;
  a.meta.generation = b.meta.generation;
  return a == b;
}

template <class T>
constexpr Effect effect_of() {
  return std::is_same_v<T, kube::EndpointSlice> ? Effect::endpoints : Effect::compile;
}

/// Slices that move from one service to another, or change their ports, may change what resolves.
bool only_endpoints_differ(const kube::EndpointSlice& a, const kube::EndpointSlice& b) {
  return a.service == b.service && a.ports == b.ports && a.address_type == b.address_type;
}

template <class T>
Effect put(std::vector<T>& list, T object) {
  auto at = position(list, object.meta.ref.ns, object.meta.ref.name);
  if (!is_at(list, at, object.meta.ref.ns, object.meta.ref.name)) {
    list.insert(at, std::move(object));
    return effect_of<T>();
  }
  if (is_same(object, *at)) {
    *at = std::move(object);
    return Effect::nothing;
  }
  Effect effect = effect_of<T>();
  if constexpr (std::is_same_v<T, kube::EndpointSlice>) {
    if (!only_endpoints_differ(object, *at)) effect = Effect::compile;
  }
  *at = std::move(object);
  return effect;
}

template <class T>
Effect erase(std::vector<T>& list, const std::string& ns, const std::string& name) {
  auto at = position(list, ns, name);
  if (!is_at(list, at, ns, name)) return Effect::nothing;
  list.erase(at);
  return effect_of<T>();
}

bool is_of(const model::Finding& finding, const model::ObjectRef& object) {
  return finding.object.kind == object.kind && finding.object.ns == object.ns && finding.object.name == object.name;
}

}  // namespace

void Store::add_source(const std::string& name) {
  objects_.sources.push_back({});
  objects_.sources.back().source = name;
  health_.push_back({name, false, false, "nothing delivered yet"});
}

void Store::drop_source(const std::string& name) {
  std::erase_if(objects_.sources, [&](const auto& entry) { return entry.source == name; });
  std::erase_if(health_, [&](const auto& entry) { return entry.name == name; });
}

bool Store::all_delivered() const {
  return std::all_of(health_.begin(), health_.end(), [](const Health& entry) { return entry.delivered; });
}

Effect Store::upsert(kube::SourceObjects& objects, kube::Object object, std::vector<model::Finding> findings) {
  const model::ObjectRef ref = kube::meta(object).ref;
  const std::size_t known = objects.findings.size();
  std::erase_if(objects.findings, [&](const model::Finding& finding) { return is_of(finding, ref); });
  const bool findings_differ = known != objects.findings.size() || !findings.empty();
  for (model::Finding& finding : findings) objects.findings.push_back(std::move(finding));
  const Effect effect = std::visit(
      [&](auto& value) {
        using T = std::remove_reference_t<decltype(value)>;
        return put(list_of<T>(objects), std::move(value));
      },
      object);
  return effect == Effect::nothing && findings_differ ? Effect::compile : effect;
}

Effect Store::remove(kube::SourceObjects& objects, const source::Remove& which) {
  std::erase_if(objects.findings, [&](const model::Finding& finding) {
    return finding.object.kind == which.kind && finding.object.ns == which.ns && finding.object.name == which.name;
  });
  if (which.kind == "Ingress") return erase(objects.ingresses, which.ns, which.name);
  if (which.kind == "IngressClass") return erase(objects.classes, which.ns, which.name);
  if (which.kind == "Service") return erase(objects.services, which.ns, which.name);
  if (which.kind == "EndpointSlice") return erase(objects.slices, which.ns, which.name);
  if (which.kind == "Namespace") return erase(objects.namespaces, which.ns, which.name);
  return Effect::nothing;
}

Effect Store::apply(const std::string& source, source::Event event) {
  const auto health = std::find_if(health_.begin(), health_.end(), [&](const Health& h) { return h.name == source; });
  if (health == health_.end()) return Effect::nothing;  // A source that was dropped meanwhile.
  kube::SourceObjects& objects = objects_.sources[static_cast<std::size_t>(health - health_.begin())];
  if (auto* status = std::get_if<source::Status>(&event)) {
    health->healthy = status->healthy;
    health->message = std::move(status->message);
    return Effect::nothing;
  }
  if (auto* replace = std::get_if<source::Replace>(&event)) {
    objects = std::move(*replace->objects);
    objects.source = source;
    sort(objects.ingresses);
    sort(objects.classes);
    sort(objects.services);
    sort(objects.slices);
    sort(objects.namespaces);
    health->delivered = true;
    health->healthy = true;
    health->message.clear();
    return Effect::compile;
  }
  if (auto* upserted = std::get_if<source::Upsert>(&event)) {
    return upsert(objects, std::move(upserted->object), std::move(upserted->findings));
  }
  return remove(objects, std::get<source::Remove>(event));
}

}  // namespace bd::control
