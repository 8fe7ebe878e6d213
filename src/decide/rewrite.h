#pragma once
// Heads as they are sent on: regenerated from the parsed message, byte by byte, after everything
// that belongs to one hop or claims an identity was taken out and the listener's own facts were put
// in.

#include <cstdint>
#include <string>
#include <string_view>

#include "decide/decide.h"
#include "http/field.h"

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

/// Appends the head of an HTTP/1.1 request for the upstream: request line to empty line.
void append_request_head(std::string& out, const Listener& listener, const Request& request,
                         std::string_view method, const Decision& decision, BodyFraming framing,
                         const RequestId& id);

struct ResponseRewrite {
  int status = 200;
  std::string_view reason;  ///< Empty: that of RFC 9110.
  const http::Fields* fields = nullptr;
  BodyFraming framing;
  bool keep_content_length =
      false;                   ///< HEAD, 304: Content-Length is passed on though no body follows.
  bool close = false;          ///< Announce `Connection: close`.
  bool http10_client = false;  ///< Announce `Connection: keep-alive` if it persists.
};
/// Appends the head of a response for the client.
void append_response_head(std::string& out, const ResponseRewrite& response);

}  // namespace bd::decide
