#pragma once
// The small steps that the conversions of this room share. Included by its .cc files only.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "model/limits.h"
#include "snapshot/convert.h"

/// Declares `name` from a Read, or leaves the function with its error.
#define BD_READ(name, ...)                                                  \
  auto name##_read = (__VA_ARGS__);                                         \
  if (!name##_read) return std::unexpected(std::move(name##_read).error()); \
  auto name = *std::move(name##_read)

namespace bd::pb {
class SocketAddress;
class Tls;
}  // namespace bd::pb

namespace bd::snapshot {

/// A Kubernetes name has at most 253 bytes; an upstream's key has two of them and a directory.
inline constexpr std::size_t kNameBytesMax = 8192;

[[nodiscard]] inline bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax;
}
[[nodiscard]] constexpr bool is_port(std::uint32_t number) {
  return number > 0 && number <= 65535;
}

/// The same, with the field before the error: `routes[3].path: …`.
template <class T>
[[nodiscard]] Read<T> in_field(std::string_view field, Read<T> value) {
  if (value) return value;
  return std::unexpected(std::string(field) + "." + value.error());
}

void write(const SocketAddress& value, pb::SocketAddress& out);
[[nodiscard]] Read<SocketAddress> read(const pb::SocketAddress& in);

void write(const model::Tls& value, pb::Tls& out);
[[nodiscard]] Read<model::Tls> read(const pb::Tls& in);

/// Enumerators and what they are on the wire: one list for both ways.
template <class Value, class Wire>
struct Pairing {
  Value value;
  Wire wire;
};
template <class Value, class Wire, std::size_t N>
[[nodiscard]] constexpr Wire to_wire(const Pairing<Value, Wire> (&all)[N], Value value) {
  for (const auto& each : all) {
    if (each.value == value) return each.wire;
  }
  return Wire{};  // The unset one, which every reader refuses.
}
template <class Value, class Wire, std::size_t N>
[[nodiscard]] Read<Value> from_wire(const Pairing<Value, Wire> (&all)[N], Wire wire,
                                    std::string_view field) {
  for (const auto& each : all) {
    if (each.wire == wire) return each.value;
  }
  return std::unexpected(std::string(field) + ": not a known value");
}

/// Of a certificate or bundle.
inline bool is_unit_name(std::string_view text) {
  return !text.empty() && text.size() <= model::kCertificateNameMax;
}

}  // namespace bd::snapshot
