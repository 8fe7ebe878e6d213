#pragma once
// Units as messages and back. The feed sends them one by one, encode() all together.
//
// write() can't fail. read() treats the message as untrusted bytes: its value obeys every rule that
// the compiler keeps (known enums, normal paths, routes in matching order, sorted endpoints,
// bounds), or there is an error that says which field broke one. The message types are declared
// here and defined in "snapshot/snapshot.pb.h", which only .cc files include.

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "snapshot/snapshot.h"

namespace bd::pb {
class Denied;
class Endpoints;
class Exposure;
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

}  // namespace bd::snapshot
