#pragma once
// The header that we put in front of a connection to an upstream that asks for one (§2).

#include <string>
#include <string_view>

#include "base/address.h"

namespace bd::proxyprotocol {

/// One line. Version 1 can't name addresses of two families together: that is kV1Unknown.
[[nodiscard]] std::string write_v1(const SocketAddress& source, const SocketAddress& destination);
/// Addresses of two families both go as IPv6, the other one mapped (::ffff:a.b.c.d).
[[nodiscard]] std::string write_v2(const SocketAddress& source, const SocketAddress& destination);

/// For connections on nobody's behalf, such as health checks. For version 1 §2.1 advises to name
/// the connection's own addresses instead, since some receivers refuse this line.
inline constexpr std::string_view kV1Unknown = "PROXY UNKNOWN\r\n";

}  // namespace bd::proxyprotocol
