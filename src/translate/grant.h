#pragma once
// What may a selected Ingress claim on an exposure? With no policy the label grants exact hosts;
// everything wider needs the exposure's word (invariant 3).

#include <optional>
#include <string_view>

#include "model/exposure.h"
#include "model/route.h"

namespace bd::translate {

/// What a claim wants. A default backend is wider than a rule without a host: it is
/// `default_backend` wherever it stands.
enum class Asks { exact_host, wildcard, empty_host, default_backend };

/// Why the claim is not granted.
struct Denial {
  std::string_view code;   ///< "wildcard-not-allowed", …
  std::string_view asked;  ///< "a wildcard host"
  std::string_view key;    ///< What `allow` would have to contain.
};

/// Nothing: granted.
[[nodiscard]] std::optional<Denial> grant(Asks asks, const model::Allow& allow);

[[nodiscard]] Asks asks(const model::HostPattern& host, bool default_backend);

}  // namespace bd::translate
