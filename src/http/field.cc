#include "http/field.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace bd::http {
namespace {

// What a CGI-like upstream makes of a name: letters without case, every separator the same. Bytes
// that no name may hold become NUL, which equals nothing.
constexpr std::array<char, 256> kFold = [] {
  std::array<char, 256> out{};
  for (unsigned i = 0; i < 128; ++i) {
    const char c = static_cast<char>(i);
    if (ascii::is_token(c)) out[i] = ascii::is_alnum(c) ? ascii::lower(c) : '-';
  }
  return out;
}();

constexpr char fold(char c) noexcept {
  return kFold[static_cast<unsigned char>(c)];
}

struct Known {
  std::string_view name;
  FieldName id;
};

// Grouped by length, so that a name is compared with the few that it could be.
constexpr auto kKnown = [] {
  auto table = std::to_array<Known>({
      {"host", FieldName::host},
      {"connection", FieldName::connection},
      {"keep-alive", FieldName::keep_alive},
      {"proxy-connection", FieldName::proxy_connection},
      {"te", FieldName::te},
      {"trailer", FieldName::trailer},
      {"transfer-encoding", FieldName::transfer_encoding},
      {"upgrade", FieldName::upgrade},
      {"sec-websocket-key", FieldName::sec_websocket_key},
      {"sec-websocket-version", FieldName::sec_websocket_version},
      {"sec-websocket-accept", FieldName::sec_websocket_accept},
      {"content-length", FieldName::content_length},
      {"expect", FieldName::expect},
      {"x-forwarded-for", FieldName::x_forwarded_for},
      {"x-forwarded-proto", FieldName::x_forwarded_proto},
      {"x-forwarded-port", FieldName::x_forwarded_port},
      {"x-forwarded-host", FieldName::x_forwarded_host},
      {"x-forwarded-prefix", FieldName::x_forwarded_prefix},
      {"x-forwarded-server", FieldName::x_forwarded_server},
      {"x-forwarded-scheme", FieldName::x_forwarded_scheme},
      {"x-forwarded-ssl", FieldName::x_forwarded_ssl},
      {"forwarded", FieldName::forwarded},
      {"x-real-ip", FieldName::x_real_ip},
      {"x-original-url", FieldName::x_original_url},
      {"x-original-host", FieldName::x_original_host},
      {"x-rewrite-url", FieldName::x_rewrite_url},
      {"x-request-id", FieldName::x_request_id},
      {"x-amzn-trace-id", FieldName::x_amzn_trace_id},
      {"x-client-ip", FieldName::x_client_ip},
      {"true-client-ip", FieldName::true_client_ip},
      {"front-end-https", FieldName::front_end_https},
      {"x-forwarded", FieldName::other_identity},
      {"forwarded-for", FieldName::other_identity},
      {"x-original-forwarded-for", FieldName::other_identity},
      {"x-cluster-client-ip", FieldName::other_identity},
      {"x-envoy-external-address", FieldName::other_identity},
      {"cf-connecting-ip", FieldName::other_identity},
      {"fastly-client-ip", FieldName::other_identity},
      {"x-host", FieldName::other_identity},
      {"proxy", FieldName::other_identity},
      {"x-blastdoor-hop", FieldName::x_blastdoor_hop},
      {"proxy-authenticate", FieldName::proxy_authenticate},
      {"proxy-authorization", FieldName::proxy_authorization},
      {"date", FieldName::date},
      {"server", FieldName::server},
      {"content-type", FieldName::content_type},
      {"location", FieldName::location},
      {"retry-after", FieldName::retry_after},
      {"http2-settings", FieldName::http2_settings},
  });
  std::sort(table.begin(), table.end(),
            [](const Known& a, const Known& b) { return a.name.size() < b.name.size(); });
  return table;
}();

constexpr std::size_t kLongest = kKnown.back().name.size();

// kStart[n] is the first entry of length n; kStart[n + 1] is one past the last.
constexpr auto kStart = [] {
  std::array<std::uint8_t, kLongest + 2> out{};
  for (std::size_t length = 0; length < out.size(); ++length) {
    while (out[length] < kKnown.size() && kKnown[out[length]].name.size() < length) ++out[length];
  }
  return out;
}();

struct Family {
  std::string_view prefix;
  FieldName id;
};
constexpr Family kFamilies[] = {
    {"x-forwarded-", FieldName::x_forwarded_other},
    {"x-amzn-", FieldName::x_amzn_other},
    {"x-blastdoor-", FieldName::x_blastdoor_other},
};

struct Reason {
  int status;
  std::string_view phrase;
};

// RFC 9110 §15; 428, 429, 431 and 511 of RFC 6585; 508 of RFC 5842, for a request that met its own
// hop.
constexpr Reason kReasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

/// `name` is at least as long as `folded`.
bool starts_folded(std::string_view name, std::string_view folded) noexcept {
  for (std::size_t i = 0; i < folded.size(); ++i) {
    if (fold(name[i]) != folded[i]) return false;
  }
  return true;
}

}  // namespace

FieldName field_name(std::string_view name) noexcept {
  if (name.empty()) return FieldName::other;
  if (name.size() <= kLongest) {
    for (std::size_t i = kStart[name.size()]; i < kStart[name.size() + 1]; ++i) {
      if (starts_folded(name, kKnown[i].name)) return kKnown[i].id;
    }
  }
  if (fold(name.front()) != 'x') return FieldName::other;
  for (const Family& family : kFamilies) {
    if (name.size() > family.prefix.size() && starts_folded(name, family.prefix)) return family.id;
  }
  return FieldName::other;
}

bool is_look_alike(const Field& field) noexcept {
  return field.id != FieldName::other &&
         !std::all_of(field.name.begin(), field.name.end(),
                      [](char c) { return ascii::is_alnum(c) || c == '-'; });
}

const Field* find(const Fields& fields, FieldName id) noexcept {
  for (const Field& field : fields) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

Method parse_method(std::string_view token) noexcept {
  if (token == "GET") return Method::get;
  if (token == "POST") return Method::post;
  if (token == "HEAD") return Method::head;
  if (token == "PUT") return Method::put;
  if (token == "DELETE") return Method::del;
  if (token == "PATCH") return Method::patch;
  if (token == "OPTIONS") return Method::options;
  if (token == "TRACE" || token == "TRACK") return Method::trace;  // TRACK is IIS's name for it.
  if (token == "CONNECT") return Method::connect;
  if (token == "PRI") return Method::pri;
  return Method::other;
}

bool is_idempotent(Method method) noexcept {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::del:
    case Method::options:
    case Method::trace:
      return true;
    case Method::post:
    case Method::patch:
    case Method::connect:
    case Method::pri:
    case Method::other:
      return false;
  }
  return false;
}

std::string_view reason_phrase(int status) noexcept {
  const auto* const found =
      std::lower_bound(std::begin(kReasons), std::end(kReasons), status,
                       [](const Reason& reason, int wanted) { return reason.status < wanted; });
  return found != std::end(kReasons) && found->status == status ? found->phrase
                                                                : std::string_view();
}

}  // namespace bd::http
