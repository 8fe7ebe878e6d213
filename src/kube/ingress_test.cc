#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "kube/decode_for_test.h"
#include "model/limits.h"

namespace bd::kube {
namespace {

constexpr std::string_view kHead =
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\n";

/// An Ingress with this spec, in flow or block style.
Ingress ingress(std::string_view spec) {
  const Decoded decoded = decode_yaml(std::string(kHead) + std::string(spec));
  EXPECT_EQ(brief(decoded.findings), "");
  return only<Ingress>(decoded);
}

/// Rules as `host pathtype path -> service:port`, then `broken host type path`, one a line.
std::string routes(const Ingress& from) {
  constexpr std::string_view kTypes[] = {"exact", "prefix", "any"};
  const auto type = [&](PathType t) { return std::string(kTypes[static_cast<int>(t)]); };
  std::string out;
  for (const IngressRule& rule : from.rules) {
    if (rule.paths.empty()) out += rule.host + " default\n";
    for (const IngressPath& path : rule.paths) {
      out += rule.host + " " + type(path.type) + " " + path.path + " -> ";
      out += path.backend.service + path.backend.resource + ":" + path.backend.port.text() + "\n";
    }
  }
  if (from.default_backend) {
    out += "default -> " + from.default_backend->service + ":" + from.default_backend->port.text() +
           "\n";
  }
  for (const Ingress::BrokenRule& broken : from.broken) {
    EXPECT_FALSE(broken.cause.empty());
    out += "broken " + broken.host + " " + type(broken.type) + " " + broken.path + "\n";
  }
  if (from.broken_default) out += "broken default\n";
  return out;
}

TEST(Ingress, IsReadWhole) {
  const Ingress got = only<Ingress>(decode_yaml(R"(
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  uid: 7d1f
  resourceVersion: "812"
  generation: 3
  creationTimestamp: "2024-05-01T10:00:00Z"
  labels:
    app: web
    expose: internal-http
  annotations:
    blastdoor.io/redirect: https
spec:
  ingressClassName: blastdoor
  defaultBackend:
    service: {name: fallback, port: {number: 8080}}
  tls:
  - hosts: [shop.example.com]
    secretName: shop-tls
  rules:
  - host: shop.example.com
    http:
      paths:
      - path: /cart
        pathType: Exact
        backend: {service: {name: cart, port: {name: http}}}
      - path: /
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
      - pathType: ImplementationSpecific
        backend: {service: {name: web, port: {number: 81}}}
  - host: "*.example.com"
)"));
  EXPECT_EQ(brief(got.mistakes), "");
  EXPECT_EQ(got.meta.ref.text(), "Ingress shop/web (test.yaml:2)");
  EXPECT_EQ(got.meta.uid, "7d1f");
  EXPECT_EQ(got.meta.resource_version, "812");
  EXPECT_EQ(got.meta.generation, 3);
  EXPECT_EQ(got.meta.created, 1714557600);
  EXPECT_FALSE(got.meta.deleting);
  EXPECT_EQ(got.meta.labels.at("expose"), "internal-http");
  EXPECT_EQ(got.meta.annotations.at("blastdoor.io/redirect"), "https");
  EXPECT_EQ(got.class_name, "blastdoor");
  ASSERT_EQ(got.tls.size(), 1u);
  EXPECT_EQ(got.tls[0].secret, "shop-tls");
  EXPECT_EQ(got.tls[0].hosts, std::vector<std::string>{"shop.example.com"});
  EXPECT_EQ(routes(got),
            "shop.example.com exact /cart -> cart:http\n"
            "shop.example.com prefix / -> web:80\n"
            "shop.example.com any / -> web:81\n"
            "*.example.com default\n"
            "default -> fallback:8080\n");
}

struct Case {
  const char* why;
  std::string_view spec;
  std::string_view findings;
  std::string_view routes;
};

constexpr Case kCases[] = {
    {"no spec", "", "refused nothing-to-serve spec\n", ""},
    {"an empty spec", "spec: {}", "refused nothing-to-serve spec\n", ""},
    {"no rules", "spec: {rules: []}", "refused nothing-to-serve spec\n", ""},
    {"null rules", "spec: {rules: , tls: }", "refused nothing-to-serve spec\n", ""},
    {"a spec that is no object", "spec: [1]", "refused wrong-type spec\n", ""},
    {"rules that are no array", "spec: {rules: {host: a}}", "refused wrong-type spec.rules\n", ""},
    {"a rule that is null", "spec: {rules: [~]}", "refused wrong-type spec.rules[0]\n", ""},
    {"a host that is no string", "spec: {rules: [{host: 123, http: {paths: []}}]}",
     "refused wrong-type spec.rules[0].host\n", ""},
    {"a rule without paths",
     "spec: {rules: [{host: a}, {host: b, http: {}}, {host: c, http: {paths: []}}]}",
     "refused rule-without-paths spec.rules[0].http\n"
     "refused rule-without-paths spec.rules[1].http.paths\n"
     "refused rule-without-paths spec.rules[2].http.paths\n",
     "broken a prefix \nbroken b prefix \nbroken c prefix \n"},
    {"http that is no object", "spec: {rules: [{host: a, http: []}, {host: b, http: {paths: x}}]}",
     "refused wrong-type spec.rules[0].http\nrefused wrong-type spec.rules[1].http.paths\n",
     "broken a prefix \nbroken b prefix \n"},
    {"a default backend takes hosts without http, but not broken ones",
     "spec: {defaultBackend: {service: {name: d, port: {number: 1}}}, rules: [{host: a}, "
     "{host: b, http: {paths: [{path: /x, pathType: Exact}]}}]}",
     "refused backend-missing spec.rules[1].http.paths[0].backend\n",
     "a default\ndefault -> d:1\nbroken b exact /x\n"},
    {"a broken default backend", "spec: {defaultBackend: {service: {name: d}}, rules: [{host: a}]}",
     "refused port-missing spec.defaultBackend.service.port\n",
     "broken a prefix \nbroken default\n"},
    {"unknown fields and typos", "spec: {rule: [], ingressClass: x, backend: {serviceName: a}}",
     "warning unknown-field spec.rule\nwarning unknown-field spec.ingressClass\n"
     "warning unknown-field spec.backend\nrefused nothing-to-serve spec\n",
     ""},
    {"a class that is no string",
     "spec: {ingressClassName: 5, defaultBackend: {service: {name: d, port: {number: 1}}}}",
     "refused wrong-type spec.ingressClassName\n", "default -> d:1\n"},
    {"tls mistakes",
     "spec: {defaultBackend: {service: {name: d, port: {number: 1}}}, tls: [{hosts: a, secret: b}, "
     "3]}",
     "warning unknown-field spec.tls[0].secret\nrefused wrong-type spec.tls[0].hosts\n"
     "refused wrong-type spec.tls[1]\n",
     "default -> d:1\n"},
};

TEST(Ingress, SaysEveryMistakeInItsSpec) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.why);
    const Ingress got = ingress(c.spec);
    EXPECT_EQ(brief(got.mistakes), c.findings);
    EXPECT_EQ(routes(got), c.routes);
  }
}

