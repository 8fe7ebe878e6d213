#pragma once
// The Kubernetes objects that routing needs, as values. Decoded from text::Value with every mistake
// kept as a Finding: a wrong type in one field is said, never thrown, and never hides the other
// objects.

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "model/finding.h"
#include "model/route.h"
#include "model/selector.h"
#include "text/value.h"

namespace bd::kube {

struct Meta {
  model::ObjectRef ref;
  std::string uid;
  std::string resource_version;
  std::int64_t created = 0;  ///< metadata.creationTimestamp, seconds since the epoch; 0: none.
  std::int64_t generation = 0;
  model::Labels labels;
  std::map<std::string, std::string, std::less<>> annotations;
  /// metadata.labels or .annotations entries whose value was no string (`expose: true`): key → kind
  /// of value. Annotations that we read and that are above kAnnotationBytesMax stand here too, as
  /// "too long"; other annotations of that length are dropped, since nobody reads them.
  std::map<std::string, std::string, std::less<>> mistyped_labels;
  std::map<std::string, std::string, std::less<>> mistyped_annotations;
  bool deleting = false;  ///< metadata.deletionTimestamp is set.
  bool operator==(const Meta&) const = default;
};

/// ServiceBackendPort: exactly one of number and name.
struct ServicePortRef {
  std::uint16_t number = 0;
  std::string name;
  [[nodiscard]] std::string text() const { return name.empty() ? std::to_string(number) : name; }
  bool operator==(const ServicePortRef&) const = default;
};

/// IngressBackend. `resource` is set (kind/name) for a resource backend, which we refuse.
struct Backend {
  std::string service;
  ServicePortRef port;
  std::string resource;
  bool operator==(const Backend&) const = default;
};

enum class PathType : std::uint8_t { exact, prefix, implementation_specific };

struct IngressPath {
  std::string path;
  PathType type = PathType::implementation_specific;
  Backend backend;
  std::size_t index = 0;  ///< In its rule as it is written: paths with mistakes are left out.
  bool operator==(const IngressPath&) const = default;
};
struct IngressRule {
  std::string host;
  std::vector<IngressPath> paths;
  std::size_t index = 0;  ///< In spec.rules as it is written.
  bool operator==(const IngressRule&) const = default;
};
struct IngressTls {
  std::vector<std::string> hosts;
  std::string secret;
  bool operator==(const IngressTls&) const = default;
};

struct Ingress {
  Meta meta;
  std::optional<std::string>
      class_name;  ///< spec.ingressClassName; "" if it is there but no string.
  std::optional<Backend> default_backend;
  std::vector<IngressRule> rules;
  std::vector<IngressTls> tls;
  /// Every mistake in the object, with field paths. The paths they stand in were left out of
  /// `rules`; their hosts (if readable) are in `broken` so that a tombstone can stand there. A rule
  /// in `rules` has no paths only if it has no `http`: its host is for the default backend. An
  /// Ingress that is refused whole (too large, too many rules, an old apiVersion, unreadable
  /// annotations) has no rules, and all its hosts are in `broken`.
  std::vector<model::Finding> mistakes;
  struct BrokenRule {
    std::string host;
    std::string path;  ///< Empty: the whole host.
    PathType type = PathType::prefix;
    std::string cause;  ///< Code of the mistake that broke it.
    bool operator==(const BrokenRule&) const = default;
  };
  std::vector<BrokenRule> broken;
  bool broken_default = false;  ///< spec.defaultBackend is there but was refused.
  bool operator==(const Ingress&) const = default;
};

struct IngressClass {
  Meta meta;
  std::string controller;   ///< spec.controller
  bool is_default = false;  ///< annotation ingressclass.kubernetes.io/is-default-class: "true"
  bool operator==(const IngressClass&) const = default;
};

struct ServicePort {
  std::string name;
  std::uint16_t port = 0;
  std::string target;  ///< targetPort as text; empty: same as port.
  std::string app_protocol;
  std::string protocol = "TCP";
  std::size_t index = 0;  ///< In spec.ports as it is written: ports with mistakes are left out.
  bool operator==(const ServicePort&) const = default;
};
struct Service {
  Meta meta;
  std::string type = "ClusterIP";
  std::string cluster_ip;
  std::string external_name;
  std::vector<ServicePort> ports;
  /// metadata.annotations is no map: nobody knows what they ask for.
  bool annotations_unreadable = false;
  bool operator==(const Service&) const = default;
};

struct EndpointSlice {
  Meta meta;
  std::string service;  ///< label kubernetes.io/service-name
  std::string address_type;
  struct Port {
    std::string name;
    std::uint16_t port = 0;
    std::string protocol = "TCP";
    bool operator==(const Port&) const = default;
  };
  struct Endpoint {
    std::vector<std::string> addresses;
    bool ready = true;    ///< conditions.ready; absent means ready.
    bool serving = true;  ///< conditions.serving; absent: as ready.
    bool terminating = false;
    std::string pod;  ///< targetRef.name, if that is a Pod; empty: none.
    bool operator==(const Endpoint&) const = default;
  };
  std::vector<Port> ports;
  std::vector<Endpoint> endpoints;
  bool operator==(const EndpointSlice&) const = default;
};

struct Namespace {
  Meta meta;
  bool operator==(const Namespace&) const = default;
};

/// The type of the only Secrets that are read; of others not even the name is kept.
inline constexpr std::string_view kTlsSecretType = "kubernetes.io/tls";
/// ConfigMaps with this label, "true", hold CA certificates in the key ca.crt; no other is read.
inline constexpr std::string_view kCaLabel = "blastdoor.io/ca";

/// A Secret of type kubernetes.io/tls. Without annotations: tools keep copies of whole objects
/// there. What `pair` holds must reach nobody but the doors that need it.
struct Secret {
  Meta meta;
  std::shared_ptr<const model::Certificate> pair;  ///< Null if it can't be used.
  std::string problem;  ///< Why `pair` is null: "its key tls.key is missing".
  std::vector<std::string>
      names;  ///< Hosts that the certificate is for: `shop.example.com`, `*.x`.
  bool operator==(const Secret& other) const;
};

/// A ConfigMap with kCaLabel.
struct ConfigMap {
  Meta meta;
  std::shared_ptr<const std::string> ca;  ///< PEM; null if it can't be used.
  std::string problem;                    ///< Why it is null.
  bool operator==(const ConfigMap& other) const;
};

using Object =
    std::variant<Ingress, IngressClass, Service, EndpointSlice, Namespace, Secret, ConfigMap>;
[[nodiscard]] const Meta& meta(const Object& object);

/// One document of a manifest or one object of a watch. `v1 List` and *List kinds give several.
/// Kinds that we do not know are skipped silently. What can't be an object at all (no kind, no
/// name, wrong apiVersion for our kinds such as extensions/v1beta1 Ingress) is a finding. `where`
/// gives source and file; the line is taken from the value.
struct Decoded {
  std::vector<Object> objects;
  std::vector<model::Finding> findings;
};
[[nodiscard]] Decoded decode(const text::Value& document, const model::ObjectRef& where);

/// Everything of every source at one moment. Sources are kept apart: objects of different sources
/// never resolve each other (invariant 5).
struct SourceObjects {
  std::string source;  ///< "kube" or "manifests:DIR"
  bool allow_loopback = false;
  std::vector<Ingress> ingresses;
  std::vector<IngressClass> classes;
  std::vector<Service> services;
  std::vector<EndpointSlice> slices;
  std::vector<Namespace> namespaces;
  std::vector<Secret> secrets;
  std::vector<ConfigMap> config_maps;
  std::vector<model::Finding> findings;  ///< Of reading and decoding.
};
struct ObjectSet {
  std::vector<SourceObjects> sources;
};

}  // namespace bd::kube
