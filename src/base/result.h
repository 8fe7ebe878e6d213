#pragma once
// The error of one exchange. Configuration mistakes are model::Finding, bugs are BD_ASSERT.

#include <cstdint>
#include <expected>

namespace bd {

/// Who is to blame. It picks the status code and the metric label, and limits who may retry.
enum class Party : std::uint8_t { downstream, upstream, local };

/// May the exchange be tried again? `if_unsent`: only while nothing reached the upstream.
enum class Retry : std::uint8_t { never, if_unsent, always };

/// Why one exchange, or one system call, failed: small, cheap to return, complete enough to log.
struct [[nodiscard]] Error {
  enum class Code : std::uint8_t {
    bad_request,         ///< 400: malformed, or any doubt about framing
    uri_too_long,        ///< 414
    head_too_large,      ///< 431
    unsupported,         ///< 501: a transfer coding or method that we do not speak
    version,             ///< 505
    expectation,         ///< 417
    method_refused,      ///< 405: CONNECT, TRACE
    timed_out,           ///< 408 downstream, 504 upstream
    refused,             ///< connect() was refused or the address is denied
    closed,              ///< end of stream where a message was expected
    reset,               ///< connection reset
    bad_response,        ///< 502: the upstream's answer is malformed or ambiguous
    response_too_large,  ///< 502: response head above the limit
    overloaded,          ///< 503: one of our own limits
    cancelled,           ///< the door stops
    system,              ///< an errno that has no better name
  };
  Code code;
  Party party;
  Retry retry = Retry::never;
  const char* detail = "";  ///< Static storage only: an Error never owns memory.
};
static_assert(sizeof(Error) <= 16, "an Error travels in registers");

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Error::Code code, Party party,
                                                 const char* detail = "") {
  return std::unexpected(Error{code, party, Retry::never, detail});
}

}  // namespace bd
