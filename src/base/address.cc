#include "base/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"

namespace bd {

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) noexcept {
  IpAddress out;
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
  return out;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) noexcept {
  constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(mapped.begin(), mapped.end(), bytes.begin())) {
    return v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  IpAddress out;
  out.bytes_ = bytes;
  out.v4_ = false;
  return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (text.find(':') == std::string_view::npos) return std::nullopt;
  }
  char copy[64];
  if (text.empty() || text.size() >= sizeof copy) return std::nullopt;
  // inet_pton would stop there.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  *std::copy(text.begin(), text.end(), copy) = '\0';
  std::array<std::uint8_t, 4> four;
  if (inet_pton(AF_INET, copy, four.data()) == 1) return v4(four);
  std::array<std::uint8_t, 16> sixteen;
  if (inet_pton(AF_INET6, copy, sixteen.data()) == 1) return v6(sixteen);
  return std::nullopt;
}

bool IpAddress::is_loopback() const noexcept {
  if (v4_) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool IpAddress::is_unspecified() const noexcept {
  if (v4_) return bytes_[0] == 0;  // 0.0.0.0/8 is "this network": RFC 1122 §3.2.1.3.
  return std::all_of(bytes_.begin(), bytes_.end(), [](auto b) { return b == 0; });
}

bool IpAddress::is_link_local() const noexcept {
  if (v4_) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_multicast() const noexcept {
  if (!v4_) return bytes_[0] == 0xff;
  return (bytes_[0] & 0xf0) == 0xe0 ||
         (bytes_[0] == 255 && bytes_[1] == 255 && bytes_[2] == 255 && bytes_[3] == 255);
}

std::string IpAddress::text() const {
  if (v4_) {  // By hand: it stands in every forwarded head, and inet_ntop goes through printf.
    std::string out;
    for (std::size_t i = 0; i < 4; ++i) {
      if (i > 0) out.push_back('.');
      const fmt::format_int number(bytes_[i]);
      out.append(number.data(), number.size());
    }
    return out;
  }
  char out[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, bytes_.data(), out, sizeof out);
  return out;
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  Cidr out;
  out.base_ = *base;
  out.bits_ = base->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return out;
  const auto bits = ascii::parse_decimal<unsigned>(text.substr(slash + 1));
  if (!bits || *bits > out.bits_) return std::nullopt;
  out.bits_ = *bits;
  return out;
}

bool Cidr::contains(const IpAddress& address) const noexcept {
  if (address.is_v4() != base_.is_v4()) return false;
  for (unsigned bit = 0; bit < bits_; bit += 8) {
    const unsigned left = std::min(8U, bits_ - bit);
    const auto mask = static_cast<std::uint8_t>(0xff00U >> left);
    const unsigned difference = address.bytes()[bit / 8] ^ base_.bytes()[bit / 8];
    if ((difference & mask) != 0) return false;
  }
  return true;
}

std::string Cidr::text() const {
  return fmt::format("{}/{}", base_.text(), bits_);
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = ascii::parse_decimal<std::uint16_t>(text.substr(colon + 1));
  if (!port) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  if (host.empty()) return SocketAddress{IpAddress{}, *port};
  if (host.find(':') != std::string_view::npos && host.front() != '[') return std::nullopt;
  const auto ip = IpAddress::parse(host);
  if (!ip) return std::nullopt;
  return SocketAddress{*ip, *port};
}

std::string SocketAddress::text() const {
  return ip.is_v4() ? fmt::format("{}:{}", ip.text(), port)
                    : fmt::format("[{}]:{}", ip.text(), port);
}

}  // namespace bd
