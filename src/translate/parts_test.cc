// The small pure functions, each by a table.

#include <gtest/gtest.h>

#include <algorithm>

#include "translate/annotations.h"
#include "translate/compile.h"
#include "translate/conflicts.h"
#include "translate/endpoints.h"
#include "translate/objects_for_test.h"

namespace bd::translate {
namespace {

using PathKind = model::PathPattern::Kind;

SocketAddress socket(std::string_view text) {
  return SocketAddress::parse(text).value();
}

TEST(RefuseAddress, KeepsDoorsAwayFromThemselvesAndFromLocalThings) {
  const std::vector<SocketAddress> own = {socket("0.0.0.0:10000"), socket("127.0.0.1:9900"),
                                          socket("10.9.9.9:10000")};
  struct Case {
    const char* address;
    bool loopback_allowed;
    const char* want;
  };
  constexpr Case cases[] = {
      {"10.1.0.1:80", false, ""},
      {"192.0.2.1:10000", false, ""},
      {"[fd00::1]:80", false, ""},
      {"10.9.9.9:10000", true, "endpoint-own-address"},
      {"10.9.9.9:80", false, ""},
      {"127.0.0.1:10000", true, "endpoint-own-address"},
      {"127.1.2.3:10000", true, "endpoint-own-address"},
      {"[::1]:10000", true, "endpoint-own-address"},
      {"0.0.0.0:10000", true, "endpoint-own-address"},
      {"[::ffff:127.0.0.1]:10000", true, "endpoint-own-address"},
      {"127.0.0.1:9900", true, "endpoint-own-address"},
      {"127.0.0.1:80", false, "endpoint-address"},
      {"127.0.0.1:80", true, ""},
      {"[::1]:80", false, "endpoint-address"},
      {"[::1]:80", true, ""},
      {"0.0.0.0:80", true, "endpoint-address"},
      {"0.1.2.3:80", true, "endpoint-address"},
      {"[::]:80", true, "endpoint-address"},
      {"169.254.169.254:80", true, "endpoint-address"},
      {"[fe80::1]:80", true, "endpoint-address"},
      {"224.0.0.1:80", true, "endpoint-address"},
      {"255.255.255.255:80", true, "endpoint-address"},
      {"[ff02::1]:80", true, "endpoint-address"},
  };
  for (const Case& c : cases) {
    const auto problem = refuse_address(socket(c.address), c.loopback_allowed, own);
    EXPECT_EQ(problem ? problem->code : "", c.want)
        << c.address << ", loopback " << c.loopback_allowed;
  }
}

TEST(OwnAddresses, AreAllListenersOnAllOfTheNode) {
  config::Config config;
  config.exposures.resize(2);
  config.exposures[0].listeners[0].bind = socket("10.0.0.5:10000");
  config.exposures[1].listeners[0].bind = socket("0.0.0.0:0");
  config.enabled = {"internal-httpsecure"};
  config.metrics = socket("10.0.0.6:9902");
  config.node_addresses = {"10.9.9.9", "not an address"};
  std::vector<std::string> got;
  for (const SocketAddress& address :
       own_addresses(config, {IpAddress::parse("fd00::9").value()})) {
    got.push_back(address.text());
  }
  const std::vector<std::string> want = {"0.0.0.0:9901",   "10.0.0.5:10000", "10.0.0.6:9902",
                                         "10.9.9.9:9901",  "10.9.9.9:10000", "127.0.0.1:9900",
                                         "[fd00::9]:9901", "[fd00::9]:10000"};
  EXPECT_TRUE(std::ranges::is_permutation(got, want)) << fmt::format("{}", fmt::join(got, " "));
}

TEST(Endpoints, AreBounded) {
  kube::SourceObjects source;
  source.services = {service("a", "web", {port(80)})};
  source.slices = {slice("a", "web", {{"", 80, "TCP"}}, {})};
  for (unsigned i = 0; i <= model::kEndpointsPerUpstreamMax; ++i) {
    source.slices[0].endpoints.push_back(
        {.addresses = {fmt::format("10.1.{}.{}", i / 256, i % 256)}});
  }
  const Backends backends(source, true);
  const auto target = backends.resolve("a", {"web", {80, ""}, ""});
  ASSERT_TRUE(target);
  Findings findings;
  EXPECT_EQ(endpoints(*target, {}, findings).size(), model::kEndpointsPerUpstreamMax);
  EXPECT_EQ(codes(std::move(findings).take()), std::vector<std::string>{"warning endpoints-max"});
  source.slices[0].endpoints.pop_back();
  Findings none;
  EXPECT_EQ(endpoints(*target, {}, none).size(), model::kEndpointsPerUpstreamMax);
  EXPECT_TRUE(std::move(none).take().empty());
}

TEST(EndpointsOf, LooksAtTheNamedServicesOfTheirSourceOnly) {
  kube::ObjectSet objects;
  objects.sources.resize(2);
  for (const char* name : {"one", "two"}) {
    kube::SourceObjects& source = objects.sources[name == std::string_view("one") ? 0 : 1];
    source.source = name;
    source.services = {service("a", "web", {port(80, "http"), port(443)}),
                       service("a", "api", {port(80)})};
    source.slices = {slice("a", "web", {{"http", 8080, "TCP"}, {"", 8443, "TCP"}}, {"10.0.0.1"}),
                     slice("a", "api", {{"", 80, "TCP"}}, {"10.0.0.2"})};
  }
  const config::Config config;
  const Input input{&config, &objects, {}, nullptr};
  using Lists = std::map<std::string, std::vector<model::Endpoint>>;
  const std::vector<model::Endpoint> plain = {{socket("10.0.0.1:8080")}};
  EXPECT_EQ(endpoints_of(input, {{"two", "a", "web"}}),
            (Lists{{"a/web:80@two", plain},
                   {"a/web:http@two", plain},
                   {"a/web:443@two", {{socket("10.0.0.1:8443")}}}}));
  EXPECT_EQ(endpoints_of(input, {{"two", "b", "web"}, {"three", "a", "web"}}), Lists{});
}

TEST(IsOlder, OrdersByAgeAndThenByName) {
  const auto made = [](std::int64_t created, std::string ns, std::string name,
                       std::string file = "", int line = 0) {
    kube::Ingress out = ingress(std::move(ns), std::move(name));
    out.meta.created = created;
    out.meta.ref.file = std::move(file);
    out.meta.ref.line = line;
    return out;
  };
  const std::vector<kube::Ingress> order = {
      made(100, "z", "z"),
      made(200, "a", "b"),
      made(200, "b", "a"),
      made(0, "a", "a"),
      made(0, "a", "b", "x.yaml", 9),
      made(0, "a", "b", "y.yaml", 1),
      made(0, "a", "b", "y.yaml", 2),
      made(0, "b", "a"),
  };
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::size_t j = 0; j < order.size(); ++j)
      EXPECT_EQ(is_older(order[i], order[j]), i < j) << i << " " << j;
  }
}

