// Random objects: whatever they say, no door holds what its exposure did not select, and the result
// depends on what the objects say and not on the order in which they came.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "translate/objects_for_test.h"
#include "translate/translate.h"

namespace bd::translate {
namespace {

const std::vector<std::string> kExposures = {"internal-http", "internal-httpsecure",
                                             "external-http", "external-httpsecure"};
const std::vector<std::string> kNamespaces = {"a", "b", "c"};

template <class T>
T one_of(std::vector<T> values) {
  return *rc::gen::elementOf(values);
}
/// From 0 to n - 1, of the full range from the first test on: inRange alone grows with the test's
/// size.
int below(int n) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, n));
}
bool one_in(int n) {
  return below(n) == 0;
}

kube::Ingress random_ingress(int number) {
  kube::Ingress out = ingress(one_of(kNamespaces), fmt::format("i{}", number));
  if (!one_in(6)) out.meta.labels["expose"] = one_in(8) ? "typo" : one_of(kExposures);
  if (one_in(4)) out.meta.annotations["blastdoor.io/expose"] = one_of(kExposures);
  if (one_in(4)) out.meta.annotations["blastdoor.io/redirect"] = one_in(4) ? "htps" : "https";
  if (one_in(8)) out.meta.mistyped_labels["expose"] = "boolean";
  if (one_in(6)) out.class_name = one_of<std::string>({"nginx", "inner", "ours", ""});
  out.meta.created = below(4);
  const auto backend = [] {
    return kube::Backend{one_of<std::string>({"web", "api", "gone", "outside"}),
                         {one_of<std::uint16_t>({80, 81}), ""},
                         ""};
  };
  for (int r = below(3); r >= 0; --r) {
    kube::IngressRule rule;
    rule.host =
        one_of<std::string>({"x.example.com", "y.example.com", "*.example.com", "", "10.0.0.1"});
    for (int p = below(3); p > 0; --p) {
      rule.paths.push_back({one_of<std::string>({"/", "/a", "/a/", "/a/b", "bad", "/%2f"}),
                            one_of<kube::PathType>({kube::PathType::exact, kube::PathType::prefix}),
                            backend(), rule.paths.size()});
    }
    rule.index = out.rules.size();
    out.rules.push_back(std::move(rule));
  }
  if (one_in(4))
    out.broken.push_back({"x.example.com", "/a", kube::PathType::prefix, "wrong-type"});
  if (one_in(4)) out.default_backend = backend();
  return out;
}

kube::SourceObjects random_source(const std::string& name) {
  kube::SourceObjects out;
  out.source = name;
  const int count = 1 + below(12);
  for (int i = 0; i < count; ++i) out.ingresses.push_back(random_ingress(i));
  out.classes = {ingress_class("ours", "blastdoor.io/ingress-controller"),
                 ingress_class("nginx", "other")};
  for (const std::string& ns : kNamespaces) {
    for (const char* app : {"web", "api"}) {
      if (one_in(6)) continue;
      out.services.push_back(service(ns, app, {port(80)}));
      out.slices.push_back(
          slice(ns, app, {{"", 8080, "TCP"}},
                {one_of<std::string>({"10.1.0.1", "10.1.0.2", "127.0.0.1", "10.9.9.9"})}));
      if (one_in(3)) out.slices.back().ports[0].port = 10001;
    }
    out.services.push_back(service(ns, "outside", {port(80)}));
    out.services.back().type = "ExternalName";
  }
  const auto set_source = [&](auto& objects) {
    for (auto& object : objects) object.meta.ref.source = name;
  };
  set_source(out.ingresses), set_source(out.services), set_source(out.slices);
  return out;
}

kube::ObjectSet random_objects() {
  kube::ObjectSet out;
  out.sources.push_back(random_source("manifests:one"));
  if (one_in(3)) out.sources.push_back(random_source("manifests:two"));
  return out;
}

config::Config random_config() {
  config::Config out;
  for (model::Exposure& each : out.exposures) {
    each.allow = {*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>(),
                  *rc::gen::arbitrary<bool>()};
    if (one_in(3)) each.hosts = model::HostOwnership::owned;
  }
  if (one_in(2)) exposure(out, "internal-http").ingress_classes = {"inner"};
  if (one_in(4)) exposure(out, "internal-http").redirect_twin = "internal-httpsecure";
  if (one_in(4)) exposure(out, "external-http").any_class = true;
  if (one_in(3)) out.enabled = {one_of(kExposures)};
  out.node_addresses = {"10.9.9.9"};
  return out;
}

/// Does anything in the object's own words ask for this exposure? Knows nothing of classes and
/// grants, which only narrow, except that a class of ours may choose.
bool asks_for(const kube::Ingress& object, const model::Exposure& exposure) {
  if (object.meta.mistyped_labels.contains("expose")) return false;
  const auto label = object.meta.labels.find("expose");
  if (label == object.meta.labels.end()) {
    return std::ranges::find(exposure.ingress_classes, object.class_name.value_or("")) !=
           exposure.ingress_classes.end();
  }
  if (label->second == exposure.name) return true;
  const auto annotation = object.meta.annotations.find("blastdoor.io/expose");
  return annotation != object.meta.annotations.end() && annotation->second == exposure.name &&
         label->second.substr(0, 8) == exposure.name.substr(0, 8);
}

std::vector<kube::Backend> backends_of(const kube::Ingress& object) {
  std::vector<kube::Backend> out;
  if (object.default_backend) out.push_back(*object.default_backend);
  for (const kube::IngressRule& rule : object.rules) {
    for (const kube::IngressPath& path : rule.paths) out.push_back(path.backend);
  }
  return out;
}

