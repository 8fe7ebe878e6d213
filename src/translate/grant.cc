#include "translate/grant.h"

namespace bd::translate {

std::optional<Denial> grant(Asks asks, const model::Allow& allow) {
  switch (asks) {
    case Asks::exact_host:
      return std::nullopt;
    case Asks::wildcard:
      if (allow.wildcard) return std::nullopt;
      return Denial{"wildcard-not-allowed", "a wildcard host", "wildcard"};
    case Asks::empty_host:
      if (allow.empty_host) return std::nullopt;
      return Denial{"empty-host-not-allowed", "a rule for any host", "empty_host"};
    case Asks::default_backend:
      if (allow.default_backend) return std::nullopt;
      return Denial{"default-backend-not-allowed", "a default backend", "default_backend"};
  }
  return Denial{"empty-host-not-allowed", "a rule for any host", "empty_host"};
}

Asks asks(const model::HostPattern& host, bool default_backend) {
  if (default_backend) return Asks::default_backend;
  switch (host.kind) {
    case model::HostPattern::Kind::exact:
      return Asks::exact_host;
    case model::HostPattern::Kind::wildcard:
      return Asks::wildcard;
    case model::HostPattern::Kind::any:
      break;
  }
  return Asks::empty_host;
}

}  // namespace bd::translate
