#pragma once
// Where objects come from. A source runs on a thread of its own, so that neither parsing nor a slow
// API server ever stalls the control loop, and tells the sink what changed, in order.

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "kube/objects.h"

namespace bd::source {

/// The complete set, after a list or a rescan.
struct Replace {
  std::shared_ptr<kube::SourceObjects> objects;
};
/// One object is new or changed; the findings are those of decoding it.
struct Upsert {
  kube::Object object;
  std::vector<model::Finding> findings;
};
struct Remove {
  std::string kind;  ///< "Ingress", "Service", …
  std::string ns;
  std::string name;
};
/// Health of the source itself. Not healthy never means that objects are gone.
struct Status {
  bool healthy = false;
  std::string message;
};
using Event = std::variant<Replace, Upsert, Remove, Status>;

/// Called on the source's thread; must be thread-safe and quick (it posts to the control loop).
using Sink = std::function<void(const std::string& source, Event event)>;

class Source {
 public:
  virtual ~Source() = default;  ///< Stops the thread and waits for it.
  [[nodiscard]] virtual const std::string& name() const = 0;
  virtual void start(Sink sink) = 0;
};

/// Watches a directory of YAML and JSON manifests. The first Replace comes at once.
std::unique_ptr<Source> watch_manifests(std::string directory, bool allow_loopback);
/// Reads the directory once, for `check` and `routes`.
kube::SourceObjects read_manifests(const std::string& directory, bool allow_loopback);

/// How to reach an API server: from a kubeconfig file, or from the pod's service account.
struct KubeAccess {
  std::string server;            ///< https://host:port
  std::string ca_file, ca_data;  ///< PEM
  std::string client_cert_data, client_key_data;
  std::string client_cert_file, client_key_file;
  std::string token,
      token_file;  ///< The file is read again when it changes, at least every minute.
  std::string
      server_name;    ///< The name that its certificate must carry, if not the one in `server`.
  std::string proxy;  ///< proxy-url; empty: as HTTPS_PROXY and NO_PROXY say, never for loopback.
  bool insecure_skip_verify = false;
  std::string user_agent = "blastdoor";
};
[[nodiscard]] std::expected<KubeAccess, std::string> read_kubeconfig(const std::string& path);
[[nodiscard]] std::expected<KubeAccess, std::string> in_cluster_access();
/// What is watched beyond the five kinds that routes are made of. Each needs a permission that the
/// default ClusterRole does not give; without it the source says so and goes on.
struct KubeScope {
  bool secrets = false;         ///< Those of type kubernetes.io/tls; no other is ever asked for.
  bool ca_config_maps = false;  ///< Those with the label blastdoor.io/ca: "true".
  bool operator==(const KubeScope&) const = default;
};
/// Lists and watches ingresses, ingressclasses, services, endpointslices and namespaces, and what
/// `scope` adds. Nothing before all lists are complete: then one Replace; then Upsert and Remove;
/// after a relist Replace again.
std::unique_ptr<Source> watch_kubernetes(KubeAccess access, KubeScope scope);

}  // namespace bd::source