/// Keys of all upstreams that Ingresses which ask for `exposure` name.
std::set<std::string> may_hold(const kube::ObjectSet& objects, const model::Exposure& exposure) {
  std::set<std::string> out;
  for (const kube::SourceObjects& source : objects.sources) {
    const std::string suffix = objects.sources.size() > 1 ? "@" + source.source : "";
    for (const kube::Ingress& object : source.ingresses) {
      if (!asks_for(object, exposure)) continue;
      for (const kube::Backend& backend : backends_of(object)) {
        out.insert(fmt::format("{}/{}:{}{}", object.meta.ref.ns, backend.service,
                               backend.port.text(), suffix));
      }
    }
  }
  return out;
}

void check_door(const kube::ObjectSet& objects, const snapshot::Door& door) {
  const std::set<std::string> allowed = may_hold(objects, door.exposure);
  std::set<std::string> used;
  for (const auto& [key, unit] : door.hosts) {
    const model::Allow& allow = door.exposure.allow;
    if (!door.exposure.redirect_twin && key.host.kind == model::HostPattern::Kind::wildcard)
      RC_ASSERT(allow.wildcard);
    if (!door.exposure.redirect_twin && key.host.kind == model::HostPattern::Kind::any) {
      RC_ASSERT(allow.empty_host || allow.default_backend);
    }
    RC_ASSERT(!unit->routes.empty());
    RC_ASSERT(std::ranges::is_sorted(unit->routes, model::matches_before));
    for (const model::Route& route : unit->routes) {
      if (const auto* forward = std::get_if<model::Forward>(&route.action))
        used.insert(forward->upstream);
      const bool redirects = std::holds_alternative<model::Redirect>(route.action);
      RC_ASSERT(!redirects || door.exposure.listeners[0].public_scheme == model::Scheme::http);
    }
  }
  std::set<std::string> held;
  for (const auto& [key, upstream] : door.upstreams) held.insert(key);
  RC_ASSERT(held == used);
  RC_ASSERT(std::ranges::includes(allowed, held));
  for (const auto& [key, list] : door.endpoints) {
    RC_ASSERT(held.contains(key));
    for (const model::Endpoint& endpoint : list) {
      RC_ASSERT(!endpoint.address.ip.is_loopback());
      RC_ASSERT(!snapshot::is_denied(door.denied, endpoint.address));
    }
  }
}

bool same(const snapshot::Snapshot& a, const snapshot::Snapshot& b) {
  if (a.findings != b.findings || a.doors.size() != b.doors.size()) return false;
  return std::ranges::all_of(a.doors, [&](const auto& door) {
    const auto found = b.doors.find(door.first);
    return found != b.doors.end() && snapshot::difference(*door.second, *found->second).empty();
  });
}

RC_GTEST_PROP(Translate, GivesNoDoorWhatItsExposureDidNotSelect, ()) {
  const config::Config config = random_config();
  const kube::ObjectSet objects = random_objects();
  const snapshot::Snapshot got = translate({&config, &objects, {}, nullptr});
  RC_ASSERT(got.doors.size() == (config.enabled.empty() ? 4u : 1u));
  const auto bypass = endpoints_of({&config, &objects, {}, nullptr}, all_services(objects));
  for (const auto& [name, door] : got.doors) {
    check_door(objects, *door);
    const auto back = snapshot::decode(snapshot::encode(*door, 1));
    RC_ASSERT(back.has_value());
    RC_ASSERT(snapshot::difference(*door, *back->door).empty());
    for (const auto& [key, list] : door->endpoints) RC_ASSERT(bypass.at(key) == list);
  }
}

RC_GTEST_PROP(Translate, NamesEveryIngressInAFinding, ()) {
  const config::Config config = random_config();
  const kube::ObjectSet objects = random_objects();
  const snapshot::Snapshot got = translate({&config, &objects, {}, nullptr});
  for (const kube::SourceObjects& source : objects.sources) {
    for (const kube::Ingress& object : source.ingresses) {
      const bool asks = !backends_of(object).empty();
      const bool named = std::ranges::any_of(
          got.findings, [&](const model::Finding& f) { return f.object == object.meta.ref; });
      RC_ASSERT(named || !asks);
    }
  }
}

RC_GTEST_PROP(Translate, DoesNotDependOnTheOrderOfObjects, ()) {
  const config::Config config = random_config();
  const kube::ObjectSet objects = random_objects();
  kube::ObjectSet shuffled = objects;
  std::mt19937 random(*rc::gen::arbitrary<unsigned>());
  for (kube::SourceObjects& source : shuffled.sources) {
    std::ranges::shuffle(source.ingresses, random);
    std::ranges::shuffle(source.services, random);
    std::ranges::shuffle(source.slices, random);
  }
  RC_ASSERT(same(translate({&config, &objects, {}, nullptr}),
                 translate({&config, &shuffled, {}, nullptr})));
}

RC_GTEST_PROP(Translate, KeepsThePointersOfUnchangedHosts, ()) {
  const config::Config config = random_config();
  const kube::ObjectSet objects = random_objects();
  const snapshot::Snapshot first = translate({&config, &objects, {}, nullptr});
  const snapshot::Snapshot second = translate({&config, &objects, {}, &first});
  for (const auto& [name, door] : second.doors) {
    for (const auto& [key, unit] : door->hosts)
      RC_ASSERT(unit == first.doors.at(name)->hosts.at(key));
  }
}

}  // namespace
}  // namespace bd::translate