TEST(RedirectPort, IsTheDeclaredPortOfTheTwin) {
  config::Config config;
  exposure(config, "internal-httpsecure").listeners[0].public_port = 8443;
  exposure(config, "external-httpsecure").listeners[0].public_port = 9443;
  config.exposures.push_back(
      model::make_exposure("internal-admin", model::Side::internal, model::Scheme::https, 10005));
  exposure(config, "internal-admin").listeners[0].public_port = 7443;
  const model::Exposure& http = exposure(config, "internal-http");
  EXPECT_EQ(redirect_port(config, http, {"internal-http"}), 8443) << "the first of its side";
  EXPECT_EQ(redirect_port(config, http, {"internal-http", "internal-admin"}), 7443)
      << "the one that is selected too";
  EXPECT_EQ(redirect_port(config, http, {"external-httpsecure"}), 8443) << "never the other side's";
  exposure(config, "internal-http").redirect_twin = "internal-admin";
  EXPECT_EQ(redirect_port(config, http, {"internal-httpsecure"}), 7443)
      << "the twin that is configured";
  exposure(config, "internal-http").redirect_twin.reset();
  model::Listener secure = http.listeners[0];
  secure.name = "secure";
  secure.public_scheme = model::Scheme::https;
  secure.public_port = 6443;
  exposure(config, "internal-http").listeners.push_back(secure);
  EXPECT_EQ(redirect_port(config, http, {}), 6443) << "its own https listener";
  config::Config alone;
  alone.exposures.resize(1);
  EXPECT_EQ(redirect_port(alone, alone.exposures[0], {}), 443) << "nothing is declared";
}

TEST(Tombstone, StandsWhereARequestCouldMeanThePath) {
  struct Case {
    std::string text;
    PathKind kind;
    const char* want;  ///< Null: nowhere.
  };
  const Case cases[] = {
      {"/a", PathKind::prefix, "/a"},
      {"/a/", PathKind::exact, "/a/"},
      {"relative", PathKind::prefix, "/relative"},
      {"", PathKind::exact, "/"},
      {"/a?x=1", PathKind::prefix, "/a"},
      {"?x=1", PathKind::prefix, "/"},
      {"/a/../b", PathKind::prefix, "/b"},
      {"/a/%2e%2e/..", PathKind::prefix, "/"},
      {"/a b", PathKind::prefix, "/a%20b"},
      {"/caf\xc3\xa9", PathKind::prefix, "/caf%C3%A9"},
      {"/a#b", PathKind::prefix, "/a%23b"},
      {"/a//b", PathKind::prefix, "/a/b"},
      {"/a%2fb", PathKind::prefix, nullptr},
      {"/a\\b", PathKind::prefix, nullptr},
      {"/" + std::string(5000, 'a'), PathKind::exact, "/"},
  };
  for (const Case& c : cases) {
    const auto got = tombstone(c.kind, c.text);
    EXPECT_EQ(got ? got->path : "nowhere", c.want != nullptr ? c.want : "nowhere") << c.text;
  }
}

