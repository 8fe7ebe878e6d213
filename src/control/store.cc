#include "control/store.h"

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

namespace bd::control {
namespace {

using kube::EndpointSlice;
using kube::SourceObjects;

template <class T>
std::vector<T>& list_of(SourceObjects& objects) {
  if constexpr (std::is_same_v<T, kube::Ingress>) return objects.ingresses;
  if constexpr (std::is_same_v<T, kube::IngressClass>) return objects.classes;
  if constexpr (std::is_same_v<T, kube::Service>) return objects.services;
  if constexpr (std::is_same_v<T, EndpointSlice>) return objects.slices;
  if constexpr (std::is_same_v<T, kube::Namespace>) return objects.namespaces;
  if constexpr (std::is_same_v<T, kube::Secret>) return objects.secrets;
  if constexpr (std::is_same_v<T, kube::ConfigMap>) return objects.config_maps;
}

bool comes_before(const model::ObjectRef& a, const model::ObjectRef& b) {
  return std::tie(a.ns, a.name) < std::tie(b.ns, b.name);
}

bool is_same_name(const model::ObjectRef& a, const model::ObjectRef& b) {
  return a.ns == b.ns && a.name == b.name;
}

/// The lists are sorted by namespace and name, so that an event costs a binary search. The end if
/// there is no such object.
template <class T>
auto find(std::vector<T>& list, const model::ObjectRef& ref) {
  const auto at = std::lower_bound(list.begin(), list.end(), ref,
                                   [](const T& entry, const model::ObjectRef& wanted) {
                                     return comes_before(entry.meta.ref, wanted);
                                   });
  return at != list.end() && is_same_name(at->meta.ref, ref) ? at : list.end();
}

template <class T>
void sort(std::vector<T>& list) {
  std::sort(list.begin(), list.end(),
            [](const T& a, const T& b) { return comes_before(a.meta.ref, b.meta.ref); });
}

/// A new version alone changes nothing that routing sees. `fresh` is as it was afterwards.
template <class T>
bool is_same(T& fresh, const T& known) {
  const auto generation = std::exchange(fresh.meta.generation, known.meta.generation);
  auto version = std::exchange(fresh.meta.resource_version, known.meta.resource_version);
  const bool same = fresh == known;
  fresh.meta.generation = generation;
  fresh.meta.resource_version = std::move(version);
  return same;
}

template <class T>
bool are_same(std::vector<T>& fresh, const std::vector<T>& known) {
  return std::equal(fresh.begin(), fresh.end(), known.begin(), known.end(),
                    [](T& a, const T& b) { return is_same(a, b); });
}

/// False if it is the same as what was known.
template <class T>
bool put(std::vector<T>& list, T object) {
  const auto at = find(list, object.meta.ref);
  if (at == list.end()) {
    const auto next = std::upper_bound(
        list.begin(), list.end(), object,
        [](const T& a, const T& b) { return comes_before(a.meta.ref, b.meta.ref); });
    list.insert(next, std::move(object));
    return true;
  }
  const bool same = is_same(object, *at);
  *at = std::move(object);
  return !same;
}

template <class T>
bool erase(std::vector<T>& list, const model::ObjectRef& ref) {
  const auto at = find(list, ref);
  if (at == list.end()) return false;
  list.erase(at);
  return true;
}

/// What is said of one object from now on. False if it was said before.
bool say(std::vector<model::Finding>& findings, const model::ObjectRef& object,
         std::vector<model::Finding> now) {
  const auto is_of_it = [&](const model::Finding& finding) {
    return finding.object.kind == object.kind && is_same_name(finding.object, object);
  };
  std::vector<model::Finding> before;
  std::copy_if(findings.begin(), findings.end(), std::back_inserter(before), is_of_it);
  if (before == now) return false;
  std::erase_if(findings, is_of_it);
  std::move(now.begin(), now.end(), std::back_inserter(findings));
  return true;
}

}  // namespace

bool Store::add_source(const std::string& name) {
  for (const Health& entry : health_) {
    if (entry.name == name) return false;
  }
  objects_.sources.emplace_back().source = name;
  health_.push_back({name, false, false, "it has delivered nothing yet"});
  return true;
}

void Store::drop_source(const std::string& name) {
  std::erase_if(objects_.sources, [&](const auto& entry) { return entry.source == name; });
  std::erase_if(health_, [&](const auto& entry) { return entry.name == name; });
}

bool Store::all_delivered() const {
  return std::all_of(health_.begin(), health_.end(),
                     [](const Health& entry) { return entry.delivered; });
}

std::set<translate::ServiceName> Store::take_touched() {
  return std::exchange(touched_, {});
}

void Store::touch(const std::string& source, const EndpointSlice& slice) {
  touched_.insert({source, slice.meta.ref.ns, slice.service});
}

bool Store::touch_differences(const std::string& source, std::vector<EndpointSlice>& fresh,
                              const std::vector<EndpointSlice>& known) {
  bool differ = false;
  const auto differs = [&](const EndpointSlice& slice) {
    touch(source, slice);
    differ = true;
  };
  auto old = known.begin();
  for (EndpointSlice& slice : fresh) {
    for (; old != known.end() && comes_before(old->meta.ref, slice.meta.ref); ++old) differs(*old);
    if (old == known.end() || !is_same_name(old->meta.ref, slice.meta.ref)) {
      differs(slice);
      continue;
    }
    if (!is_same(slice, *old)) {
      differs(*old);
      differs(slice);
    }
    ++old;
  }
  std::for_each(old, known.end(), differs);
  return differ;
}

/// A folder is read again as a whole for each change, and an API server is listed again now and
/// then: what did not change must cost as little as if nothing had been said.
Effect Store::replace(SourceObjects& known, SourceObjects fresh, Health& health) {
  fresh.source = health.name;
  sort(fresh.ingresses);
  sort(fresh.classes);
  sort(fresh.services);
  sort(fresh.slices);
  sort(fresh.namespaces);
  sort(fresh.secrets);
  sort(fresh.config_maps);
  const bool first = !health.delivered;
  const bool empty = fresh.ingresses.empty() && fresh.services.empty() && fresh.namespaces.empty();
  health.delivered |= health.healthy || !empty;
  const bool slices_differ = touch_differences(fresh.source, fresh.slices, known.slices);
  const bool others_same =
      fresh.allow_loopback == known.allow_loopback && fresh.findings == known.findings &&
      are_same(fresh.ingresses, known.ingresses) && are_same(fresh.classes, known.classes) &&
      are_same(fresh.services, known.services) && are_same(fresh.namespaces, known.namespaces) &&
      are_same(fresh.secrets, known.secrets) && are_same(fresh.config_maps, known.config_maps);
  known = std::move(fresh);
  if (first || !others_same) return Effect::compile;
  return slices_differ ? Effect::endpoints : Effect::nothing;
}

Effect Store::upsert(SourceObjects& known, source::Upsert event) {
  const model::ObjectRef ref = kube::meta(event.object).ref;
  const bool says_more = say(known.findings, ref, std::move(event.findings));
  Effect effect = Effect::nothing;
  if (auto* slice = std::get_if<EndpointSlice>(&event.object)) {
    const auto old = find(known.slices, ref);
    const std::string service = old == known.slices.end() ? slice->service : old->service;
    const std::string now = slice->service;
    if (put(known.slices, std::move(*slice))) {
      touched_.insert({known.source, ref.ns, service});
      touched_.insert({known.source, ref.ns, now});
      effect = Effect::endpoints;
    }
  } else {
    const bool changed =
        std::visit([&]<class T>(T& object) { return put(list_of<T>(known), std::move(object)); },
                   event.object);
    if (changed) effect = Effect::compile;
  }
  return says_more ? Effect::compile : effect;
}

Effect Store::remove(SourceObjects& known, const source::Remove& which) {
  const model::ObjectRef ref{which.kind, which.ns, which.name, "", "", 0};
  bool changed = say(known.findings, ref, {});
  if (which.kind == "Ingress") changed |= erase(known.ingresses, ref);
  if (which.kind == "IngressClass") changed |= erase(known.classes, ref);
  if (which.kind == "Service") changed |= erase(known.services, ref);
  if (which.kind == "Namespace") changed |= erase(known.namespaces, ref);
  if (which.kind == "Secret") changed |= erase(known.secrets, ref);
  if (which.kind == "ConfigMap") changed |= erase(known.config_maps, ref);
  if (which.kind == "EndpointSlice") {
    const auto at = find(known.slices, ref);
    if (at != known.slices.end()) {
      touch(known.source, *at);
      known.slices.erase(at);
      return changed ? Effect::compile : Effect::endpoints;
    }
  }
  return changed ? Effect::compile : Effect::nothing;
}

Effect Store::apply(const std::string& source, source::Event event) {
  const auto health = std::find_if(health_.begin(), health_.end(),
                                   [&](const Health& entry) { return entry.name == source; });
  if (health == health_.end()) return Effect::nothing;  // A source that was dropped meanwhile.
  SourceObjects& known = objects_.sources[static_cast<std::size_t>(health - health_.begin())];
  if (auto* status = std::get_if<source::Status>(&event)) {
    health->healthy = status->healthy;
    health->message = std::move(status->message);
    return Effect::nothing;
  }
  if (auto* all = std::get_if<source::Replace>(&event)) {
    return replace(known, std::move(*all->objects), *health);
  }
  if (auto* one = std::get_if<source::Upsert>(&event)) return upsert(known, std::move(*one));
  return remove(known, std::get<source::Remove>(event));
}

}  // namespace bd::control
