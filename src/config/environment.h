#pragma once
// What does a BLASTDOOR_… variable mean? Variables come from people and, without being asked, from
// Kubernetes.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/schema.h"

namespace bd::config {

/// Kubernetes tells every container about the Services of its namespace. A Service named
/// `blastdoor` gives BLASTDOOR_PORT, one named `blastdoor-internal-http` even
/// BLASTDOOR_INTERNAL_HTTP_PORT=tcp://10.96.0.7:80.
[[nodiscard]] bool is_injected(std::string_view name, std::string_view value);

struct Meaning {
  const Key* key;
  std::string path;  ///< exposures[0].listeners[0].port
  std::optional<std::size_t> exposure;
  std::optional<std::size_t>
      listener;  ///< Of keys of exposures: `main` or the only one; empty if there is none such.
};
/// More than one if the names of exposures make it ambiguous.
[[nodiscard]] std::vector<Meaning> meanings_of(std::string_view name, const Config& config);
/// "did you mean …?", of all that could be set with these exposures; empty if none is near.
[[nodiscard]] std::string nearest_variable(std::string_view name, const Config& config);

}  // namespace bd::config
