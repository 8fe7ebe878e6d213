#include "http/authority.h"

#include <algorithm>

#include "base/address.h"
#include "base/ascii.h"

namespace bd::http {
namespace {

constexpr std::size_t kHostMax = 253;  // RFC 1035 §2.3.4, without the dot of the root.
constexpr std::size_t kLabelMax = 63;  // The same.

std::unexpected<Error> refuse(const char* detail) {
  return fail(Error::Code::bad_request, Party::downstream, detail);
}

constexpr bool is_hex(char c) noexcept {
  return ascii::is_digit(c) || (ascii::lower(c) >= 'a' && ascii::lower(c) <= 'f');
}

/// `[…]` around an IPv6 address. The alphabet is checked first: it leaves no room for zone ids.
bool is_ipv6_literal(std::string_view host) {
  const std::string_view inner = host.substr(1, host.size() - 2);
  const bool alphabet = std::all_of(inner.begin(), inner.end(),
                                    [](char c) { return is_hex(c) || c == ':' || c == '.'; });
  return alphabet && IpAddress::parse(host).has_value();
}

/// Letters, digits, `-`, `_` in labels of 1 to 63 bytes. Nothing else can be a rule's host, and
/// what can't be a host must not reach an upstream that would take it for something else.
bool is_name(std::string_view host) noexcept {
  if (host.empty() || host.size() > kHostMax) return false;
  std::size_t label = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!(ascii::is_alnum(c) || c == '-' || c == '_') || ++label > kLabelMax) {
      return false;
    }
  }
  return label != 0;
}

/// Resolvers take any name whose last label is a number for an IPv4 address (`127.1`, `0x7f.1`).
bool ends_in_number(std::string_view host) noexcept {
  std::string_view last = host.substr(host.rfind('.') + 1);
  if (last.starts_with("0x")) {
    last.remove_prefix(2);
    return std::all_of(last.begin(), last.end(), is_hex);
  }
  return std::all_of(last.begin(), last.end(), ascii::is_digit);
}

}  // namespace

Result<Authority> Authority::parse(std::string_view text) {
  Authority out;
  const bool bracket = text.starts_with('[');
  std::size_t end = bracket ? text.find(']') : text.find(':');
  if (bracket && end != std::string_view::npos) ++end;
  std::string_view host = text.substr(0, end);
  const std::string_view rest = text.substr(host.size());

  if (bracket) {
    if (!host.ends_with(']') || !is_ipv6_literal(host)) return refuse("host: bad address literal");
  } else {
    if (host.ends_with('.')) host.remove_suffix(1);
    if (!is_name(host)) return refuse("host: bad name");
  }
  if (rest.size() > 1) {  // A bare `:` is an empty port (RFC 3986 §3.2.3), the same as none.
    out.port = ascii::parse_decimal<std::uint16_t>(rest.substr(1));
    if (rest.size() > 6 || !out.port || *out.port == 0) return refuse("host: bad port");
  }
  if (!rest.empty() && rest.front() != ':') return refuse("host: bytes after the address");
  out.host = ascii::to_lower(host);
  out.is_ip_literal = bracket || ends_in_number(out.host);
  return out;
}

}  // namespace bd::http
