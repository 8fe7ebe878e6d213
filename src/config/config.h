#pragma once
// The configuration: one schema for file, environment (BLASTDOOR_…) and flags, in rising precedence.
// Every key is described once, in config/schema.cc; docs/reference/configuration.md is generated from it.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "model/exposure.h"
#include "model/finding.h"

namespace bd::config {

struct ManifestsSource {
  std::string directory;
  bool allow_loopback = false;
  bool operator==(const ManifestsSource&) const = default;
};

struct Config {
  std::vector<model::Exposure> exposures = model::default_exposures();  ///< All that are known.
  std::vector<std::string> enabled;  ///< Names that are served (--exposures); empty: all.
  std::vector<ManifestsSource> manifests;
  std::string kubeconfig;  ///< Path; empty and no manifests: in-cluster.
  bool kubernetes = false;  ///< Watch an API server (kubeconfig set, or in-cluster files are there and no manifests).
  SocketAddress admin{IpAddress::v4({127, 0, 0, 1}), 9900};
  SocketAddress probes{IpAddress{}, 9901};
  SocketAddress metrics{IpAddress{}, 9902};
  std::string state_dir;  ///< Where the last good snapshot is kept; empty: not kept.
  std::uint32_t workers = 0;  ///< Per door; 0: min(4, CPU quota).
  std::string log_level = "info";
  std::vector<std::string> node_addresses;  ///< More addresses of this node, refused as endpoints on exposure ports.

  [[nodiscard]] bool is_enabled(std::string_view exposure) const;
  bool operator==(const Config&) const = default;
};

/// What is wrong with the configuration: where, what was expected, and the nearest valid key.
struct Mistake {
  std::string where;  ///< "blastdoor.yaml:12", "environment BLASTDOOR_FOO", "--exposures"
  std::string key;    ///< "exposures[0].listeners[0].port"
  std::string what;
  std::string hint;
  [[nodiscard]] std::string text() const;
};

struct Loaded {
  Config config;
  std::vector<Mistake> mistakes;        ///< Not empty: the config must not be used. All of them, not the first only.
  std::vector<std::string> warnings;
};

struct Inputs {
  std::string file_name;               ///< For messages; empty: no file.
  std::optional<std::string> file;     ///< Its bytes.
  std::map<std::string, std::string> environment;  ///< All variables; only BLASTDOOR_* are looked at.
  std::map<std::string, std::vector<std::string>> flags;  ///< By schema key: "exposures" → {"a,b"}.
  bool in_cluster = false;  ///< The service account files are there.
};

/// Pure: bytes to configuration.
[[nodiscard]] Loaded load(const Inputs& inputs);

/// True if going from `a` to `b` needs a restart (process-level keys: ports of admin, probes, metrics, workers, state_dir,
/// enabled, addresses of listeners); the names of the keys that differ are in `keys`.
[[nodiscard]] bool needs_restart(const Config& a, const Config& b, std::vector<std::string>& keys);

/// docs/reference/configuration.md, from the schema.
[[nodiscard]] std::string reference();

}  // namespace bd::config
