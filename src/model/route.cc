#include "model/route.h"

#include <algorithm>
#include <tuple>

#include "base/ascii.h"
#include "http/cookie.h"
#include "http/target.h"
#include "model/limits.h"

namespace bd::model {
namespace {

using Failure = std::unexpected<std::string>;

constexpr std::size_t kLabelMax = 63;      // RFC 1035 §2.3.4.
constexpr std::size_t kHostNameMax = 253;  // The same, as text.

bool is_label(std::string_view text) {
  const auto inside = [](char c) { return ascii::is_alnum(c) || c == '-' || c == '_'; };
  return !text.empty() && text.size() <= kLabelMax && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, inside);
}

/// Digits and dots only is an address to somebody (inet_aton takes 127.1 and 2130706433), never a
/// name.
bool is_address(std::string_view text) {
  const auto numeric = [](char c) { return ascii::is_digit(c) || c == '.'; };
  return IpAddress::parse(text).has_value() || std::ranges::all_of(text, numeric);
}

/// What is wrong with a lower-case host name without its trailing dot; empty if it is one.
std::string mistake_in_name(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.contains('/')) return "must be a name alone, without scheme and path";
  if (is_address(name)) return "must be a DNS name, not an IP address; leave it out for any host";
  if (name.contains(':')) {
    return "must be a name without a port: the exposure's listener decides the port";
  }
  if (name.contains('*')) return "may have '*' only as its whole first label: *.example.com";
  if (name.size() > kHostNameMax) return fmt::format("is longer than {} characters", kHostNameMax);
  for (std::string_view rest = name;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (!is_label(label)) {
      return fmt::format(
          "has the label '{}'; a label is 1 to {} letters, digits, '-' or '_', with no "
          "'-' at either end",
          label, kLabelMax);
    }
    if (dot == std::string_view::npos) return {};
    rest.remove_prefix(dot + 1);
  }
}

bool has_dot_segment(std::string_view path) {
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    std::string_view segment = path.substr(at, slash - at);
    std::size_t dots = 0;
    while (!segment.empty()) {
      const std::size_t size = segment.front() == '.'                           ? 1
                               : ascii::equal_fold(segment.substr(0, 3), "%2e") ? 3
                                                                                : 0;
      if (size == 0) break;
      segment.remove_prefix(size);
      ++dots;
    }
    if (segment.empty() && (dots == 1 || dots == 2)) return true;
    at = slash + 1;
  }
  return false;
}

}  // namespace

std::expected<HostPattern, std::string> HostPattern::parse(std::string_view text) {
  HostPattern out;
  if (text.empty()) return out;
  std::string name = ascii::to_lower(text);
  if (name.size() > 1 && name.ends_with('.')) name.pop_back();
  out.kind = Kind::exact;
  if (name == "*")
    return Failure("must name a domain after '*': *.example.com; leave it out for any host");
  if (name.starts_with("*.")) {
    out.kind = Kind::wildcard;
    name.erase(0, 2);
  }
  std::string mistake = mistake_in_name(name);
  if (!mistake.empty()) return Failure(std::move(mistake));
  out.name = std::move(name);
  return out;
}

std::string HostPattern::text() const {
  switch (kind) {
    case Kind::exact:
      return name;
    case Kind::wildcard:
      return "*." + name;
    case Kind::any:
      return "*";
  }
  return {};
}

bool HostPattern::matches(std::string_view host, bool is_ip_literal) const noexcept {
  if (kind == Kind::any) return true;
  if (is_ip_literal) return false;
  if (kind == Kind::exact) return host == name;
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && host.substr(dot + 1) == name;
}

std::expected<PathPattern, std::string> PathPattern::parse(Kind kind, std::string_view text) {
  if (!text.starts_with('/')) return Failure("must begin with '/'");
  if (text.size() > kPathBytesMax) {
    return Failure(fmt::format("is longer than {} bytes", kPathBytesMax));
  }
  if (text.contains('?'))
    return Failure("must not have a query: routes are matched on the path alone");
  if (has_dot_segment(text)) return Failure("must not have the elements '.' or '..'");
  const auto normal = http::normalize_path(text);
  if (!normal) return Failure(fmt::format("can match no request: {}", normal.error().detail));
  std::string storage;
  PathPattern out{kind, std::string(http::merge_slashes(*normal, storage))};
  if (kind == Kind::prefix && out.path.size() > 1 && out.path.ends_with('/')) out.path.pop_back();
  return out;
}

bool PathPattern::matches(std::string_view normal_path) const noexcept {
  if (kind == Kind::exact) return normal_path == path;
  if (!normal_path.starts_with(path)) return false;
  return path == "/" || normal_path.size() == path.size() || normal_path[path.size()] == '/';
}

bool matches_before(const Route& a, const Route& b) {
  const auto rank = [](const Route& route) {
    return std::tuple(-static_cast<std::ptrdiff_t>(route.path.path.size()), route.path.kind,
                      std::string_view(route.path.path));
  };
  return rank(a) < rank(b);
}

std::string hash_key_text(const Balance& balance) {
  switch (balance.key) {
    case HashKey::client_address:
      break;
    case HashKey::header:
      return "header " + balance.key_name;
    case HashKey::cookie:
      return "cookie " + balance.key_name;
  }
  return "client-address";
}

bool parse_hash_key(std::string_view text, Balance& out) {
  const auto take = [&](std::string_view prefix, HashKey key) {
    if (!text.starts_with(prefix)) return false;
    const std::string_view name = text.substr(prefix.size());
    if (name.size() > 256 || !http::is_cookie_name(name)) return false;  // Both are tokens.
    out.key = key;
    out.key_name = key == HashKey::header ? ascii::to_lower(name) : std::string(name);
    return true;
  };
  if (text == "client-address") {
    out.key = HashKey::client_address;
    out.key_name.clear();
    return true;
  }
  return take("header ", HashKey::header) || take("cookie ", HashKey::cookie);
}

}  // namespace bd::model
