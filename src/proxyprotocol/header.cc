#include "proxyprotocol/header.h"

#include <algorithm>

#include "base/ascii.h"
#include "proxyprotocol/wire.h"

namespace bd::proxyprotocol {
namespace {

using Parsed = std::expected<std::optional<Header>, const char*>;

/// Nothing in `bytes` contradicts that they begin with `literal`; they may end within it.
bool may_start(std::string_view bytes, std::string_view literal) {
  return bytes.substr(0, literal.size()) == literal.substr(0, bytes.size());
}

// ---- Version 1 (§2.1): a line of words.

constexpr std::string_view kUnknown = "PROXY UNKNOWN";
constexpr std::string_view kLine4 = "PROXY TCP4 ";
constexpr std::string_view kLine6 = "PROXY TCP6 ";

/// An address as its family writes it. IPv6 with a dotted tail is what inet_ntop() makes of a
/// mapped address, so senders write that too.
std::optional<IpAddress> parse_address(std::string_view word, bool v6) {
  const auto fits = [v6](char c) {
    return ascii::is_digit(c) || c == '.' ||
           (v6 && (c == ':' || (ascii::lower(c) >= 'a' && ascii::lower(c) <= 'f')));
  };
  if (!std::all_of(word.begin(), word.end(), fits)) return std::nullopt;
  if (v6 != (word.find(':') != std::string_view::npos)) return std::nullopt;
  return IpAddress::parse(word);
}

/// Whether an address can begin with `word`. One can if one of these ends makes it whole: zeros for
/// what is missing of a dotted one, or a double colon.
bool may_become_address(std::string_view word, bool v6) {
  constexpr std::string_view ends[] = {"",      "0",      ".0",      "0.0", ".0.0",
                                       "0.0.0", ".0.0.0", "0.0.0.0", ":",   "::"};
  return std::any_of(std::begin(ends), std::end(ends), [&](std::string_view end) {
    return parse_address(std::string(word).append(end), v6).has_value();
  });
}

std::optional<std::uint16_t> parse_port(std::string_view word) {
  if (word.size() > 1 && word.front() == '0') return std::nullopt;  // Octal to somebody.
  return ascii::parse_decimal<std::uint16_t>(word);
}

/// The four words after the protocol. `ended`: the CR was seen, and `words` are all.
Parsed parse_words(std::string_view words, bool v6, bool ended) {
  SocketAddress ends[2];
  for (unsigned i = 0; i < 4; ++i) {
    const bool is_last = i == 3;
    // The last word is all the rest: a space in it is as wrong as any other byte.
    const std::size_t space = is_last ? std::string_view::npos : words.find(' ');
    const std::string_view word = words.substr(0, space);
    const bool is_whole = is_last ? ended : space != std::string_view::npos;
    if (i < 2) {
      const auto address = parse_address(word, v6);
      if (is_whole ? !address : !may_become_address(word, v6)) {
        return std::unexpected("PROXY v1: no address of the line's family");
      }
      if (address) ends[i].ip = *address;
    } else {
      const auto port = parse_port(word);
      if (!port && (is_whole || !word.empty())) return std::unexpected("PROXY v1: no port");
      ends[i - 2].port = port.value_or(0);
    }
    if (!is_whole) {
      if (ended) return std::unexpected("PROXY v1: the line ends too early");
      return std::nullopt;
    }
    if (!is_last) words.remove_prefix(space + 1);
  }
  return Header{.source = ends[0], .destination = ends[1]};
}

/// What stands before the CR, or as much of it as there is.
Parsed parse_text(std::string_view text, bool ended) {
  if (text.starts_with(kLine4)) return parse_words(text.substr(kLine4.size()), false, ended);
  if (text.starts_with(kLine6)) return parse_words(text.substr(kLine6.size()), true, ended);
  if (text.starts_with(kUnknown)) {
    // What follows is to be ignored. Only text is, so that nobody finds another line in it.
    const std::string_view ignored = text.substr(kUnknown.size());
    if (!ignored.empty() && ignored.front() != ' ') {
      return std::unexpected("PROXY v1: unknown protocol");
    }
    if (!std::all_of(ignored.begin(), ignored.end(), [](char c) { return c >= ' ' && c <= '~'; })) {
      return std::unexpected("PROXY v1: not a line of text");
    }
    if (ended) return Header{};
    return std::nullopt;
  }
  if (!may_start(text, "PROXY ")) return std::unexpected("not a PROXY header");
  const bool is_open =
      may_start(text, kLine4) || may_start(text, kLine6) || may_start(text, kUnknown);
  if (!is_open) return std::unexpected("PROXY v1: unknown protocol");
  if (ended) return std::unexpected("PROXY v1: the line ends too early");
  return std::nullopt;
}

Parsed parse_v1(std::string_view bytes) {
  constexpr std::size_t text_max = kV1SizeMax - 2;
  const std::size_t cr = bytes.substr(0, text_max + 1).find('\r');
  const bool ended = cr != std::string_view::npos;
  auto parsed = parse_text(bytes.substr(0, ended ? cr : text_max), ended);
  if (!parsed) return parsed;
  if (!ended) {
    if (bytes.size() > text_max) return std::unexpected("PROXY v1: the line is too long");
    return std::nullopt;
  }
  if (bytes.size() == cr + 1) return std::nullopt;
  if (bytes[cr + 1] != '\n') return std::unexpected("PROXY v1: CR without LF");
  (*parsed)->size = cr + 2;
  (*parsed)->version = 1;
  return parsed;
}

// ---- Version 2 (§2.2): bytes in network order.

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

/// The number in the two bytes at `at`, or the least that it can be while one is missing.
std::size_t least_number(std::string_view bytes, std::size_t at) {
  std::size_t out = 0;
  if (at < bytes.size()) out = byte_at(bytes, at) << 8;
  if (at + 1 < bytes.size()) out |= byte_at(bytes, at + 1);
  return out;
}

/// What is wrong with version, command, family and protocol, as far as they are there, or null.
const char* check_kind(std::string_view bytes) {
  if (bytes.size() > 12) {
    const unsigned version = byte_at(bytes, 12);
    if (version >> 4 != 2) return "PROXY v2: unknown version";
    if (version != kVersionLocal && version != kVersionProxy) return "PROXY v2: unknown command";
  }
  if (bytes.size() > 13) {
    const unsigned kind = byte_at(bytes, 13);
    if (kind >> 4 > 3 || (kind & 15) > 2) return "PROXY v2: unassigned family or protocol";
    // LOCAL: the family is ignored. Otherwise it is one of those that TCP can have.
    const bool is_stream =
        kind == kUnspecified || kind == kTcp4 || kind == kTcp6 || kind == kUnixStream;
    if (byte_at(bytes, 12) == kVersionProxy && !is_stream) return "PROXY v2: not a stream";
  }
  return nullptr;
}

std::size_t addresses_size(unsigned kind) {
  switch (kind) {
    case kTcp4:
      return 2 * 4 + 2 * 2;
    case kTcp6:
      return 2 * 16 + 2 * 2;
    case kUnixStream:
      return 2 * 108;
    default:
      return 0;
  }
}

SocketAddress read_address(std::string_view ip, std::string_view port) {
  SocketAddress out;
  if (ip.size() == 4) {
    std::array<std::uint8_t, 4> four;
    std::copy(ip.begin(), ip.end(), four.begin());
    out.ip = IpAddress::v4(four);
  } else {
    std::array<std::uint8_t, 16> sixteen;
    std::copy(ip.begin(), ip.end(), sixteen.begin());
    out.ip = IpAddress::v6(sixteen);
  }
  out.port = static_cast<std::uint16_t>(byte_at(port, 0) << 8 | byte_at(port, 1));
  return out;
}

void read_addresses(std::string_view block, unsigned kind, Header& out) {
  if (kind != kTcp4 && kind != kTcp6) return;
  const std::size_t width = kind == kTcp4 ? 4 : 16;
  out.source = read_address(block.substr(0, width), block.substr(2 * width, 2));
  out.destination = read_address(block.substr(width, width), block.substr(2 * width + 2, 2));
}

/// What is wrong with the TLVs between `at` and `end`, as far as they are there, or null. The one
/// with a checksum is verified once the header is whole.
const char* check_tlvs(std::string_view bytes, std::size_t at, std::size_t end) {
  std::size_t checksum = 0;  // Where its value begins.
  while (at < end) {
    if (end - at < 3) return "PROXY v2: the TLVs do not fill the header";
    const std::size_t room = end - at - 3;
    const std::size_t length = least_number(bytes, at + 1);
    if (at < bytes.size() && byte_at(bytes, at) == kTlvCrc32c) {
      // Two would each have to be zero while the other is computed.
      if (checksum != 0) return "PROXY v2: two checksums";
      const bool is_known = at + 2 < bytes.size();
      if (is_known ? length != 4 : length > 4) return "PROXY v2: a checksum has four bytes";
      checksum = at + 3;
    }
    if (length > room) return "PROXY v2: a TLV ends outside of the header";
    if (at + 2 >= bytes.size()) return nullptr;
    at += 3 + length;
  }
  if (checksum == 0 || bytes.size() < end) return nullptr;
  const std::size_t sent = least_number(bytes, checksum) << 16 | least_number(bytes, checksum + 2);
  if (crc32c(bytes.substr(0, end), checksum) != sent) return "PROXY v2: wrong checksum";
  return nullptr;
}

Parsed parse_v2(std::string_view bytes) {
  if (!may_start(bytes, kSignature)) return std::unexpected("not a PROXY header");
  if (const char* const wrong = check_kind(bytes)) return std::unexpected(wrong);
  const std::size_t length = least_number(bytes, 14);
  if (length > kV2LengthMax) return std::unexpected("PROXY v2: the header is too long");
  if (bytes.size() < kV2FixedSize) return std::nullopt;

  Header out{.size = kV2FixedSize + length, .version = 2};
  out.local = byte_at(bytes, 12) == kVersionLocal;
  if (!out.local) {
    const unsigned kind = byte_at(bytes, 13);
    const std::size_t addresses = addresses_size(kind);
    if (length < addresses) return std::unexpected("PROXY v2: no room for the addresses");
    const std::size_t tlvs = kV2FixedSize + addresses;
    if (const char* const wrong = check_tlvs(bytes, tlvs, out.size)) return std::unexpected(wrong);
    if (bytes.size() < out.size) return std::nullopt;
    read_addresses(bytes.substr(kV2FixedSize, addresses), kind, out);
    out.tlvs = bytes.substr(tlvs, out.size - tlvs);
  }
  // Nothing in the block of a LOCAL is used, so nothing in it is looked at.
  if (bytes.size() < out.size) return std::nullopt;
  return out;
}

}  // namespace

Parsed parse(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  return bytes.front() == kSignature.front() ? parse_v2(bytes) : parse_v1(bytes);
}

}  // namespace bd::proxyprotocol