// One rule of three paths, the middle one is the case: its neighbours must live.
constexpr Case kPathCases[] = {
    {"no pathType", "path: /x, backend: {service: {name: s, port: {number: 1}}}",
     "warning path-type-missing pathType\n", "prefix /x -> s:1"},
    {"a lower-case pathType",
     "path: /x, pathType: exact, backend: {service: {name: s, port: {number: 1}}}",
     "refused path-type-unknown pathType\n", "broken exact /x"},
    {"a pathType from elsewhere",
     "path: /x, pathType: Regex, backend: {service: {name: s, port: {number: 1}}}",
     "refused path-type-unknown pathType\n", "broken prefix /x"},
    {"a pathType that is no string",
     "path: /x, pathType: 1, backend: {service: {name: s, port: {number: 1}}}",
     "refused wrong-type pathType\n", "broken prefix /x"},
    {"a typo in a field's name",
     "path: /x, pathtype: Exact, backend: {service: {name: s, port: {number: 1}}}",
     "warning unknown-field pathtype\nwarning path-type-missing pathType\n", "prefix /x -> s:1"},
    {"a relative path",
     "path: x/y, pathType: Prefix, backend: {service: {name: s, port: {number: 1}}}",
     "refused path-relative path\n", "broken prefix /x/y"},
    {"no path", "pathType: Prefix, backend: {service: {name: s, port: {number: 1}}}",
     "refused path-missing path\n", "broken prefix "},
    {"an empty path", "path: '', pathType: Exact, backend: {service: {name: s, port: {number: 1}}}",
     "refused path-missing path\n", "broken exact "},
    {"a path that is no string",
     "path: 5, pathType: Exact, backend: {service: {name: s, port: {number: 1}}}",
     "refused wrong-type path\n", "broken exact "},
    {"no backend", "path: /x, pathType: Exact", "refused backend-missing backend\n",
     "broken exact /x"},
    {"an empty backend", "path: /x, pathType: Exact, backend: {}",
     "refused backend-missing backend.service\n", "broken exact /x"},
    {"the old backend", "path: /x, pathType: Exact, backend: {serviceName: s, servicePort: 80}",
     "warning unknown-field backend.serviceName\nwarning unknown-field backend.servicePort\n"
     "refused backend-missing backend.service\n",
     "broken exact /x"},
    {"a service and a resource",
     "path: /x, pathType: Exact, backend: {resource: {kind: A, name: b}, service: {name: s, port: "
     "{number: 1}}}",
     "refused backend-ambiguous backend\n", "broken exact /x"},
    {"a resource is left to translate",
     "path: /x, pathType: Exact, backend: {resource: {kind: A, name: b}}", "", "exact /x -> A/b:0"},
    {"no service name", "path: /x, pathType: Exact, backend: {service: {port: {number: 1}}}",
     "refused service-name-missing backend.service.name\n", "broken exact /x"},
    {"a service name that is a number",
     "path: /x, pathType: Exact, backend: {service: {name: 123, port: {number: 1}}}",
     "refused wrong-type backend.service.name\n", "broken exact /x"},
    {"a service name with separators",
     "path: /x, pathType: Exact, backend: {service: {name: 'a/b:80@kube', port: {number: 1}}}",
     "refused name-invalid backend.service.name\n", "broken exact /x"},
    {"a bare port", "path: /x, pathType: Exact, backend: {service: {name: s, port: 80}}",
     "refused wrong-type backend.service.port\n", "broken exact /x"},
    {"a port with neither", "path: /x, pathType: Exact, backend: {service: {name: s, port: {}}}",
     "refused port-missing backend.service.port\n", "broken exact /x"},
    {"a port with both",
     "path: /x, pathType: Exact, backend: {service: {name: s, port: {number: 1, name: a}}}",
     "refused port-ambiguous backend.service.port\n", "broken exact /x"},
    {"a quoted port",
     "path: /x, pathType: Exact, backend: {service: {name: s, port: {number: '80'}}}",
     "refused wrong-type backend.service.port.number\n", "broken exact /x"},
    {"port 0", "path: /x, pathType: Exact, backend: {service: {name: s, port: {number: 0}}}",
     "refused port-out-of-range backend.service.port.number\n", "broken exact /x"},
    {"port 65535",
     "path: /x, pathType: Exact, backend: {service: {name: s, port: {number: 65535}}}", "",
     "exact /x -> s:65535"},
    {"port 65536",
     "path: /x, pathType: Exact, backend: {service: {name: s, port: {number: 65536}}}",
     "refused port-out-of-range backend.service.port.number\n", "broken exact /x"},
    {"a port above 32 bits",
     "path: /x, pathType: Exact, backend: {service: {name: s, port: {number: 4294967376}}}",
     "refused port-out-of-range backend.service.port.number\n", "broken exact /x"},
    {"a port above 64 bits",
     "path: /x, pathType: Exact, backend: {service: {name: s, port: {number: "
     "18446744073709551696}}}",
     "refused wrong-type backend.service.port.number\n", "broken exact /x"},
    {"a port name that is a number",
     "path: /x, pathType: Exact, backend: {service: {name: s, port: {name: 80}}}",
     "refused wrong-type backend.service.port.name\n", "broken exact /x"},
    {"a port name with a colon",
     "path: /x, pathType: Exact, backend: {service: {name: s, port: {name: 'a:b'}}}",
     "refused name-invalid backend.service.port.name\n", "broken exact /x"},
};