TEST(Annotations, BecomeTypedValuesOrFindings) {
  struct Case {
    const char* key;
    const char* value;
    RedirectWish want;
    const char* code;
  };
  constexpr Case cases[] = {
      {"blastdoor.io/redirect", "https", RedirectWish::https, ""},
      {"blastdoor.io/redirect", "HTTPS", RedirectWish::broken, "refused redirect-invalid"},
      {"blastdoor.io/redirect", "https ", RedirectWish::broken, "refused redirect-invalid"},
      {"blastdoor.io/redirect", "", RedirectWish::broken, "refused redirect-invalid"},
      {"blastdoor.io/redirect", "false", RedirectWish::broken, "refused redirect-invalid"},
      {"blastdoor.io/Redirect", "https", RedirectWish::none, "warning unknown-annotation"},
      {"blastdoor.io/expose", "x", RedirectWish::none, ""},
      {"nginx.ingress.kubernetes.io/ssl-redirect", "true", RedirectWish::none,
       "warning foreign-annotation"},
      {"example.com/redirect", "https", RedirectWish::none, ""},
  };
  for (const Case& c : cases) {
    kube::Meta meta;
    meta.annotations[c.key] = c.value;
    Findings findings;
    EXPECT_EQ(read_annotations(meta, {"e"}, findings).redirect, c.want) << c.key << "=" << c.value;
    const auto got = codes(std::move(findings).take());
    EXPECT_EQ(got.empty() ? "" : got[0], c.code) << c.key << "=" << c.value;
  }
  kube::Meta mistyped;
  mistyped.mistyped_annotations["blastdoor.io/redirect"] = "boolean";
  Findings findings;
  EXPECT_EQ(read_annotations(mistyped, {}, findings).redirect, RedirectWish::broken);
}

TEST(Findings, SayOnceWhatHoldsForSeveralExposures) {
  Findings findings;
  const auto finding = [](std::string what, std::string exposure) {
    return model::Finding{model::Severity::refused, "c", ref("Ingress", "a", "b"), "f",
                          std::move(what),          "",  {std::move(exposure)}};
  };
  for (const char* name : {"one", "two", "one"}) findings.add(finding("same", name));
  findings.add(finding("other", "one"));
  const std::vector<model::Finding> got = std::move(findings).take();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].exposures, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(listed({"a"}), "a");
  EXPECT_EQ(listed({"a", "b"}), "a and b");
  EXPECT_EQ(listed({"a", "b", "c"}), "a, b and c");
  EXPECT_EQ(listed({"a", "b", "c"}, 2), "a, b and 1 more");
}

// Two sources may have Secrets of one name: a door must not take one for the other.
TEST(Material, IsOfItsOwnSource) {
  kube::SourceObjects source;
  source.source = "manifests:a";
  source.secrets.resize(2);
  source.secrets[0].meta.ref = ref("Secret", "shop", "tls");
  source.secrets[1].meta.ref = ref("Secret", "other", "tls");
  const Backends alone(source, true);
  const Backends beside(source, false);
  const kube::Secret* found = alone.secret("shop", "tls");
  ASSERT_EQ(found, &source.secrets[0]);
  EXPECT_EQ(alone.secret("shop", "other"), nullptr);
  EXPECT_EQ(alone.config_map("shop", "tls"), nullptr);
  EXPECT_EQ(alone.key("secret", found->meta.ref), "secret shop/tls");
  EXPECT_EQ(beside.key("secret", found->meta.ref), "secret shop/tls@manifests:a");
}

// Invariant 11: without the administrator's word nobody asks for a Secret.
TEST(Secrets, NeedTheAdministratorsWord) {
  model::Exposure plain = model::make_exposure("a", model::Side::internal, model::Scheme::https, 1);
  EXPECT_FALSE(may_use_secrets(plain));
  model::Exposure told = plain;
  told.referenced_secrets = true;
  EXPECT_TRUE(may_use_secrets(told));
  for (const auto mode : {model::TlsMode::off, model::TlsMode::self_signed, model::TlsMode::files,
                          model::TlsMode::secrets}) {
    model::Exposure listens = plain;
    listens.listeners[0].tls.mode = mode;
    EXPECT_EQ(may_use_secrets(listens), mode == model::TlsMode::secrets);
  }
}

}  // namespace
}  // namespace bd::translate
