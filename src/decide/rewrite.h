#pragma once
// Heads as they are sent on: regenerated from the parsed message, byte by byte, after everything
// that belongs to one hop or claims an identity was taken out and the listener's own facts were put
// in.

#include <cstdint>
#include <string>
#include <string_view>

#include "decide/decide.h"
#include "http/field.h"
#include "http/field_list.h"

namespace bd::decide {

/// 128 random bits as 32 hex digits.
struct RequestId {
  char text[32];
  [[nodiscard]] std::string_view view() const { return {text, sizeof text}; }
  static RequestId make(std::uint64_t a, std::uint64_t b) noexcept;
};

/// How the body travels on the next hop.
struct BodyFraming {
  enum class Kind : std::uint8_t { none, length, chunked, until_close } kind = Kind::none;
  std::uint64_t length = 0;
};

struct RequestRewrite {
  const Listener& listener;
  const Request& request;
  std::string_view method;
  const Decision& decision;
  const RequestId& id;
  BodyFraming framing;
  bool websocket = false;  ///< Ask for the upgrade (RFC 6455 §4.1).
  /// With `websocket`, for a client that had no key of its own (RFC 8441 §5).
  std::string_view websocket_key;
};
/// Appends the head of an HTTP/1.1 request for the upstream: request line to empty line.
void append_request_head(std::string& out, const RequestRewrite& rewrite);
/// The same for HTTP/2: pseudo-fields first. Not for websockets.
void append_request_fields(http::FieldList& out, const RequestRewrite& rewrite);

struct ResponseRewrite {
  int status = 200;
  std::string_view reason;  ///< Empty: that of RFC 9110.
  const http::Fields* fields = nullptr;
  BodyFraming framing;
  /// HEAD, 204, 304: no body, whatever `framing` says; but for 204 it is passed on what a GET's
  /// length would be, if the upstream said so.
  bool bodiless = false;
  std::string_view set_cookie;  ///< A Set-Cookie of ours; empty: none.
  bool websocket = false;      ///< 101: the upgrade stands.
  bool close = false;          ///< Announce `Connection: close`.
  bool http10_client = false;  ///< Announce `Connection: keep-alive` if it persists.
};
/// Appends the head of a response for the client.
void append_response_head(std::string& out, const ResponseRewrite& response);
/// The same for HTTP/2, without :status.
void append_response_fields(http::FieldList& out, const ResponseRewrite& response);

/// May this field stand in a trailer section that is passed on? (RFC 9110 §6.5.1: nothing that
/// frames, routes, authenticates or describes the content.)
[[nodiscard]] bool passes_in_trailer(const http::Field& field);

}  // namespace bd::decide
