#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "kube/decode_for_test.h"
#include "kube/names.h"
#include "model/limits.h"

namespace bd::kube {
namespace {

/// `Kind ns/name` of each object, one a line.
std::string names(const Decoded& decoded) {
  std::string out;
  for (const Object& object : decoded.objects) {
    const model::ObjectRef& ref = meta(object).ref;
    out += ref.kind + " " + ref.ns + "/" + ref.name + "\n";
  }
  return out;
}

struct Case {
  const char* why;
  std::string_view yaml;
  std::string_view names;
  std::string_view findings;
};

constexpr Case kCases[] = {
    {"every kind, namespaces by default",
     "{apiVersion: v1, kind: Service, metadata: {name: a}}\n---\n"
     "{apiVersion: v1, kind: Namespace, metadata: {name: shop, namespace: odd}}\n---\n"
     "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: b.c}}\n---\n"
     "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,\n"
     " metadata: {name: a-1, namespace: shop, labels: {kubernetes.io/service-name: a}}}\n",
     "Service default/a\nNamespace /shop\nIngressClass /b.c\nEndpointSlice shop/a-1\n", ""},
    {"kinds that are not ours",
     "{apiVersion: apps/v1, kind: Deployment}\n---\n{kind: Secret}\n---\n"
     "{apiVersion: v1, kind: PodList, items: [1]}\n",
     "", ""},
    {"kinds of ours in groups that are not",
     "{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: A_B}}\n---\n"
     "{apiVersion: config.openshift.io/v1, kind: Ingress, metadata: {name: cluster}}\n---\n"
     "{apiVersion: serving.knative.dev/v1, kind: ServiceList, items: [{metadata: {name: a}}]}\n",
     "", ""},
    {"no object", "just text\n---\n[1, 2]\n---\n7\n", "",
     "refused not-an-object\nrefused not-an-object\nrefused not-an-object\n"},
    {"no kind", "{apiVersion: v1, metadata: {name: a}}\n---\n{kind: 5}\n", "",
     "refused kind-missing kind\nrefused wrong-type kind\n"},
    {"a misspelt kind",
     "{apiVersion: networking.k8s.io/v1, kind: ingress, metadata: {name: a}}\n---\n"
     "{apiVersion: v1, kind: Serivce}\n---\n{apiVersion: v1, kind: Secret}\n---\n"
     "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy}\n",
     "", "refused kind-unknown kind\nrefused kind-unknown kind\n"},
    {"no apiVersion",
     "{kind: Service, metadata: {name: a}}\n---\n{apiVersion: 1, kind: Service, metadata: {name: "
     "a}}\n",
     "", "refused api-version-missing apiVersion\nrefused api-version-missing apiVersion\n"},
    {"another apiVersion",
     "{apiVersion: v2, kind: Service, metadata: {name: a}}\n---\n"
     "{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice, metadata: {name: a}}\n",
     "",
     "refused api-version-unsupported apiVersion\nrefused api-version-unsupported apiVersion\n"},
    {"no name",
     "{apiVersion: v1, kind: Service}\n---\n{apiVersion: v1, kind: Service, metadata: []}\n---\n"
     "{apiVersion: v1, kind: Service, metadata: {generateName: a-}}\n---\n"
     "{apiVersion: v1, kind: Service, metadata: {name: 123}}\n",
     "",
     "refused name-missing metadata.name\nrefused wrong-type metadata\n"
     "refused name-missing metadata.name\nrefused wrong-type metadata.name\n"},
    {"names that would be parts of other keys",
     "{apiVersion: v1, kind: Service, metadata: {name: 'a/b:80'}}\n---\n"
     "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: 'x/y'}}\n---\n"
     "{apiVersion: v1, kind: Service, metadata: {name: a.b}}\n---\n"
     "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: 5}}\n",
     "",
     "refused name-invalid metadata.name\nrefused name-invalid metadata.namespace\n"
     "refused name-invalid metadata.name\nrefused wrong-type metadata.namespace\n"},
    {"a v1 List, with lists inside",
     "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: a}}, "
     "5,\n"
     " {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Namespace, metadata: {name: "
     "b}}]}]}\n",
     "Service default/a\nNamespace /b\n", "refused not-an-object\n"},
    {"a list of an API server, whose items have no kind",
     "{apiVersion: v1, kind: ServiceList, metadata: {resourceVersion: '7'}, items: [{metadata: "
     "{name: a}}]}\n",
     "Service default/a\n", ""},
    {"an empty list", "{apiVersion: v1, kind: List, items: }\n", "", ""},
    {"items that are no array", "{apiVersion: v1, kind: List, items: {a: 1}}\n", "",
     "refused wrong-type items\n"},
    {"lists of lists of lists",
     "{kind: List, items: [{kind: List, items: [{kind: List, items: [{kind: List, items: [\n"
     " {apiVersion: v1, kind: Namespace, metadata: {name: b}}, {kind: List, items: []}]}]}]}]}\n",
     "Namespace /b\n", "refused list-too-deep\n"},
    {"metadata that is almost right",
     "{apiVersion: v1, kind: Service, metadata: {name: a, lables: {x: y}, Annotations: {}, "
     "selfLink: x}}\n",
     "Service default/a\n",
     "warning unknown-field metadata.lables\nwarning unknown-field metadata.Annotations\n"},
};

TEST(Decode, TellsWhatIsAnObject) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.why);
    const Decoded decoded = decode_yaml(c.yaml);
    EXPECT_EQ(names(decoded), c.names);
    EXPECT_EQ(brief(decoded.findings), c.findings);
  }
}

