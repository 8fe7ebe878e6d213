// Routes, upstreams, endpoints and denied addresses as messages. Exposures: convert_exposure.cc.

#include "snapshot/convert.h"

#include <algorithm>

#include "snapshot/convert_parts.h"
#include "snapshot/snapshot.pb.h"

namespace bd::snapshot {
namespace {

// What is declared here must not hide the overloads of the room.
using snapshot::read;
using snapshot::write;

Read<model::HostPattern> read_host(const std::string& text) {
  if (text == "*") return model::HostPattern{};
  auto host = model::HostPattern::parse(text);
  if (!host) return std::unexpected(fmt::format("host: {}", host.error()));
  if (host->text() != text) return std::unexpected(std::string("host: not in normal form"));
  return *std::move(host);
}

Read<model::PathPattern> read_path(const pb::Route& in) {
  using Kind = model::PathPattern::Kind;
  if (in.kind() != pb::Route::PATH_EXACT && in.kind() != pb::Route::PATH_PREFIX) {
    return std::unexpected(std::string("kind: not a known kind of path"));
  }
  if (in.path().size() > model::kPathBytesMax)
    return std::unexpected(std::string("path: too long"));
  auto path = model::PathPattern::parse(
      in.kind() == pb::Route::PATH_EXACT ? Kind::exact : Kind::prefix, in.path());
  if (!path) return std::unexpected(fmt::format("path: {}", path.error()));
  if (path->path != in.path()) return std::unexpected(std::string("path: not in normal form"));
  return *std::move(path);
}

Read<model::Action> read_action(const pb::Route& in) {
  switch (in.action_case()) {
    case pb::Route::kForward:
      if (!is_name(in.forward())) return std::unexpected(std::string("forward: empty or too long"));
      return model::Forward{in.forward()};
    case pb::Route::kRedirect:
      if (!is_port(in.redirect())) return std::unexpected(std::string("redirect: not a port"));
      return model::Redirect{static_cast<std::uint16_t>(in.redirect())};
    case pb::Route::kRefuse:
      if (!is_name(in.refuse())) return std::unexpected(std::string("refuse: empty or too long"));
      return model::Refuse{in.refuse()};
    case pb::Route::ACTION_NOT_SET:
      break;
  }
  return std::unexpected(std::string("action: none"));
}

Read<model::Route> read_route(const pb::Route& in) {
  BD_READ(path, read_path(in));
  BD_READ(action, read_action(in));
  if (in.origin().size() > kNameBytesMax) return std::unexpected(std::string("origin: too long"));
  return model::Route{std::move(path), std::move(action), in.origin()};
}

void write(const model::Route& value, pb::Route& out) {
  out.set_kind(value.path.kind == model::PathPattern::Kind::exact ? pb::Route::PATH_EXACT
                                                                  : pb::Route::PATH_PREFIX);
  out.set_path(value.path.path);
  if (const auto* forward = std::get_if<model::Forward>(&value.action)) {
    out.set_forward(forward->upstream);
  } else if (const auto* redirect = std::get_if<model::Redirect>(&value.action)) {
    out.set_redirect(redirect->port);
  } else {
    out.set_refuse(std::get<model::Refuse>(value.action).cause);
  }
  out.set_origin(value.origin);
}

}  // namespace

void write(const SocketAddress& value, pb::SocketAddress& out) {
  out.set_ip(value.ip.bytes().data(), value.ip.is_v4() ? 4 : 16);
  out.set_port(value.port);
}

Read<SocketAddress> read(const pb::SocketAddress& in) {
  if (in.port() > 65535) return std::unexpected(std::string("port: out of range"));
  const auto port = static_cast<std::uint16_t>(in.port());
  const std::string& ip = in.ip();
  if (ip.size() == 4) {
    std::array<std::uint8_t, 4> bytes;
    std::copy(ip.begin(), ip.end(), bytes.begin());
    return SocketAddress{IpAddress::v4(bytes), port};
  }
  if (ip.size() != 16) return std::unexpected(std::string("ip: neither 4 nor 16 bytes"));
  std::array<std::uint8_t, 16> bytes;
  std::copy(ip.begin(), ip.end(), bytes.begin());
  return SocketAddress{IpAddress::v6(bytes), port};
}

void write(const VirtualHostKey& value, pb::VirtualHostKey& out) {
  out.set_listener(value.listener);
  out.set_host(value.host.text());
}

Read<VirtualHostKey> read(const pb::VirtualHostKey& in) {
  if (!is_name(in.listener())) return std::unexpected(std::string("listener: empty or too long"));
  BD_READ(host, read_host(in.host()));
  return VirtualHostKey{in.listener(), std::move(host)};
}

void write(const model::VirtualHost& value, pb::VirtualHost& out) {
  out.set_host(value.host.text());
  for (const model::Route& route : value.routes) write(route, *out.add_routes());
}

Read<model::VirtualHost> read(const pb::VirtualHost& in) {
  model::VirtualHost out;
  BD_READ(host, read_host(in.host()));
  out.host = std::move(host);
  out.routes.reserve(static_cast<std::size_t>(in.routes_size()));
  for (const pb::Route& message : in.routes()) {
    BD_READ(route, in_field(fmt::format("routes[{}]", out.routes.size()), read_route(message)));
    // Strictly rising, so that no two routes have the same path either.
    if (!out.routes.empty() && !model::matches_before(out.routes.back(), route)) {
      return std::unexpected(fmt::format("routes[{}]: out of order", out.routes.size()));
    }
    out.routes.push_back(std::move(route));
  }
  return out;
}

void write(const std::string& upstream, const std::vector<model::Endpoint>& value,
           pb::Endpoints& out) {
  out.set_upstream(upstream);
  for (const model::Endpoint& endpoint : value) write(endpoint.address, *out.add_addresses());
  // Most have neither.
  if (std::ranges::any_of(value, [](const auto& entry) { return entry.identity != 0; })) {
    for (const model::Endpoint& endpoint : value) out.add_identities(endpoint.identity);
  }
  if (std::ranges::any_of(value, [](const auto& entry) { return entry.weight != 1; })) {
    for (const model::Endpoint& endpoint : value) out.add_weights(endpoint.weight);
  }
}

Read<UpstreamEndpoints> read(const pb::Endpoints& in) {
  if (!is_name(in.upstream())) return std::unexpected(std::string("upstream: empty or too long"));
  if (std::cmp_greater(in.addresses_size(), model::kEndpointsPerUpstreamMax)) {
    return std::unexpected(std::string("addresses: too many"));
  }
  for (const int size : {in.identities_size(), in.weights_size()}) {
    if (size != 0 && size != in.addresses_size())
      return std::unexpected(std::string("identities, weights: not one for each address"));
  }
  UpstreamEndpoints out{in.upstream(), {}};
  out.second.reserve(static_cast<std::size_t>(in.addresses_size()));
  for (const pb::SocketAddress& message : in.addresses()) {
    const std::size_t index = out.second.size();
    BD_READ(address, in_field(fmt::format("addresses[{}]", index), read(message)));
    if (address.port == 0) return std::unexpected(fmt::format("addresses[{}]: port 0", index));
    model::Endpoint endpoint{address};
    const int at = static_cast<int>(index);
    if (in.identities_size() > 0) endpoint.identity = in.identities(at);
    if (in.weights_size() > 0) endpoint.weight = in.weights(at);
    if (endpoint.weight == 0 || endpoint.weight > model::kEndpointWeightMax) {
      return std::unexpected(fmt::format("weights[{}]: out of range", index));
    }
    if (!out.second.empty() && !(out.second.back().address < address)) {
      return std::unexpected(fmt::format("addresses[{}]: out of order", index));
    }
    out.second.push_back(endpoint);
  }
  return out;
}

void write(const Denied& value, pb::Denied& out) {
  for (const SocketAddress& address : value.addresses) write(address, *out.add_addresses());
  out.set_allow_loopback(value.allow_loopback);
}

Read<Denied> read(const pb::Denied& in) {
  Denied out;
  out.allow_loopback = in.allow_loopback();
  for (const pb::SocketAddress& message : in.addresses()) {
    BD_READ(address, in_field(fmt::format("addresses[{}]", out.addresses.size()), read(message)));
    out.addresses.push_back(address);
  }
  return out;
}

}  // namespace bd::snapshot
