#pragma once
// Which Service port does a backend mean, and which Secret or ConfigMap does a name? Looked up in
// the objects of their own source and nowhere else (invariant 5).

#include <expected>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kube/objects.h"

namespace bd::translate {

class Backends;

/// A Service port that may be forwarded to. Borrows from its source.
struct Target {
  std::string
      upstream;  ///< Key: "namespace/service:port", with "@source" if there are several sources.
  const Backends* backends = nullptr;
  const kube::Service* service = nullptr;
  const kube::ServicePort* port = nullptr;
};

/// Why a backend can't be served. `field` is relative to the backend.
struct Problem {
  std::string code;
  std::string field;
  std::string what;
  std::string hint;
};

/// The Services, EndpointSlices, Secrets and ConfigMaps of one source, by name. Borrows the source.
/// Of two objects with one name the first by file and line counts.
class Backends {
 public:
  using Name = std::pair<std::string_view, std::string_view>;  // Namespace, name.
  using Names = std::set<Name>;

  /// `wanted`: knows these Services alone, without the cost of an index of all; null: everything.
  Backends(const kube::SourceObjects& source, bool only_source, const Names* wanted = nullptr);

  [[nodiscard]] std::expected<Target, Problem> resolve(const std::string& ns,
                                                       const kube::Backend& backend) const;

  /// Every port of every Service under each of its keys: by number, and by name if it has one.
  [[nodiscard]] std::vector<Target> all() const;

  [[nodiscard]] const std::vector<const kube::EndpointSlice*>& slices_of(
      const kube::Service& service) const;
  /// Null if there is none.
  [[nodiscard]] const kube::Secret* secret(std::string_view ns, std::string_view name) const;
  [[nodiscard]] const kube::ConfigMap* config_map(std::string_view ns, std::string_view name) const;
  /// "secret shop/tls": what a door knows it by; with "@source" if there are several sources.
  [[nodiscard]] std::string key(std::string_view kind, const model::ObjectRef& object) const;

  [[nodiscard]] const kube::SourceObjects& source() const { return source_; }

 private:
  [[nodiscard]] std::string upstream(const kube::Service& service, std::string_view port) const;
  [[nodiscard]] Problem missing(const std::string& ns, const std::string& service) const;

  const kube::SourceObjects& source_;
  std::string suffix_;
  std::map<Name, const kube::Service*> services_;
  std::map<Name, std::vector<const kube::EndpointSlice*>> slices_;
  std::map<Name, const kube::Secret*> secrets_;
  std::map<Name, const kube::ConfigMap*> config_maps_;
};

}  // namespace bd::translate
