#pragma once
// What a route table is made of: virtual hosts, routes, upstreams, endpoints. Values only.
// Names come from the Kubernetes Ingress API (networking.k8s.io/v1) where it has them.

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"

namespace bd::model {

/// Host of a rule. `exact` shop.example.com; `wildcard` *.example.com, one label (`name` holds
/// "example.com"); `any`: rules without a host, and default backends.
struct HostPattern {
  enum class Kind : std::uint8_t { exact, wildcard, any };
  Kind kind = Kind::any;
  std::string name;  ///< Lower case, no trailing dot; empty for any.
  /// From Ingress spec.rules[].host: "" is any. Refuses IP literals and ports; upper case and a
  /// trailing dot are folded away. The error completes "the host …".
  static std::expected<HostPattern, std::string> parse(std::string_view text);
  [[nodiscard]] std::string text() const;  ///< "shop.example.com", "*.example.com", "*"
  /// `host`: http::Authority::host. IP literals match only `any`.
  [[nodiscard]] bool matches(std::string_view host, bool is_ip_literal) const noexcept;
  auto operator<=>(const HostPattern&) const = default;
};

/// Path of a rule, in the form that requests are matched in (http::normalize_path, slashes merged).
/// Prefix matches whole elements: /a matches /a, /a/ and /a/b, not /ab; a trailing slash of a
/// prefix is dropped ("/a/" is "/a"; "/" stays).
struct PathPattern {
  enum class Kind : std::uint8_t { exact, prefix };
  Kind kind = Kind::prefix;
  std::string path = "/";
  /// From Ingress spec.rules[].http.paths[].path. Refuses what no request can match, and dot
  /// segments, which would serve more than is written. The error completes "the path …".
  static std::expected<PathPattern, std::string> parse(Kind kind, std::string_view text);
  [[nodiscard]] bool matches(std::string_view normal_path) const noexcept;
  auto operator<=>(const PathPattern&) const = default;
};

/// Sends the request to an upstream, by key: "namespace/service:port", with "@source" appended if
/// the source is not the only one.
struct Forward {
  std::string upstream;
  bool operator==(const Forward&) const = default;
};
/// 308 to the same host, path and query with https and the twin's declared public port.
struct Redirect {
  std::uint16_t port = 443;
  bool operator==(const Redirect&) const = default;
};
/// A tombstone: 503 with `cause`, a finding's code. What a refused but selected and granted Ingress
/// leaves.
struct Refuse {
  std::string cause;
  bool operator==(const Refuse&) const = default;
};
using Action = std::variant<Forward, Redirect, Refuse>;

struct Route {
  PathPattern path;
  Action action;
  std::string origin;  ///< "Ingress shop/web": who asked for it; for people.
  bool operator==(const Route&) const = default;
};

/// Unit of the feed: all routes of one host of one listener. Routes are in matching order: longer
/// path first, at equal length exact before prefix, then by text.
struct VirtualHost {
  HostPattern host;
  std::vector<Route> routes;
  bool operator==(const VirtualHost&) const = default;
};

/// Order of matching, and of the textual form.
[[nodiscard]] bool matches_before(const Route& a, const Route& b);

struct Endpoint {
  SocketAddress address;
  /// Who serves there, whatever the address (a pod that keeps its name is the same when it comes
  /// back). 0: nobody with a name.
  std::uint64_t identity = 0;
  std::uint32_t weight = 1;  ///< Its share of new requests; 1 to kEndpointWeightMax.
  bool operator==(const Endpoint&) const = default;
  auto operator<=>(const Endpoint&) const = default;
};

/// How a door encrypts towards an upstream. `prefer`: TLS if the endpoint speaks it, unverified.
/// `require`: TLS, unverified. `verify`: TLS, the certificate checked against `ca` and
/// `server_name`.
enum class UpstreamTls : std::uint8_t { off, prefer, require, verify };
[[nodiscard]] constexpr std::string_view name(UpstreamTls mode) {
  constexpr std::string_view names[] = {"off", "prefer", "require", "verify"};
  return names[static_cast<std::size_t>(mode)];
}
/// `h2`: HTTP/2, by ALPN over TLS, by prior knowledge without (h2c).
enum class UpstreamProtocol : std::uint8_t { http1, h2 };
/// Which PROXY protocol header goes in front of each connection.
enum class ProxyHeader : std::uint8_t { none, v1, v2 };

/// Who gets the next request. `least_requests`: of two endpoints at random the one with less in
/// flight. `hash`: equal keys go to the same endpoint as long as it is there.
enum class BalancePolicy : std::uint8_t { least_requests, round_robin, random, hash };
/// What BalancePolicy::hash looks at; a request without it goes by `least_requests`.
enum class HashKey : std::uint8_t { client_address, header, cookie };

struct Balance {
  BalancePolicy policy = BalancePolicy::least_requests;
  HashKey key = HashKey::client_address;
  std::string key_name;       ///< Of the header, in lower case, or of the cookie.
  std::string sticky_cookie;  ///< Its name; empty: no stickiness.
  bool operator==(const Balance&) const = default;
};

inline constexpr std::uint32_t kCircuitMax = 1'000'000;  ///< More than a door can have open.
inline constexpr std::chrono::hours kPatienceMax{24};    ///< A longer wait is a mistyped unit.

/// What one service may take of a door; more is answered with 503.
struct Circuit {
  std::uint32_t connections = 4096;  ///< Open at the same time, idle ones too.
  std::uint32_t pending = 4096;      ///< Requests that wait for a connection: after a start, all.
  std::uint32_t requests = 4096;     ///< In flight.
  bool operator==(const Circuit&) const = default;
};

/// Time bounds of a service; 0: what the listener says (model::Timeouts).
struct Patience {
  std::chrono::milliseconds connect{0};
  std::chrono::milliseconds response_head{0};
  std::chrono::milliseconds body_idle{0};
  std::chrono::milliseconds total{0};
  bool operator==(const Patience&) const = default;
};

/// What people write and read for each: in an annotation behind `blastdoor.io/`, and in the textual
/// form.
struct CircuitField {
  std::string_view name;
  std::uint32_t Circuit::* member;
};
inline constexpr CircuitField kCircuitFields[] = {{"max-connections", &Circuit::connections},
                                                  {"max-pending", &Circuit::pending},
                                                  {"max-requests", &Circuit::requests}};
struct PatienceField {
  std::string_view name;
  std::chrono::milliseconds Patience::* member;
};
inline constexpr PatienceField kPatienceFields[] = {{"connect-timeout", &Patience::connect},
                                                    {"response-timeout", &Patience::response_head},
                                                    {"idle-timeout", &Patience::body_idle},
                                                    {"total-timeout", &Patience::total}};
inline constexpr std::string_view kBalancePolicies[] = {"least-requests", "round-robin", "random",
                                                        "hash"};
/// `client-address`, `header NAME`, `cookie NAME`.
[[nodiscard]] std::string hash_key_text(const Balance& balance);
/// False, and nothing changed: it is none of these.
bool parse_hash_key(std::string_view text, Balance& out);

/// Unit of the feed: a backend service as one door needs it. Endpoints travel apart.
struct Upstream {
  std::string key;
  UpstreamProtocol protocol = UpstreamProtocol::http1;
  UpstreamTls tls = UpstreamTls::off;
  std::string server_name;         ///< For SNI and the SAN check; empty only if `tls` is off.
  std::string ca;                  ///< Key of a bundle in snapshot::Door::bundles; `verify` only.
  std::string client_certificate;  ///< Key in snapshot::Door::certificates; empty: none.
  ProxyHeader proxy_header = ProxyHeader::none;
  Balance balance;
  Circuit circuit;
  Patience patience;
  bool operator==(const Upstream&) const = default;
};

/// Unit of the feed: a certificate chain, leaf first, with its private key, as PEM texts. Checked
/// by the controller (tls::inspect) before it is sent.
struct Certificate {
  std::string chain;
  std::string key;
  bool operator==(const Certificate&) const = default;
};

}  // namespace bd::model
