#pragma once
// proxyprotocol/ answers one question: for whom does this balancer speak? It reads and writes the
// header that stands in front of a connection's own bytes (haproxy's proxy-protocol.txt; the
// sections cited are its). Pure: which peers may, or must, send a header is the caller's to say,
// since §2 forbids to guess.
//
//   v1   PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n
//   v2   signature | version, command | family, protocol | length | addresses | TLVs

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"

namespace bd::proxyprotocol {

/// The longest line of version 1, with its CRLF (§2.1).
inline constexpr std::size_t kV1SizeMax = 107;
/// What may follow the first 16 bytes of version 2, TLVs and all. Addresses are 216 bytes at most;
/// the rest is room for a server name, a unique id and the names in a certificate.
inline constexpr std::size_t kV2LengthMax = 2048;
/// No header is longer: a buffer of this size is always enough.
inline constexpr std::size_t kHeaderSizeMax = 16 + kV2LengthMax;

/// Of TLVs in version 2 (§2.2.3): the only type that this room looks into.
inline constexpr std::uint8_t kTlvCrc32c = 0x03;

struct Header {
  bool local = false;  ///< v2 LOCAL: the sender speaks for itself, as in a health check.
  /// Both or none. None: LOCAL, UNKNOWN, UNSPEC and Unix sockets; the connection's own addresses
  /// hold then.
  std::optional<SocketAddress> source, destination;
  std::string tlvs;      ///< v2: as received, each complete. Empty for LOCAL.
  std::size_t size = 0;  ///< Bytes of the header: the connection's own begin here.
  int version = 0;       ///< 1 or 2.
  bool operator==(const Header&) const = default;
};

/// The header that `bytes`, all that a connection received so far, begin with; nullopt if more are
/// needed. The error is a static text, and is given as soon as a byte shows it, so that what is no
/// header never waits for a time-out. Datagrams are refused: nothing but TCP arrives here.
[[nodiscard]] std::expected<std::optional<Header>, const char*> parse(std::string_view bytes);

}  // namespace bd::proxyprotocol