TEST(Ingress, BrokenPathsLeaveTheirNeighboursAlive) {
  const std::string good =
      "{path: /a, pathType: Exact, backend: {service: {name: g, port: {number: 1}}}}";
  const std::string where = "spec.rules[1].http.paths[1].";
  for (const Case& c : kPathCases) {
    SCOPED_TRACE(c.why);
    const Ingress got = ingress("spec: {rules: [{host: n, http: {paths: [" + good +
                                "]}}, {host: h, http: {paths: [" + good + ", {" +
                                std::string(c.spec) + "}, " + good + "]}}]}");
    std::string findings;
    for (const model::Finding& f : got.mistakes) {
      EXPECT_EQ(f.field.substr(0, where.size()), where);
      EXPECT_FALSE(f.what.empty());
      EXPECT_EQ(f.object, got.meta.ref);
      findings += std::string(model::name(f.severity)) + " " + f.code + " " +
                  f.field.substr(where.size()) + "\n";
    }
    EXPECT_EQ(findings, c.findings);
    const std::string line = "h exact /a -> g:1\n";
    const bool broken = c.routes.starts_with("broken ");
    const std::string middle = "h " + std::string(c.routes) + "\n";
    EXPECT_EQ(routes(got),
              "n exact /a -> g:1\n" + line + (broken ? "" : middle) + line +
                  (broken ? "broken h " + std::string(c.routes.substr(7)) + "\n" : ""));
  }
}

