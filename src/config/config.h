#pragma once
// The configuration: one schema for file, environment (BLASTDOOR_…) and flags, in rising
// precedence. Every key is described once, in config/schema.cc; docs/reference/configuration.md is
// generated from it.

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

/// Where Debian, and our image, keep the CA certificates of the system.
inline constexpr std::string_view kSystemCa = "/etc/ssl/certs/ca-certificates.crt";

struct Config {
  std::vector<model::Exposure> exposures = model::default_exposures();  ///< All that are known.
  std::vector<std::string> enabled;  ///< Names that are served (--exposures); empty: all.
  std::vector<ManifestsSource> manifests;
  std::string kubeconfig;  ///< Path; empty and no manifests: in-cluster.
  /// Watch an API server: kubeconfig set, or in-cluster files are there and no manifests.
  bool kubernetes = false;
  bool ca_config_maps = false;  ///< Watch the ConfigMaps that hold CA certificates.
  SocketAddress admin{IpAddress::v4({127, 0, 0, 1}), 9900};
  SocketAddress probes{IpAddress{}, 9901};
  SocketAddress metrics{IpAddress{}, 9902};
  std::string state_dir;  ///< Where the last good snapshot is kept; empty: not kept.
  /// The name under which process trees of one network namespace hand over their listening
  /// sockets; empty: they do not.
  std::string handover;
  std::uint32_t workers = 0;  ///< Per door; 0: min(4, CPU quota).
  std::string log_level = "info";
  /// More addresses of this node, refused as endpoints on exposure ports.
  std::vector<std::string> node_addresses;
  std::string upstream_ca{kSystemCa};  ///< The bundle `system`: CAs that upstreams are checked by.

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
  /// All of them, not the first only. Not empty: the config must not be used.
  std::vector<Mistake> mistakes;
  std::vector<std::string> warnings;
};

struct Inputs {
  std::string file_name;            ///< For messages; empty: no file.
  std::optional<std::string> file;  ///< Its bytes.
  /// All variables; only BLASTDOOR_* are looked at.
  std::map<std::string, std::string> environment;
  /// By the flag's name in camelCase: "exposures" → {"a,b"}, "allowLoopback" → {}.
  std::map<std::string, std::vector<std::string>> flags;
  bool in_cluster = false;  ///< The service account files are there.
};

/// Pure: bytes to configuration.
[[nodiscard]] Loaded load(const Inputs& inputs);

/// The file that --config or BLASTDOOR_CONFIG names; empty: none. The caller reads it into
/// Inputs::file.
[[nodiscard]] std::string file_name(const Inputs& inputs);

/// A flag of the command line that sets a key.
struct Flag {
  std::string name;  ///< "--allow-loopback"
  std::string key;   ///< Its name in Inputs::flags: "allowLoopback".
  std::string about;
  bool takes_value = true;  ///< False: being there means true.
  bool repeatable = false;  ///< A list: several flags and commas add up.
};
/// In the order of the reference.
[[nodiscard]] std::vector<Flag> flags();

/// True if going from `a` to `b` needs a restart: some key that the reference marks `restart`
/// differs. The names of those keys are in `keys`.
[[nodiscard]] bool needs_restart(const Config& a, const Config& b, std::vector<std::string>& keys);

/// Gives `to` the values of `from` for every key that needs a restart: what is left differs in live
/// keys only. Exposures and listeners that are new or gone stay as they are in `from`.
void keep_restart_keys(const Config& from, Config& to);

/// docs/reference/configuration.md, from the schema.
[[nodiscard]] std::string reference();

}  // namespace bd::config
