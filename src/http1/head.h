#pragma once
// HTTP/1.1 message heads, bytes to values (RFC 9112). Pure: no sockets, no clock, no allocation per
// field once warm. Strict: any doubt about framing is an error, and the caller closes (invariant
// 6).

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "http/field.h"
#include "http1/section_reader.h"

namespace bd::http1 {

/// How a message ends (RFC 9112 §6.3).
struct Framing {
  enum class Kind : std::uint8_t { none, length, chunked, until_close };
  Kind kind = Kind::none;
  std::uint64_t length = 0;  ///< Of Kind::length, > 0 (a length of 0 is Kind::none).
};

/// Views point into the bytes that were parsed; they live as long as those stay in place.
struct RequestHead {
  http::Method method = http::Method::other;
  std::string_view method_text;
  std::string_view target;  ///< Raw.
  std::string_view host;    ///< The one Host value; empty only in HTTP/1.0.
  int minor_version = 1;    ///< HTTP/1.<minor>: 0 or 1.
  bool keep_alive = true;   ///< Connection persists after this message as far as the peer says.
  bool expect_continue = false;     ///< 1.1 only, and only if a body follows.
  bool has_content_length = false;  ///< A Content-Length field was there (also `0`).
  Framing body;
  http::Fields fields;
};

struct ResponseHead {
  int status = 0;  ///< 100-599
  std::string_view reason;
  int minor_version = 1;
  bool keep_alive = true;
  bool has_content_length = false;
  std::uint64_t content_length = 0;
  Framing body;
  http::Fields fields;
};

/// Feeds a growing buffer. Call parse() with all bytes received so far each time more arrive, from
/// the first byte of the head, and with the same `out`; it remembers how far it looked. The buffer
/// may move between calls; `out` is valid only when the head is complete. Then the parser is ready
/// for the next one. Returns the size of the head in bytes when complete, nullopt when more is
/// needed, or an Error (Party::downstream; codes bad_request, uri_too_long, head_too_large,
/// version, unsupported, expectation). One leading CRLF before a request line is skipped (RFC 9112
/// §2.2) and counted in the size. Errors are found as early as the byte that shows them where that
/// is cheap: a bare LF, a control byte, a bad first line must not wait for the end of the head.
class RequestParser {
 public:
  explicit RequestParser(const HeadLimits& limits) : limits_(limits) {}
  [[nodiscard]] Result<std::optional<std::size_t>> parse(std::string_view bytes, RequestHead& out);
  void reset() noexcept { reader_.reset(); }

 private:
  HeadLimits limits_;
  SectionReader reader_{/*blank_line_allowed=*/true};
};

/// The same for responses (Party::upstream; codes bad_response, response_too_large). `method` is
/// that of the request: HEAD, 1xx, 204, 304 have no body whatever the fields say (RFC 9112 §6.3).
/// Refused: CL with TE, several lengths (also equal ones), any coding but one `chunked` in 1.1,
/// obs-fold, bare LF, names that are no tokens. 101 is returned as a head for the caller to judge.
class ResponseParser {
 public:
  explicit ResponseParser(const HeadLimits& limits) : limits_(limits) {}
  [[nodiscard]] Result<std::optional<std::size_t>> parse(std::string_view bytes,
                                                         http::Method method, ResponseHead& out);
  void reset() noexcept { reader_.reset(); }

 private:
  HeadLimits limits_;
  SectionReader reader_{/*blank_line_allowed=*/false};
};

}  // namespace bd::http1
