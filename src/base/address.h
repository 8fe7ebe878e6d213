#pragma once
// Internet addresses as values: parsed once, compared and printed anywhere, never resolved here.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bd {

/// IPv4 or IPv6. IPv4-mapped IPv6 (::ffff:a.b.c.d) is folded to IPv4, so that no list is bypassed.
class IpAddress {
 public:
  IpAddress() = default;  ///< 0.0.0.0
  /// `a.b.c.d`, `::1`, `[::1]`. Zone ids and names are refused.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::array<std::uint8_t, 4> bytes) noexcept;
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes) noexcept;  ///< folds mapped ones

  [[nodiscard]] bool is_v4() const noexcept { return v4_; }
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] bool is_unspecified() const noexcept;
  /// Link-local (169.254/16, fe80::/10): cloud metadata services live there.
  [[nodiscard]] bool is_link_local() const noexcept;
  [[nodiscard]] bool is_multicast() const noexcept;  ///< and 255.255.255.255
  [[nodiscard]] std::string text() const;
  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};  // IPv4 in the first four.
  bool v4_ = true;
};

/// A CIDR block: 10.0.0.0/8, fd00::/8, or one address.
class Cidr {
 public:
  static std::optional<Cidr> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
  [[nodiscard]] std::string text() const;
  bool operator==(const Cidr&) const = default;

 private:
  IpAddress base_;
  unsigned bits_ = 0;
};

/// An address and a port. Port 0 asks the kernel to choose (tests).
struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;
  /// `1.2.3.4:80`, `[::1]:80`, `:80` (all IPv4 interfaces).
  static std::optional<SocketAddress> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  auto operator<=>(const SocketAddress&) const = default;
};

}  // namespace bd