TEST(Decode, KeepsWhatLabelsMeantAndWhatTheyWereInstead) {
  const Ingress got = only<Ingress>(decode_yaml(
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: a\n  labels:\n    "
      "expose: true\n"
      "    tier: 2\n    app: web\n    on: yes\n    empty:\n  annotations:\n    "
      "blastdoor.io/redirect: 1.5\n"
      "    note: []\nspec: {defaultBackend: {service: {name: d, port: {number: 1}}}}\n"));
  using Texts = std::map<std::string, std::string, std::less<>>;
  EXPECT_EQ(got.meta.labels, (Texts{{"app", "web"}, {"on", "yes"}}));
  EXPECT_EQ(got.meta.mistyped_labels,
            (Texts{{"empty", "null"}, {"expose", "boolean"}, {"tier", "integer"}}));
  EXPECT_EQ(got.meta.mistyped_annotations,
            (Texts{{"blastdoor.io/redirect", "real"}, {"note", "array"}}));
  // What picks the exposure is judged by translate; the others are only told.
  EXPECT_EQ(
      brief(got.mistakes),
      "warning label-mistyped metadata.labels.tier\nwarning label-mistyped metadata.labels.empty\n"
      "warning annotation-mistyped metadata.annotations.note\n");
}

TEST(Decode, ReadsOnlyAnnotationsOfBoundedLength) {
  const auto with_annotation = [](std::string_view key, std::size_t size) {
    return only<Namespace>(
        decode_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: a, annotations: {" +
                    std::string(key) + ": " + std::string(size, 'x') + "}}}"));
  };
  constexpr std::size_t kMost = model::kAnnotationBytesMax;
  EXPECT_EQ(with_annotation("blastdoor.io/x", kMost).meta.annotations.size(), 1u);
  const Meta over = with_annotation("blastdoor.io/x", kMost + 1).meta;
  EXPECT_EQ(over.annotations.size(), 0u);
  EXPECT_EQ(over.mistyped_annotations.at("blastdoor.io/x"), "too long")
      << "unread must not look absent";
  const Meta foreign =
      with_annotation("kubectl.kubernetes.io/last-applied-configuration", kMost + 1).meta;
  EXPECT_EQ(foreign.annotations.size() + foreign.mistyped_annotations.size(), 0u);
}

