#include "http/target.h"

#include <array>

#include "base/ascii.h"

namespace bd::http {
namespace {

constexpr auto npos = std::string_view::npos;

std::unexpected<Error> refuse(const char* detail) {
  return fail(Error::Code::bad_request, Party::downstream, detail);
}

enum class Byte : std::uint8_t { plain, refused, percent, dot };

constexpr std::array<Byte, 256> kPathByte = [] {
  std::array<Byte, 256> out{};
  for (unsigned i = 0; i < 256; ++i) {
    if (i <= 0x20 || i >= 0x7f) out[i] = Byte::refused;
  }
  for (const char c : {'\\', '#', '?'}) out[static_cast<unsigned char>(c)] = Byte::refused;
  out['%'] = Byte::percent;
  out['.'] = Byte::dot;
  return out;
}();

Byte path_byte(char c) noexcept {
  return kPathByte[static_cast<unsigned char>(c)];
}

constexpr bool is_unreserved(char c) noexcept {
  return ascii::is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

constexpr int hex_value(char c) noexcept {
  if (ascii::is_digit(c)) return c - '0';
  c = ascii::lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// The byte that the escape at `i` stands for, or -1.
int escaped_byte(std::string_view text, std::size_t i) noexcept {
  if (text.size() - i < 3 || text[i] != '%') return -1;
  const int high = hex_value(text[i + 1]);
  const int low = hex_value(text[i + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/// Escapes that some upstream would decode into a separator, an end of string or a dot segment.
/// Overlong UTF-8 spells ASCII in two to four bytes; what a valid sequence can't start with is
/// enough.
bool is_refused_escape(std::string_view text, std::size_t i) noexcept {
  const int byte = escaped_byte(text, i);
  if (byte <= 0 || byte == '/' || byte == '\\' || byte == 0xc0 || byte == 0xc1) return true;
  const int next = text.size() - i > 3 ? escaped_byte(text, i + 3) : -1;
  if (byte == 0xe0) return next >= 0x80 && next < 0xa0;
  if (byte == 0xf0) return next >= 0x80 && next < 0x90;
  return false;
}

constexpr bool is_upper_hex(char c) noexcept {
  return ascii::is_digit(c) || (c >= 'A' && c <= 'F');
}

enum class Segment : std::uint8_t { plain, here, up, refused };

/// Servlet containers cut `;…` off before they resolve dots, so `..;` is a dot segment to them.
Segment segment_kind(std::string_view segment) noexcept {
  if (segment.empty() || segment.front() != '.') return Segment::plain;
  const std::size_t dots = segment.starts_with("..") ? 2 : 1;
  if (segment.size() == dots) return dots == 2 ? Segment::up : Segment::here;
  return segment[dots] == ';' ? Segment::refused : Segment::plain;
}

std::string_view segment_at(std::string_view path, std::size_t begin) noexcept {
  return path.substr(begin, path.find('/', begin) - begin);
}

/// Decodes unreserved escapes and puts the others in upper case. False if anything is refused.
bool decode(std::string_view raw, std::string& out) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    switch (path_byte(raw[i])) {
      case Byte::refused:
        return false;
      case Byte::plain:
      case Byte::dot:
        out += raw[i];
        break;
      case Byte::percent: {
        if (is_refused_escape(raw, i)) return false;
        const auto byte = static_cast<unsigned>(escaped_byte(raw, i));
        if (is_unreserved(static_cast<char>(byte))) {
          out += static_cast<char>(byte);
        } else {
          out += '%';
          out += digits[byte / 16];
          out += digits[byte % 16];
        }
        i += 2;
        break;
      }
    }
  }
  return true;
}

/// RFC 3986 §5.2.4. Empty segments are segments: `/a//..` is `/a/`.
Result<std::string> remove_dot_segments(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t slash = 0; slash < path.size();) {
    const std::string_view segment = segment_at(path, slash + 1);
    const std::size_t next = slash + 1 + segment.size();
    switch (segment_kind(segment)) {
      case Segment::plain:
        out.append(path, slash, next - slash);
        break;
      case Segment::refused:
        return refuse("path: dot segment with parameters");
      case Segment::up:
        if (!out.empty()) out.resize(out.rfind('/'));
        [[fallthrough]];
      case Segment::here:
        if (next == path.size()) out += '/';
        break;
    }
    slash = next;
  }
  if (out.empty()) out = "/";
  return out;
}

bool is_query(std::string_view query) noexcept {
  for (const char c : query) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '#') return false;
  }
  return true;
}

/// The length of `http://` or `https://` in front, or 0.
std::size_t scheme_length(std::string_view raw) noexcept {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (ascii::equal_fold(raw.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

}  // namespace

bool is_normal_path(std::string_view raw) noexcept {
  if (!raw.starts_with('/')) return false;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    switch (path_byte(raw[i])) {
      case Byte::plain:
        break;
      case Byte::refused:
        return false;
      case Byte::dot:
        if (raw[i - 1] == '/' && segment_kind(segment_at(raw, i)) != Segment::plain) return false;
        break;
      case Byte::percent:
        if (is_refused_escape(raw, i) || is_unreserved(static_cast<char>(escaped_byte(raw, i))) ||
            !is_upper_hex(raw[i + 1]) || !is_upper_hex(raw[i + 2])) {
          return false;
        }
        i += 2;
        break;
    }
  }
  return true;
}

Result<std::string> normalize_path(std::string_view raw) {
  if (is_normal_path(raw)) return std::string(raw);
  if (!raw.starts_with('/')) return refuse("path: no leading slash");
  std::string decoded;
  if (!decode(raw, decoded)) return refuse("path: forbidden byte or escape");
  return remove_dot_segments(decoded);
}

std::string_view merge_slashes(std::string_view path, std::string& storage) {
  const std::size_t first = path.find("//");
  if (first == npos) return path;
  storage.assign(path, 0, first);
  for (std::size_t i = first; i < path.size(); ++i) {
    if (path[i] != '/' || storage.empty() || storage.back() != '/') storage += path[i];
  }
  return storage;
}

Result<Target> Target::parse(Method method, std::string_view raw) {
  if (method == Method::connect) return refuse("target: authority-form");
  Target out;
  if (raw == "*") {
    if (method != Method::options) return refuse("target: asterisk-form");
    out.path = raw;
    return out;
  }
  if (const std::size_t scheme = scheme_length(raw); scheme != 0) {
    raw.remove_prefix(scheme);
    const std::size_t end = std::min(raw.find_first_of("/?#"), raw.size());
    Result<Authority> authority = Authority::parse(raw.substr(0, end));
    if (!authority) return std::unexpected(authority.error());
    out.authority = std::move(*authority);
    raw.remove_prefix(end);
    if (raw.empty() || raw.front() == '?') {
      // RFC 9112 §3.2.4: OPTIONS of a URI with no path and no query is about the server.
      out.path = raw.empty() && method == Method::options ? "*" : "/";
    }
  }
  const std::size_t question = std::min(raw.find('?'), raw.size());
  if (out.path.empty()) {
    Result<std::string> path = normalize_path(raw.substr(0, question));
    if (!path) return std::unexpected(path.error());
    out.path = std::move(*path);
  }
  out.query = raw.substr(question);
  if (!is_query(out.query)) return refuse("query: forbidden byte");
  return out;
}

Result<Authority> effective_authority(const Target& target, std::string_view host_field) {
  if (host_field.empty()) {  // HTTP/1.0 only: the parser refuses it in 1.1.
    if (target.authority) return *target.authority;
    return refuse("host: none");
  }
  Result<Authority> host = Authority::parse(host_field);
  if (host && target.authority && *host != *target.authority) {
    return refuse("host: differs from the target's authority");
  }
  return host;
}

}  // namespace bd::http
