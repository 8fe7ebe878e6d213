#pragma once
// How does a Service port want to be spoken to? From appProtocol, and from annotations of the
// Service, which win. What decides whether bytes are encrypted, and for whom, never falls back:
// what can't be understood there refuses all that would be forwarded (invariant 4).

#include <string>
#include <string_view>
#include <vector>

#include "kube/objects.h"
#include "model/route.h"
#include "translate/findings.h"

namespace bd::translate {

/// In the order of the reference.
inline constexpr std::string_view kUpstreamProtocol = "blastdoor.io/upstream-protocol";
inline constexpr std::string_view kUpstreamTls = "blastdoor.io/upstream-tls";
inline constexpr std::string_view kUpstreamServerName = "blastdoor.io/upstream-server-name";
inline constexpr std::string_view kUpstreamCa = "blastdoor.io/upstream-ca";
inline constexpr std::string_view kUpstreamClientCertificate =
    "blastdoor.io/upstream-client-certificate";
inline constexpr std::string_view kProxyHeader = "blastdoor.io/proxy-header";

/// Annotations of a Service that are ours.
[[nodiscard]] const std::vector<std::string>& service_annotations();

/// What a Service port asks for. The objects that it names are looked up elsewhere.
struct Contact {
  model::UpstreamProtocol protocol = model::UpstreamProtocol::http1;
  model::UpstreamTls tls = model::UpstreamTls::off;
  std::string server_name;    ///< Empty only if `tls` is off.
  std::string ca_config_map;  ///< Whose key ca.crt is trusted; empty: the system's bundle.
  std::string client_secret;  ///< The Secret of what is shown to the upstream; empty: nothing is.
  model::ProxyHeader proxy_header = model::ProxyHeader::none;
  std::string refused;  ///< Not empty: the code of why nothing may be forwarded there.
  bool operator==(const Contact&) const = default;
};

/// `exposures`: who forwards there; for the findings, which are about the Service.
[[nodiscard]] Contact read_contact(const kube::Service& service, const kube::ServicePort& port,
                                   const std::vector<std::string>& exposures, Findings& findings);

}  // namespace bd::translate