TEST(Decode, ReadsServices) {
  const Decoded decoded = decode_yaml(R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, deletionTimestamp: "2024-05-01T10:00:00Z"}
spec:
  type: NodePort
  clusterIP: 10.0.0.1
  ports:
  - {name: http, port: 80, targetPort: 8080, appProtocol: http}
  - {name: dns, port: 53, targetPort: dns, protocol: UDP}
  - {name: bad, port: 70000}
  - {port: "80"}
  - {targetPort: 80}
  - {port: 81, protocol: tcp}
  - {port: 82, targetPort: true}
  - {port: 83, name: 1}
  - {port: 84}
)");
  EXPECT_EQ(
      brief(decoded.findings),
      "refused port-out-of-range spec.ports[2].port\nrefused wrong-type spec.ports[3].port\n"
      "refused port-missing spec.ports[4].port\nrefused value-unknown spec.ports[5].protocol\n"
      "refused wrong-type spec.ports[6].targetPort\nrefused wrong-type spec.ports[7].name\n");
  EXPECT_EQ(decoded.findings[3].hint, "Did you mean `TCP`?");
  const Service got = only<Service>(decoded);
  EXPECT_TRUE(got.meta.deleting);
  EXPECT_EQ(got.type, "NodePort");
  EXPECT_EQ(got.cluster_ip, "10.0.0.1");
  const std::vector<ServicePort> want = {
      {.name = "http", .port = 80, .target = "8080", .app_protocol = "http"},
      {.name = "dns", .port = 53, .target = "dns", .protocol = "UDP", .index = 1},
      {.port = 84, .index = 8}};
  EXPECT_EQ(got.ports, want);
  EXPECT_FALSE(got.annotations_unreadable);
  EXPECT_TRUE(only<Service>(decode_yaml("{apiVersion: v1, kind: Service, metadata: {name: a, "
                                        "annotations: [x]}}"))
                  .annotations_unreadable);

  const Service named =
      only<Service>(decode_yaml("{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {type: "
                                "ExternalName, externalName: db.example.com}}"));
  EXPECT_EQ(named.external_name, "db.example.com");
}

TEST(Decode, ReadsEndpointSlices) {
  const Decoded decoded = decode_yaml(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports:
- {name: http, port: 8080}
- {name: any}
- {port: -1}
endpoints:
- addresses: [10.1.0.1]
- addresses: [10.1.0.2, 7]
  conditions: {ready: false, serving: true, terminating: true}
- addresses: [10.1.0.3]
  conditions: {ready: , serving: }
- addresses: [10.1.0.4]
  conditions: {ready: "true"}
- addresses: []
- addresses: [10.1.0.5]
  conditions: [ready]
- 5
)");
  EXPECT_EQ(
      brief(decoded.findings),
      "refused port-out-of-range ports[2].port\nrefused wrong-type endpoints[1].addresses[1]\n"
      "refused wrong-type endpoints[3].conditions.ready\nrefused wrong-type "
      "endpoints[5].conditions\n"
      "refused wrong-type endpoints[6]\n");
  const EndpointSlice got = only<EndpointSlice>(decoded);
  EXPECT_EQ(got.service, "web");
  EXPECT_EQ(got.address_type, "IPv4");
  EXPECT_EQ(got.ports, (std::vector<EndpointSlice::Port>{{.name = "http", .port = 8080}}));
  const std::vector<EndpointSlice::Endpoint> want = {
      {.addresses = {"10.1.0.1"}},
      {.addresses = {"10.1.0.2"}, .ready = false, .serving = true, .terminating = true},
      {.addresses = {"10.1.0.3"}},
      {.addresses = {"10.1.0.4"}, .ready = false, .serving = false}};
  EXPECT_EQ(got.endpoints, want);

  EXPECT_EQ(brief(decode_yaml(
                      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}}")
                      .findings),
            "warning service-label-missing metadata.labels[kubernetes.io/service-name]\n"
            "refused address-type-missing addressType\n");
}

TEST(Decode, ReadsIngressClasses) {
  const IngressClass got = only<IngressClass>(decode_yaml(
      "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: a, annotations: "
      "{ingressclass.kubernetes.io/is-default-class: 'true'}}, spec: {controller: "
      "blastdoor.io/ingress-controller}}"));
  EXPECT_EQ(got.controller, "blastdoor.io/ingress-controller");
  EXPECT_TRUE(got.is_default);
}

