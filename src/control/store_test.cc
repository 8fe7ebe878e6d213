// What does an event change, and what has to be done about it? Each case starts from the same known
// objects, applies one event, and looks at the effect.

#include "control/store.h"

#include <gtest/gtest.h>

#include <functional>

#include "translate/objects_for_test.h"

namespace bd::control {
namespace {

using translate::ingress;
using translate::ingress_class;
using translate::port;
using translate::ref;
using translate::service;
using translate::ServiceName;

const std::string kName = translate::kSource;
using Touched = std::set<ServiceName>;

kube::EndpointSlice slice(std::string service, std::string name, std::string address) {
  auto out = translate::slice("shop", service, {{"http", 8080, "TCP"}}, {std::move(address)});
  out.meta.ref.name = std::move(name);
  return out;
}

kube::Namespace a_namespace(std::string name) {
  kube::Namespace out;
  out.meta.ref = ref("Namespace", "", std::move(name));
  return out;
}

model::Finding finding(const model::ObjectRef& object, std::string code = "unknown-field") {
  return {model::Severity::warning, std::move(code), object, "spec", "", "", {}};
}

/// Not sorted: that is the store's business.
kube::SourceObjects sample() {
  kube::SourceObjects out;
  out.ingresses = {ingress("shop", "web", "internal-http"), ingress("shop", "api"),
                   ingress("a", "web")};
  out.classes = {ingress_class("ours", "blastdoor.io/ingress-controller")};
  out.services = {service("shop", "web", {port(80)}), service("shop", "api", {port(80)})};
  out.slices = {slice("web", "web-2", "10.0.0.2"), slice("web", "web-1", "10.0.0.1"),
                slice("api", "api-1", "10.0.1.1")};
  out.namespaces = {a_namespace("shop")};
  out.findings = {finding(ref("Ingress", "shop", "web"))};
  return out;
}

source::Replace replace(kube::SourceObjects objects) {
  return {std::make_shared<kube::SourceObjects>(std::move(objects))};
}

Store stored() {
  Store out;
  EXPECT_TRUE(out.add_source(kName));
  out.apply(kName, source::Status{true, ""});
  EXPECT_EQ(out.apply(kName, replace(sample())), Effect::compile);
  static_cast<void>(out.take_touched());
  return out;
}

template <class T>
source::Event upsert(T object, std::vector<model::Finding> findings = {}) {
  return source::Upsert{std::move(object), std::move(findings)};
}

template <class T>
T with_version(T object) {
  object.meta.resource_version = "2";
  object.meta.generation = 2;
  return object;
}

kube::SourceObjects edited(const std::function<void(kube::SourceObjects&)>& edit) {
  kube::SourceObjects out = sample();
  edit(out);
  return out;
}

struct Case {
  const char* why;
  source::Event event;
  Effect effect = Effect::nothing;
  Touched touched;
};

void expect(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Store store = stored();
    EXPECT_EQ(store.apply(kName, c.event), c.effect);
    EXPECT_EQ(store.take_touched(), c.touched);
    EXPECT_EQ(store.take_touched(), Touched{});
  }
}

TEST(Store, AnObjectThatIsNewOrChangedIsCompiled) {
  using enum Effect;
  kube::Service typed = service("shop", "web", {port(80)});
  typed.type = "NodePort";
  kube::Ingress web = ingress("shop", "web", "internal-http");
  const std::vector<model::Finding> said = {finding(web.meta.ref)};
  expect({{"a new Ingress", upsert(ingress("z", "new")), compile},
          {"another label", upsert(ingress("shop", "web", "external-http"), said), compile},
          {"the same", upsert(web, said)},
          {"a new version of the same", upsert(with_version(web), said)},
          {"a new version of the same Service",
           upsert(with_version(service("shop", "web", {port(80)})))},
          {"another Service", upsert(typed), compile},
          {"another controller", upsert(ingress_class("ours", "other")), compile},
          {"the same class", upsert(ingress_class("ours", "blastdoor.io/ingress-controller"))},
          {"a new namespace", upsert(a_namespace("a")), compile},
          {"the same namespace", upsert(with_version(a_namespace("shop")))}});
}

kube::Secret secret(std::string chain) {
  kube::Secret out;
  out.meta.ref = ref("Secret", "shop", "tls");
  out.pair = std::make_shared<const model::Certificate>(std::move(chain), "key");
  return out;
}

TEST(Store, SecretsAndConfigMapsCountByValue) {
  Store store = stored();
  EXPECT_EQ(store.apply(kName, upsert(secret("a"))), Effect::compile);
  EXPECT_EQ(store.apply(kName, upsert(with_version(secret("a")))), Effect::nothing);
  EXPECT_EQ(store.apply(kName, upsert(secret("b"))), Effect::compile);
  kube::ConfigMap ca;
  ca.meta.ref = ref("ConfigMap", "shop", "ca");
  EXPECT_EQ(store.apply(kName, upsert(ca)), Effect::compile);
  ca.ca = std::make_shared<const std::string>("ca");
  EXPECT_EQ(store.apply(kName, upsert(ca)), Effect::compile);
  kube::SourceObjects relisted = store.objects().sources[0];
  relisted.secrets = {secret("b")};
  EXPECT_EQ(store.apply(kName, replace(relisted)), Effect::nothing);
  relisted.secrets = {secret("c")};
  EXPECT_EQ(store.apply(kName, replace(relisted)), Effect::compile);
  EXPECT_EQ(store.apply(kName, source::Remove{"Secret", "shop", "tls"}), Effect::compile);
  EXPECT_EQ(store.apply(kName, source::Remove{"Secret", "shop", "tls"}), Effect::nothing);
  EXPECT_EQ(store.apply(kName, source::Remove{"ConfigMap", "shop", "ca"}), Effect::compile);
  EXPECT_TRUE(store.objects().sources[0].secrets.empty());
  EXPECT_TRUE(store.objects().sources[0].config_maps.empty());
}

TEST(Store, FindingsOfAnObjectAreReplacedWithIt) {
  using enum Effect;
  const kube::Ingress web = ingress("shop", "web", "internal-http");
  const kube::Ingress api = ingress("shop", "api");
  const model::ObjectRef other = ref("Service", "shop", "web");
  expect({{"one is gone", upsert(web), compile},
          {"another one", upsert(web, {finding(web.meta.ref, "wrong-type")}), compile},
          {"one of an object that had none", upsert(api, {finding(api.meta.ref)}), compile},
          {"one of a slice", upsert(slice("web", "web-1", "10.0.0.1"), {finding(other)}), compile},
          {"a Service of the same name has none", upsert(service("shop", "web", {port(80)}))}});

  Store store = stored();
  store.apply(kName, upsert(api, {finding(api.meta.ref), finding(api.meta.ref, "wrong-type")}));
  EXPECT_EQ(store.objects().sources[0].findings.size(), 3u);
  EXPECT_EQ(store.apply(kName, upsert(with_version(api), {finding(api.meta.ref),
                                                          finding(api.meta.ref, "wrong-type")})),
            Effect::nothing);
  store.apply(kName, source::Remove{"Ingress", "shop", "web"});
  store.apply(kName, upsert(api));
  EXPECT_TRUE(store.objects().sources[0].findings.empty());
}

TEST(Store, SlicesGoTheBypassAndNameTheirServices) {
  using enum Effect;
  const ServiceName web{kName, "shop", "web"};
  const ServiceName api{kName, "shop", "api"};
  kube::EndpointSlice ports = slice("web", "web-1", "10.0.0.1");
  ports.ports[0].port = 9090;
  expect({{"another address", upsert(slice("web", "web-1", "10.0.0.9")), endpoints, {web}},
          {"another port", upsert(ports), endpoints, {web}},
          {"a new slice", upsert(slice("api", "api-2", "10.0.1.2")), endpoints, {api}},
          {"of another service", upsert(slice("api", "web-1", "10.0.0.1")), endpoints, {api, web}},
          {"the same", upsert(slice("web", "web-1", "10.0.0.1"))},
          {"a new version", upsert(with_version(slice("web", "web-1", "10.0.0.1")))},
          {"gone", source::Remove{"EndpointSlice", "shop", "web-2"}, endpoints, {web}}});
}

TEST(Store, ARemovedObjectIsGone) {
  using enum Effect;
  expect({{"an Ingress", source::Remove{"Ingress", "shop", "web"}, compile},
          {"of another namespace", source::Remove{"Ingress", "other", "web"}},
          {"a class", source::Remove{"IngressClass", "", "ours"}, compile},
          {"a Service", source::Remove{"Service", "shop", "api"}, compile},
          {"a Namespace", source::Remove{"Namespace", "", "shop"}, compile},
          {"a slice that is not there", source::Remove{"EndpointSlice", "shop", "none"}},
          {"a kind that nobody knows", source::Remove{"Gateway", "shop", "web"}}});
  Store store = stored();
  store.apply(kName, source::Remove{"Ingress", "shop", "web"});
  const kube::SourceObjects& objects = store.objects().sources[0];
  ASSERT_EQ(objects.ingresses.size(), 2u);
  EXPECT_EQ(objects.ingresses[0].meta.ref.ns, "a") << "sorted by namespace and name";
  EXPECT_EQ(objects.ingresses[1].meta.ref.name, "api");
}

TEST(Store, ANewSetIsComparedWithTheOld) {
  using enum Effect;
  const ServiceName web{kName, "shop", "web"};
  const ServiceName api{kName, "shop", "api"};
  const auto set = [](const std::function<void(kube::SourceObjects&)>& edit) {
    return replace(edited(edit));
  };
  expect(
      {{"the same", set([](auto&) {})},
       {"new versions", set([](auto& o) { o.ingresses[0] = with_version(o.ingresses[0]); })},
       {"an address", set([](auto& o) { o.slices[0].endpoints.clear(); }), endpoints, {web}},
       {"slices come and go",
        set([](auto& o) {
          o.slices[0] = slice("web", "web-3", "10.0.0.3");
          o.slices.pop_back();
        }),
        endpoints,
        {api, web}},
       {"a slice moves", set([](auto& o) { o.slices[0].service = "api"; }), endpoints, {api, web}},
       {"an Ingress", set([](auto& o) { o.ingresses.pop_back(); }), compile},
       {"a class", set([](auto& o) { o.classes.clear(); }), compile},
       {"a Service", set([](auto& o) { o.services[0].ports.clear(); }), compile},
       {"a Namespace", set([](auto& o) { o.namespaces.clear(); }), compile},
       {"a finding", set([](auto& o) { o.findings.clear(); }), compile},
       {"what it allows", set([](auto& o) { o.allow_loopback = true; }), compile}});
}

TEST(Store, ASourceHasDeliveredWithItsFirstSet) {
  Store store;
  EXPECT_TRUE(store.add_source("a"));
  EXPECT_TRUE(store.add_source("b"));
  EXPECT_FALSE(store.add_source("a"));
  EXPECT_FALSE(store.all_delivered());
  store.apply("a", source::Status{true, "fine"});
  EXPECT_FALSE(store.all_delivered());
  EXPECT_EQ(store.apply("a", replace({})), Effect::compile) << "also an empty one";
  EXPECT_FALSE(store.all_delivered());
  store.apply("b", source::Status{false, "in trouble"});
  EXPECT_EQ(store.apply("b", replace(sample())), Effect::compile);
  EXPECT_TRUE(store.all_delivered()) << "it has something to show";
  EXPECT_EQ(store.health()[0].message, "fine");
  EXPECT_FALSE(store.health()[1].healthy) << "objects do not heal a source";
  store.apply("b", source::Status{false, "still"});
  EXPECT_TRUE(store.all_delivered());
  EXPECT_EQ(store.objects().sources[1].ingresses.size(), 3u) << "trouble removes nothing";
}

TEST(Store, ASourceInTroubleWithNothingToShowHasNotDelivered) {
  Store store;
  EXPECT_TRUE(store.add_source("a"));
  store.apply("a", source::Status{false, "no such folder"});
  store.apply("a", replace({}));
  EXPECT_FALSE(store.all_delivered());
  store.apply("a", source::Status{true, ""});
  EXPECT_FALSE(store.all_delivered()) << "the set that is known is the one of the trouble";
  EXPECT_EQ(store.apply("a", replace({})), Effect::compile) << "the first one that counts";
  EXPECT_TRUE(store.all_delivered());
}

TEST(Store, WhatADroppedSourceSaysIsNotHeard) {
  Store store = stored();
  EXPECT_TRUE(store.add_source("b"));
  store.drop_source(kName);
  EXPECT_EQ(store.apply(kName, replace(sample())), Effect::nothing);
  EXPECT_EQ(store.apply(kName, upsert(ingress("shop", "web"))), Effect::nothing);
  ASSERT_EQ(store.objects().sources.size(), 1u);
  EXPECT_EQ(store.objects().sources[0].source, "b");
  store.apply("b", source::Status{true, ""});
  EXPECT_EQ(store.apply("b", replace(sample())), Effect::compile);
  EXPECT_EQ(store.objects().sources[0].ingresses.size(), 3u);
  EXPECT_TRUE(store.all_delivered());
}

}  // namespace
}  // namespace bd::control
