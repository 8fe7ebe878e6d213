#pragma once
// An exposure: a named way in. Side, listeners, what selects an Ingress, what a selected one may
// ask.
//
// The listener's port alone decides exposure and scheme (invariant 1): nothing here is ever
// computed from a request.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "model/limits.h"
#include "model/selector.h"

namespace bd::model {

enum class Side : std::uint8_t { internal, external };
enum class Scheme : std::uint8_t { http, https };
[[nodiscard]] constexpr std::string_view name(Side s) {
  return s == Side::internal ? "internal" : "external";
}
[[nodiscard]] constexpr std::string_view name(Scheme s) {
  return s == Scheme::http ? "http" : "https";
}
[[nodiscard]] constexpr std::uint16_t default_port(Scheme s) {
  return s == Scheme::http ? 80 : 443;
}

/// Where a listener's certificates come from (key `tls.mode`). `off`: plain, TLS ended before us or
/// never was. `self_signed`: made in memory by the door; enough for an ALB's HTTPS target group.
enum class TlsMode : std::uint8_t { off, self_signed, files, secrets };
enum class TlsVersion : std::uint8_t { tls12, tls13 };
enum class ClientCertificate : std::uint8_t { none, optional, required };

[[nodiscard]] constexpr std::string_view name(TlsMode mode) {
  constexpr std::string_view kNames[] = {"off", "self-signed", "files", "secrets"};
  return kNames[static_cast<std::size_t>(mode)];
}
[[nodiscard]] constexpr std::string_view name(TlsVersion version) {
  return version == TlsVersion::tls12 ? "1.2" : "1.3";
}
[[nodiscard]] constexpr std::string_view name(ClientCertificate client) {
  constexpr std::string_view kNames[] = {"none", "optional", "required"};
  return kNames[static_cast<std::size_t>(client)];
}

/// What TLS asks of a client, for a whole listener or for one host.
struct TlsPolicy {
  TlsVersion min_version = TlsVersion::tls12;
  ClientCertificate client = ClientCertificate::none;
  std::string
      client_ca;  ///< Key of a bundle in snapshot::Door::bundles; empty if `client` is none.
  bool operator==(const TlsPolicy&) const = default;
};

/// The files of a certificate chain and its private key. For the controller alone, which reads and
/// watches them: doors get what is in them.
struct CertificateFiles {
  std::string certificate;
  std::string key;
  auto operator<=>(const CertificateFiles&) const = default;
};

/// Names of what comes from a file: "file NAME", of a certificate's chain or of a CA bundle.
inline constexpr std::string_view kFileUnit = "file ";
[[nodiscard]] inline std::string file_unit(std::string_view file) {
  return std::string(kFileUnit).append(file);
}

struct Tls {
  TlsMode mode = TlsMode::off;
  TlsPolicy policy;
  /// By host, exact or `*.example.com`: what differs from `policy`.
  std::map<std::string, TlsPolicy> hosts;
  std::vector<CertificateFiles> files;  ///< Mode `files`; the first is for unknown names.
  bool operator==(const Tls&) const = default;
};

/// One listening address of an exposure, and the facts that hold for all that arrives on it.
struct Listener {
  std::string name;  ///< Unique within the exposure; "main" if there is one.
  SocketAddress bind;
  Scheme public_scheme = Scheme::http;  ///< What the client spoke to the balancer.
  std::uint16_t public_port = 80;       ///< The port the client connected to.
  std::vector<Cidr> accept_from;        ///< Who may connect; empty: everyone. Others get a reset.
  std::vector<Cidr> trusted_peers;      ///< Whose last X-Forwarded-For entry counts; empty: nobody.
  /// Who must send a PROXY protocol header (v1 or v2) first; from others it is refused.
  std::vector<Cidr> proxy_protocol_from;
  Tls tls;
  std::string health_path = "/-/healthz";
  Limits limits;
  Timeouts timeouts;
  bool operator==(const Listener&) const = default;
};

/// What a selected Ingress may claim beyond exact hosts.
struct Allow {
  bool wildcard = false;
  bool empty_host = false;
  bool default_backend = false;
  bool operator==(const Allow&) const = default;
};

/// owned: a host belongs to the namespace of its oldest Ingress. shared: the older wins a path.
enum class HostOwnership : std::uint8_t { owned, shared };

struct Exposure {
  std::string name;
  Side side = Side::internal;
  std::vector<Listener> listeners;  ///< At least one.
  /// Which Ingress labels select this exposure. Default: `expose` equal to the name.
  Selector selector;
  bool custom_selector = false;  ///< False: the selector is the default one.
  bool any_class = false;        ///< `class: any`: foreign classes are served too.
  /// IngressClass names whose Ingresses this exposure takes (key `ingressClass`). A class is ours
  /// if some exposure names it, or its spec.controller is `blastdoor.io/ingress-controller`.
  std::vector<std::string> ingress_classes;
  Allow allow;
  HostOwnership hosts = HostOwnership::shared;  ///< Default: owned on side external.
  /// The Secrets that selected Ingresses name may be read (key `secrets: referenced`). Implied by a
  /// listener whose certificates are Secrets; false: no Secret is ever asked for (invariant 11).
  bool referenced_secrets = false;
  /// Redirect twin: set on an http exposure; the name of the https exposure of the same side whose
  /// hosts and paths are answered with 308 here.
  std::optional<std::string> redirect_twin;
  bool operator==(const Exposure&) const = default;
};

inline constexpr std::string_view kExposeLabel = "expose";
inline constexpr std::string_view kExposeAnnotation = "blastdoor.io/expose";
inline constexpr std::string_view kRedirectAnnotation = "blastdoor.io/redirect";
inline constexpr std::string_view kControllerName = "blastdoor.io/ingress-controller";

/// The exposures of a Blastdoor that has no configuration: internal-http 10000,
/// internal-httpsecure 10001, external-http 10002, external-httpsecure 10003.
std::vector<Exposure> default_exposures();

/// An exposure with the defaults of its side: `allow` (all on internal, nothing on external),
/// `hosts`, selector, one listener on 0.0.0.0:`port`.
Exposure make_exposure(std::string name, Side side, Scheme scheme, std::uint16_t port);

}  // namespace bd::model