TEST(Names, AreThoseOfKubernetes) {
  struct Name {
    std::string text;
    bool label;
    bool subdomain;
  };
  const Name cases[] = {
      {"a", true, true},
      {"a-1", true, true},
      {"1a", true, true},
      {"", false, false},
      {"-a", false, false},
      {"a-", false, false},
      {"A", false, false},
      {"a_b", false, false},
      {"a.b", false, true},
      {"a..b", false, false},
      {".a", false, false},
      {"a.", false, false},
      {"a/b", false, false},
      {"a:b", false, false},
      {"a b", false, false},
      {"a\n", false, false},
      {"é", false, false},
      {std::string("a\0b", 3), false, false},
      {std::string(63, 'a'), true, true},
      {std::string(64, 'a'), false, false},
  };
  for (const Name& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(is_dns_label(c.text), c.label);
    EXPECT_EQ(is_dns_subdomain(c.text), c.subdomain);
  }
  std::string longest =
      std::string(63, 'a') + "." + std::string(63, 'a') + "." + std::string(63, 'a') + ".";
  EXPECT_TRUE(is_dns_subdomain(longest + std::string(61, 'a')));
  EXPECT_FALSE(is_dns_subdomain(longest + std::string(62, 'a')));
}

TEST(Names, AreQuotedWithoutControlCharacters) {
  EXPECT_EQ(backquoted("a\x1b[31m`b\n"), "`a?[31m?b?`");
  EXPECT_EQ(backquoted(std::string(65, 'x')), "`" + std::string(64, 'x') + "…`");
}

TEST(Time, IsThatOfRfc3339) {
  struct Time {
    std::string_view text;
    std::optional<std::int64_t> want;
  };
  constexpr Time cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2024-02-29T23:59:59Z", 1709251199},
      {"2000-03-01t00:00:00z", 951868800},
      {"2024-05-01T12:30:00+02:30", 1714557600},
      {"2024-05-01T10:00:00.123456Z", 1714557600},
      {"1969-12-31T23:59:59Z", -1},
      {"2023-02-29T00:00:00Z", std::nullopt},
      {"1900-02-29T00:00:00Z", std::nullopt},
      {"2024-13-01T00:00:00Z", std::nullopt},
      {"2024-00-01T00:00:00Z", std::nullopt},
      {"2024-05-01", std::nullopt},
      {"2024-05-01T24:00:00Z", std::nullopt},
      {"2024-05-01T10:00:00", std::nullopt},
      {"2024-05-01T10:00:00.Z", std::nullopt},
      {"2024-05-01T10:00:00Z ", std::nullopt},
      {"-024-05-01T10:00:00Z", std::nullopt},
      {"", std::nullopt},
  };
  for (const Time& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(parse_time(c.text), c.want);
  }
  const Decoded odd = decode_yaml(
      "{apiVersion: v1, kind: Namespace, metadata: {name: a, creationTimestamp: yesterday}}");
  EXPECT_EQ(brief(odd.findings), "warning timestamp-invalid metadata.creationTimestamp\n");
  EXPECT_EQ(only<Namespace>(odd).meta.created, 0);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

bool is_code(std::string_view text) {
  return text.find('-') != text.npos &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == text.npos;
}

// A code that nobody can look up is worth nothing.
TEST(Decode, EveryFindingCodeIsDocumented) {
  const std::filesystem::path root = BD_SOURCE_DIR;
  const std::string document = read_file(root / "docs/reference/findings.md");
  ASSERT_NE(document.find("## Reading objects"), std::string::npos);
  std::set<std::string> codes;
  for (const auto& entry : std::filesystem::directory_iterator(root / "src/kube")) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".cc") || name.ends_with("_test.cc")) continue;
    std::istringstream pieces(read_file(entry.path()));
    for (std::string piece; std::getline(pieces, piece, '"');) {
      if (is_code(piece)) codes.insert(piece);
    }
  }
  EXPECT_GT(codes.size(), 20u);
  for (const std::string& code : codes) {
    EXPECT_NE(document.find("| `" + code + "` |"), std::string::npos) << code;
  }
}

}  // namespace
}  // namespace bd::kube
