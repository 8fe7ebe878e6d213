#pragma once
// Field names and field lists, protocol neutral. A Field is two views into a buffer that somebody
// else holds for the life of the message.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace bd::http {

/// The names that the proxy itself must know. `other` is everything else.
enum class FieldName : std::uint8_t {
  other,
  host,
  connection,
  keep_alive,
  proxy_connection,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  sec_websocket_key,
  sec_websocket_version,
  sec_websocket_accept,
  content_length,
  expect,
  x_forwarded_for,
  x_forwarded_proto,
  x_forwarded_port,
  x_forwarded_host,
  x_forwarded_prefix,
  x_forwarded_server,
  x_forwarded_scheme,
  x_forwarded_ssl,
  x_forwarded_other,
  forwarded,
  x_real_ip,
  x_original_url,
  x_original_host,
  x_rewrite_url,
  x_request_id,
  x_amzn_trace_id,
  x_amzn_other,
  x_client_ip,
  true_client_ip,
  front_end_https,
  other_identity,
  x_blastdoor_hop,
  x_blastdoor_other,
  proxy_authenticate,
  proxy_authorization,
  date,
  server,
  content_type,
  location,
  retry_after,
  http2_settings,
};

/// Case-folded, and every separator of a token (`_`, `.`, …) is a `-`: `X_Forwarded_For` is
/// x_forwarded_for too, so that no look-alike of a name that we write gets past us.
/// (`other_identity`: further names under which a client's address or host is claimed, and Proxy,
/// which CGI turns into HTTP_PROXY. `x_forwarded_other`: any other X-Forwarded-*; `x_amzn_other`:
/// any other X-Amzn-*; `x_blastdoor_other`: any other X-Blastdoor-*.)
[[nodiscard]] FieldName field_name(std::string_view name) noexcept;

struct Field {
  std::string_view name;   ///< As received.
  std::string_view value;  ///< Without leading and trailing OWS.
  FieldName id = FieldName::other;
};

/// True if the name is an id's only after folding its separators: `X_Forwarded_For`. Never what a
/// balancer wrote.
[[nodiscard]] bool is_look_alike(const Field& field) noexcept;

/// All fields of a message in order of arrival.
using Fields = std::vector<Field>;

/// The value of the only field with this name; null if there is none. (Duplicates of those that
/// must be single were refused by the parser.)
[[nodiscard]] const Field* find(const Fields& fields, FieldName id) noexcept;

enum class Method : std::uint8_t {
  get,
  head,
  post,
  put,
  del,
  patch,
  options,
  trace,
  connect,
  pri,  ///< Reserved for the preface of HTTP/2 (RFC 9113 §11.6): "never used by an actual client".
  other
};
[[nodiscard]] Method parse_method(
    std::string_view token) noexcept;  ///< Case-sensitive. TRACK is trace too.
/// RFC 9110 §9.2.2.
[[nodiscard]] bool is_idempotent(Method method) noexcept;

/// The reason phrase of RFC 9110 §15; empty if unknown.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace bd::http
