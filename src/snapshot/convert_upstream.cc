// Upstreams as messages: how their endpoints are spoken to, chosen and spared.

#include <algorithm>

#include "http/cookie.h"
#include "snapshot/convert.h"
#include "snapshot/convert_parts.h"
#include "snapshot/snapshot.pb.h"

namespace bd::snapshot {
namespace {

constexpr std::size_t kServerNameMax = 253;  // A DNS name; an IP address is shorter.

constexpr Pairing<model::UpstreamProtocol, pb::UpstreamProtocol> kProtocols[] = {
    {model::UpstreamProtocol::http1, pb::UPSTREAM_PROTOCOL_HTTP1},
    {model::UpstreamProtocol::h2, pb::UPSTREAM_PROTOCOL_H2},
};
constexpr Pairing<model::UpstreamTls, pb::UpstreamTls> kUpstreamTls[] = {
    {model::UpstreamTls::off, pb::UPSTREAM_TLS_OFF},
    {model::UpstreamTls::prefer, pb::UPSTREAM_TLS_PREFER},
    {model::UpstreamTls::require, pb::UPSTREAM_TLS_REQUIRE},
    {model::UpstreamTls::verify, pb::UPSTREAM_TLS_VERIFY},
};
constexpr Pairing<model::ProxyHeader, pb::ProxyHeader> kProxyHeaders[] = {
    {model::ProxyHeader::none, pb::PROXY_HEADER_NONE},
    {model::ProxyHeader::v1, pb::PROXY_HEADER_V1},
    {model::ProxyHeader::v2, pb::PROXY_HEADER_V2},
};

std::uint64_t milliseconds(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(time.count());
}

Read<model::Balance> read_balance(const pb::Upstream& in) {
  model::Balance out;
  const auto policy = std::ranges::find(model::kBalancePolicies, in.balance());
  if (policy == std::end(model::kBalancePolicies)) {
    return std::unexpected(std::string("balance: unknown"));
  }
  out.policy = static_cast<model::BalancePolicy>(policy - std::begin(model::kBalancePolicies));
  if (!model::parse_hash_key(in.hash_key(), out)) {
    return std::unexpected(std::string("hash_key: unknown"));
  }
  if (!in.sticky_cookie().empty() && !http::is_cookie_name(in.sticky_cookie())) {
    return std::unexpected(std::string("sticky_cookie: no token"));
  }
  out.sticky_cookie = in.sticky_cookie();
  return out;
}

}  // namespace

void write(const model::Upstream& value, pb::Upstream& out) {
  out.set_key(value.key);
  out.set_protocol(to_wire(kProtocols, value.protocol));
  out.set_tls(to_wire(kUpstreamTls, value.tls));
  out.set_server_name(value.server_name);
  out.set_ca(value.ca);
  out.set_client_certificate(value.client_certificate);
  out.set_proxy_header(to_wire(kProxyHeaders, value.proxy_header));
  const auto policy = static_cast<std::size_t>(value.balance.policy);
  out.set_balance(std::string(model::kBalancePolicies[policy]));
  out.set_hash_key(model::hash_key_text(value.balance));
  out.set_sticky_cookie(value.balance.sticky_cookie);
  out.set_max_connections(value.circuit.connections);
  out.set_max_pending(value.circuit.pending);
  out.set_max_requests(value.circuit.requests);
  out.set_connect_timeout(milliseconds(value.patience.connect));
  out.set_response_timeout(milliseconds(value.patience.response_head));
  out.set_idle_timeout(milliseconds(value.patience.body_idle));
  out.set_total_timeout(milliseconds(value.patience.total));
}

Read<model::Upstream> read(const pb::Upstream& in) {
  if (!is_name(in.key())) return std::unexpected(std::string("key: empty or too long"));
  BD_READ(protocol, from_wire(kProtocols, in.protocol(), "protocol"));
  BD_READ(tls, from_wire(kUpstreamTls, in.tls(), "tls"));
  BD_READ(proxy_header, from_wire(kProxyHeaders, in.proxy_header(), "proxy_header"));
  const bool encrypts = tls != model::UpstreamTls::off;
  if ((encrypts && in.server_name().empty()) || in.server_name().size() > kServerNameMax) {
    return std::unexpected(std::string("server_name: does not fit tls"));
  }
  const bool verifies = tls == model::UpstreamTls::verify;
  if (verifies ? !is_unit_name(in.ca()) : !in.ca().empty()) {
    return std::unexpected(std::string("ca: does not fit tls"));
  }
  if (!in.client_certificate().empty() && (!encrypts || !is_unit_name(in.client_certificate()))) {
    return std::unexpected(std::string("client_certificate: does not fit tls"));
  }
  BD_READ(balance, read_balance(in));
  const model::Circuit circuit{in.max_connections(), in.max_pending(), in.max_requests()};
  for (const model::CircuitField& field : model::kCircuitFields) {
    if (circuit.*field.member == 0) return std::unexpected(fmt::format("{}: is zero", field.name));
  }
  const model::Patience patience{std::chrono::milliseconds(in.connect_timeout()),
                                 std::chrono::milliseconds(in.response_timeout()),
                                 std::chrono::milliseconds(in.idle_timeout()),
                                 std::chrono::milliseconds(in.total_timeout())};
  for (const model::PatienceField& field : model::kPatienceFields) {
    const auto time = patience.*field.member;
    if (time.count() < 0 || time > model::kPatienceMax)
      return std::unexpected(fmt::format("{}: out of range", field.name));
  }
  return model::Upstream{.key = in.key(),
                         .protocol = protocol,
                         .tls = tls,
                         .server_name = in.server_name(),
                         .ca = in.ca(),
                         .client_certificate = in.client_certificate(),
                         .proxy_header = proxy_header,
                         .balance = std::move(balance),
                         .circuit = circuit,
                         .patience = patience};
}

}  // namespace bd::snapshot