TEST(Ingress, HintsNameTheWayOut) {
  struct Hint {
    std::string_view path;
    std::string_view want;
  };
  constexpr Hint cases[] = {
      {"path: /x, pathType: prefx, backend: {service: {name: s, port: {number: 1}}}",
       "Did you mean `Prefix`?"},
      {"path: /x, pathType: Exact, backend: {service: {name: s, port: 80}}",
       "Write `port: {number: 80}`."},
      {"path: /x, pathType: Exact, backend: {service: {name: s, port: {number: '80'}}}",
       "Write the value without quotes."},
      {"path: /x, pathType: Exact, backend: {service: {name: 1, port: {number: 80}}}",
       "Put the value in quotes."},
      {"path: x, pathType: Exact, backend: {service: {name: s, port: {number: 80}}}",
       "Did you mean `/x`?"},
      {"path: /x, pathType: Exact, backend: {service: {name: s, port: {numer: 80}}}",
       "Did you mean `number`?"},
      {"path: /x, pathType: Exact, backend: {serviceName: s, service: {name: s, port: {number: "
       "80}}}",
       "In networking.k8s.io/v1 this is `service.name`."},
  };
  for (const Hint& c : cases) {
    SCOPED_TRACE(c.path);
    const Ingress got =
        ingress("spec: {rules: [{http: {paths: [{" + std::string(c.path) + "}]}}]}");
    ASSERT_FALSE(got.mistakes.empty());
    EXPECT_EQ(got.mistakes[0].hint, c.want);
  }
}

TEST(Ingress, UnreadableSecurityFieldsFailClosed) {
  const Ingress odd_class = ingress(
      "spec: {ingressClassName: [nginx], defaultBackend: {service: {name: d, port: {number: 1}}}}");
  EXPECT_EQ(odd_class.class_name, "");

  const Ingress odd_annotations = only<Ingress>(decode_yaml(
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, annotations: [x]}\n"
      "spec: {rules: [{host: a, http: {paths: [{path: /, pathType: Prefix, backend: {service: "
      "{name: s, port: "
      "{number: 1}}}}]}}]}"));
  EXPECT_EQ(brief(odd_annotations.mistakes), "refused wrong-type metadata.annotations\n");
  EXPECT_EQ(routes(odd_annotations), "broken a prefix \n");
}

