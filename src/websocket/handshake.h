#pragma once
// websocket/ answers what a proxy must know of RFC 6455 and no more: is this request an upgrade,
// did the upstream agree to it, and, once both became a tunnel, where does a frame end
// (frame_tracker.h)? It never looks at a payload. Pure: no sockets, no clock, no random numbers.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "http/field.h"

namespace bd::websocket {

struct Upgrade {
  std::string_view key;  ///< Sec-WebSocket-Key; a view into the fields.
};

/// Whether these fields ask for a WebSocket, and for nothing else (§4.2.1); the error is a static
/// text for the log. What the fields do not show is the caller's to check: GET, HTTP/1.1, a route
/// that allows it. A length or a coding is refused: what follows the head belongs to the tunnel.
[[nodiscard]] std::expected<Upgrade, const char*> parse_upgrade(const http::Fields& request_fields);

/// Whether the fields of a 101 agree to the upgrade with this key (§4.2.2). Only then is there a
/// tunnel: any other 101 is a response that we did not ask for.
[[nodiscard]] bool is_valid_switch(const http::Fields& response_fields, std::string_view key);

/// The value of Sec-WebSocket-Accept (§4.2.2, step 5.4): 28 characters.
[[nodiscard]] std::string accept_key(std::string_view key);

/// A key out of 128 random bits: 24 characters. HTTP/2 has none (RFC 8441 §5), so a door makes its
/// own towards an HTTP/1.1 upstream.
[[nodiscard]] std::string make_key(std::uint64_t a, std::uint64_t b);

}  // namespace bd::websocket
