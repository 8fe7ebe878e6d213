#pragma once
// Who the request is for. Host, :authority and the authority of an absolute URI become one value,
// compared without port, case or trailing dot (invariant 7). Only this file reads a Host.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bd::http {

struct Authority {
  std::string host;                   ///< Lower case, no port, no trailing dot. IPv6 in brackets.
  std::optional<std::uint16_t> port;  ///< As sent; never used for routing.
  bool is_ip_literal = false;         ///< Routed only by rules for any host.

  /// `host[:port]` (RFC 9110 §7.2). Userinfo, spaces, lists, zone ids, 8-bit and empty hosts are
  /// bad_request. Underscores are tolerated (real clusters have them); labels ≤ 63, whole ≤ 253
  /// bytes.
  static Result<Authority> parse(std::string_view text);
  bool operator==(const Authority&) const = default;
};

}  // namespace bd::http