TEST(Ingress, OldApiVersionsAreRefusedWithTheirHosts) {
  for (const std::string version : {"extensions/v1beta1", "networking.k8s.io/v1beta1", "v1"}) {
    SCOPED_TRACE(version);
    const Ingress got = only<Ingress>(decode_yaml("apiVersion: " + version + R"(
kind: Ingress
metadata: {name: old, namespace: shop, labels: {expose: internal-http}}
spec:
  backend: {serviceName: d, servicePort: 80}
  rules:
  - host: a.example.com
    http: {paths: [{backend: {serviceName: s, servicePort: 80}}]}
  - host: a.example.com
  - http: {}
)"));
    EXPECT_EQ(brief(got.mistakes), "refused api-version-unsupported apiVersion\n");
    EXPECT_EQ(got.mistakes[0].hint, "Use `apiVersion: networking.k8s.io/v1`.");
    EXPECT_EQ(got.mistakes[0].object.text(), "Ingress shop/old (test.yaml:1)");
    EXPECT_EQ(got.meta.labels.at("expose"), "internal-http");
    EXPECT_EQ(routes(got), "broken a.example.com prefix \nbroken  prefix \nbroken default\n");
  }
}

TEST(Ingress, SizesAreBounded) {
  const auto with_paths = [](std::size_t count) {
    std::string spec = "spec: {rules: [{host: a, http: {paths: [";
    for (std::size_t i = 0; i < count; ++i) {
      spec += "{path: /" + std::to_string(i) +
              ", pathType: Exact, backend: {service: {name: s, port: {number: 1}}}},";
    }
    return ingress(spec + "]}}]}");
  };
  const Ingress most = with_paths(model::kRulesPerObjectMax);
  EXPECT_EQ(brief(most.mistakes), "");
  EXPECT_EQ(most.rules.at(0).paths.size(), model::kRulesPerObjectMax);
  const Ingress more = with_paths(model::kRulesPerObjectMax + 1);
  EXPECT_EQ(brief(more.mistakes), "refused too-many-rules spec.rules\n");
  EXPECT_EQ(routes(more), "broken a prefix \n");

  const std::string long_path = "/" + std::string(model::kPathBytesMax, 'x');
  const auto with_path = [&](std::size_t size) {
    return ingress("spec: {rules: [{host: a, http: {paths: [{path: " + long_path.substr(0, size) +
                   ", pathType: Exact, backend: {service: {name: s, port: {number: 1}}}}]}}]}");
  };
  EXPECT_EQ(brief(with_path(model::kPathBytesMax).mistakes), "");
  EXPECT_EQ(brief(with_path(model::kPathBytesMax + 1).mistakes),
            "refused path-too-long spec.rules[0].http.paths[0].path\n");

  std::string wide = "spec: {defaultBackend: {service: {name: s, port: {number: 1}}}, rules: [";
  for (int i = 0; i < 150; ++i) wide += "{host: 1},";
  const Ingress noisy = ingress(wide + "]}");
  ASSERT_EQ(noisy.mistakes.size(), model::kFindingsPerObjectMax + 1);
  EXPECT_EQ(noisy.mistakes.back().code, "too-many-findings");
  EXPECT_EQ(noisy.mistakes.back().severity, model::Severity::refused);
  EXPECT_EQ(noisy.mistakes.back().what, "50 more mistakes in this object are not shown.");

  const Ingress large = ingress("spec: {rules: [{host: a, x: \"" +
                                std::string(model::kObjectBytesMax, 'x') + "\"}]}");
  EXPECT_EQ(brief(large.mistakes), "refused object-too-large\n");
  EXPECT_EQ(routes(large), "broken a prefix \n");
}

TEST(Ingress, UnknownFieldsOfAnApiServerAreANewerApi) {
  const std::string spec =
      "spec: {newField: 1, defaultBackend: {service: {name: d, port: {number: 1}}}}";
  EXPECT_EQ(brief(ingress(spec).mistakes), "warning unknown-field spec.newField\n");
  const Ingress live = only<Ingress>(decode_yaml(std::string(kHead) + spec, "kube"));
  EXPECT_EQ(brief(live.mistakes), "");
}

}  // namespace
}  // namespace bd::kube
