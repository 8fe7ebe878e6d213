#pragma once
// Units as messages and back. The feed sends them one by one, encode() all together.
//
// write() can't fail. read() treats the message as untrusted bytes: its value obeys every rule that
// the compiler keeps (known enums, normal paths, routes in matching order, sorted endpoints,
// bounds), or there is an error that says which field broke one. The message types are declared
// here and defined in "snapshot/snapshot.pb.h", which only .cc files include.

#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "snapshot/snapshot.h"

namespace bd::pb {
class Bundle;
class Certificate;
class Denied;
class Endpoints;
class Exposure;
class ServedCertificates;
class TicketKeys;
class Upstream;
class VirtualHost;
class VirtualHostKey;
}  // namespace bd::pb

namespace bd::snapshot {

template <class T>
using Read = std::expected<T, std::string>;

void write(const model::Exposure& value, pb::Exposure& out);
[[nodiscard]] Read<model::Exposure> read(const pb::Exposure& in);

void write(const VirtualHostKey& value, pb::VirtualHostKey& out);
[[nodiscard]] Read<VirtualHostKey> read(const pb::VirtualHostKey& in);

void write(const model::VirtualHost& value, pb::VirtualHost& out);
[[nodiscard]] Read<model::VirtualHost> read(const pb::VirtualHost& in);

void write(const model::Upstream& value, pb::Upstream& out);
[[nodiscard]] Read<model::Upstream> read(const pb::Upstream& in);

/// An upstream's key and its endpoint list.
using UpstreamEndpoints = std::pair<std::string, std::vector<model::Endpoint>>;
void write(const std::string& upstream, const std::vector<model::Endpoint>& value,
           pb::Endpoints& out);
[[nodiscard]] Read<UpstreamEndpoints> read(const pb::Endpoints& in);

/// What must never be connected to: Door::denied and Door::allow_loopback.
struct Denied {
  std::vector<SocketAddress> addresses;
  bool allow_loopback = false;
  bool operator==(const Denied&) const = default;
};
void write(const Denied& value, pb::Denied& out);
[[nodiscard]] Read<Denied> read(const pb::Denied& in);

/// A unit and the name that it goes by.
template <class T>
using Named = std::pair<std::string, T>;

void write(const std::string& name, const model::Certificate& value, pb::Certificate& out);
[[nodiscard]] Read<Named<model::Certificate>> read(const pb::Certificate& in);

/// A listener and the names of the certificates that it serves; possibly none.
void write(const std::string& listener, const std::vector<std::string>& names,
           pb::ServedCertificates& out);
[[nodiscard]] Read<Named<std::vector<std::string>>> read(const pb::ServedCertificates& in);

void write(const std::string& name, const std::string& pem, pb::Bundle& out);
[[nodiscard]] Read<Named<std::string>> read(const pb::Bundle& in);

void write(const std::vector<std::string>& ticket_keys, pb::TicketKeys& out);
[[nodiscard]] Read<std::vector<std::string>> read(const pb::TicketKeys& in);

/// What names something that is not there, or is too much: certificates, bundles and who refers to
/// them. Nothing: the door is whole.
struct BrokenTls {
  std::string object, reason;
};
[[nodiscard]] std::optional<BrokenTls> find_broken_tls(const Door& door);

}  // namespace bd::snapshot
