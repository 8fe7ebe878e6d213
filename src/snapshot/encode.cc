// A whole door as bytes: magic, SHA-256 of the payload, payload (pb::DoorState).
//
// The checksum finds bytes that were cut or damaged on the disk. It proves no origin: who may write
// the bytes is the business of whoever keeps them.

#include <openssl/sha.h>

#include <set>

#include "snapshot/convert.h"
#include "snapshot/convert_parts.h"
#include "snapshot/snapshot.h"
#include "snapshot/snapshot.pb.h"

namespace bd::snapshot {
namespace {

constexpr std::string_view kMagic = "BDDOOR2\n";
constexpr std::size_t kHeaderBytes = kMagic.size() + SHA256_DIGEST_LENGTH;

std::string checksum(std::string_view payload) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(payload.data()), payload.size(),
         reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

Read<void> read_hosts(const pb::DoorState& in, Door& out) {
  std::set<std::string_view> listeners;
  for (const model::Listener& listener : out.exposure.listeners) listeners.insert(listener.name);
  int index = 0;
  for (const pb::DoorState::Host& message : in.hosts()) {
    const std::string field = fmt::format("hosts[{}]", index++);
    if (!listeners.contains(message.listener())) {
      return std::unexpected(field + ".listener: not one of the exposure");
    }
    BD_READ(host, in_field(field, read(message.host())));
    for (const model::Route& route : host.routes) {
      const auto* forward = std::get_if<model::Forward>(&route.action);
      if (forward != nullptr && !out.upstreams.contains(forward->upstream)) {
        return std::unexpected(fmt::format("{}: forwards to {}, which is no upstream of the door",
                                           field, forward->upstream));
      }
    }
    VirtualHostKey key{message.listener(), host.host};
    auto shared = std::make_shared<const model::VirtualHost>(std::move(host));
    if (!out.hosts.emplace(std::move(key), std::move(shared)).second) {
      return std::unexpected(field + ": there twice");
    }
  }
  return {};
}

Read<void> read_upstreams(const pb::DoorState& in, Door& out) {
  for (const pb::Upstream& message : in.upstreams()) {
    BD_READ(upstream, in_field("upstreams", read(message)));
    if (!out.upstreams.emplace(upstream.key, upstream).second) {
      return std::unexpected("upstreams: there twice: " + upstream.key);
    }
  }
  for (const pb::Endpoints& message : in.endpoints()) {
    BD_READ(list, in_field("endpoints", read(message)));
    if (!out.upstreams.contains(list.first)) {
      return std::unexpected("endpoints: of an unknown upstream: " + list.first);
    }
    if (!out.endpoints.emplace(std::move(list)).second) {
      return std::unexpected("endpoints: there twice: " + message.upstream());
    }
  }
  return {};
}

Read<void> read_tls(const pb::DoorState& in, Door& out) {
  for (const pb::Certificate& message : in.certificates()) {
    BD_READ(unit, in_field("certificates", read(message)));
    auto shared = std::make_shared<const model::Certificate>(std::move(unit.second));
    if (!out.certificates.emplace(std::move(unit.first), std::move(shared)).second) {
      return std::unexpected("certificates: there twice: " + message.name());
    }
  }
  for (const pb::ServedCertificates& message : in.served_certificates()) {
    BD_READ(unit, in_field("served_certificates", read(message)));
    if (unit.second.empty()) return std::unexpected("served_certificates: none of " + unit.first);
    if (!out.served_certificates.emplace(std::move(unit)).second) {
      return std::unexpected("served_certificates: there twice: " + message.listener());
    }
  }
  for (const pb::Bundle& message : in.bundles()) {
    BD_READ(unit, in_field("bundles", read(message)));
    auto shared = std::make_shared<const std::string>(std::move(unit.second));
    if (!out.bundles.emplace(std::move(unit.first), std::move(shared)).second) {
      return std::unexpected("bundles: there twice: " + message.name());
    }
  }
  BD_READ(ticket_keys, in_field("ticket_keys", read(in.ticket_keys())));
  out.ticket_keys = std::move(ticket_keys);
  if (in.without_keys() && (!out.certificates.empty() || !out.ticket_keys.empty())) {
    return std::unexpected(std::string("without_keys: but there are some"));
  }
  if (const auto broken = find_broken_tls(out)) {
    return std::unexpected(fmt::format("{}: {}", broken->object, broken->reason));
  }
  return {};
}

void write_tls(const Door& door, Keys keys, pb::DoorState& out) {
  for (const auto& [name, pem] : door.bundles) write(name, *pem, *out.add_bundles());
  out.set_without_keys(keys == Keys::left_out);
  if (keys == Keys::left_out) {
    for (pb::Upstream& upstream : *out.mutable_upstreams()) upstream.clear_client_certificate();
    return;
  }
  for (const auto& [name, pair] : door.certificates) write(name, *pair, *out.add_certificates());
  for (const auto& [listener, names] : door.served_certificates) {
    if (!names.empty()) write(listener, names, *out.add_served_certificates());
  }
  write(door.ticket_keys, *out.mutable_ticket_keys());
}

}  // namespace

std::string digest(std::string_view bytes) {
  std::string out;
  for (const char byte : checksum(bytes))
    out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

std::string encode(const Door& door, std::uint64_t generation, Keys keys) {
  pb::DoorState state;
  state.set_generation(generation);
  write(door.exposure, *state.mutable_exposure());
  for (const auto& [key, host] : door.hosts) {
    pb::DoorState::Host& message = *state.add_hosts();
    message.set_listener(key.listener);
    write(*host, *message.mutable_host());
  }
  for (const auto& [key, upstream] : door.upstreams) write(upstream, *state.add_upstreams());
  for (const auto& [key, endpoints] : door.endpoints) write(key, endpoints, *state.add_endpoints());
  write(Denied{door.denied, door.allow_loopback}, *state.mutable_denied());
  write_tls(door, keys, state);
  const std::string payload = state.SerializeAsString();
  std::string out;
  out.reserve(kHeaderBytes + payload.size());
  return out.append(kMagic).append(checksum(payload)).append(payload);
}

std::expected<DecodedDoor, std::string> decode(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) {
    return std::unexpected(std::string("no door snapshot of this version"));
  }
  const std::string_view payload = bytes.substr(kHeaderBytes);
  if (checksum(payload) != bytes.substr(kMagic.size(), SHA256_DIGEST_LENGTH)) {
    return std::unexpected(std::string("the checksum does not match"));
  }
  pb::DoorState state;
  if (!std::in_range<int>(payload.size()) ||
      !state.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return std::unexpected(std::string("not a DoorState message"));
  }
  auto door = std::make_shared<Door>();
  BD_READ(exposure, in_field("exposure", read(state.exposure())));
  door->exposure = std::move(exposure);
  if (auto upstreams = read_upstreams(state, *door); !upstreams) {
    return std::unexpected(std::move(upstreams).error());
  }
  if (auto hosts = read_hosts(state, *door); !hosts)
    return std::unexpected(std::move(hosts).error());
  BD_READ(denied, in_field("denied", read(state.denied())));
  door->denied = std::move(denied.addresses);
  door->allow_loopback = denied.allow_loopback;
  if (auto tls = read_tls(state, *door); !tls) return std::unexpected(std::move(tls).error());
  return DecodedDoor{std::move(door), state.generation(), state.without_keys()};
}

}  // namespace bd::snapshot
