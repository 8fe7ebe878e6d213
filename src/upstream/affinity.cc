#include "upstream/affinity.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/ascii.h"
#include "base/hash.h"
#include "http/cookie.h"

namespace bd::upstream {
namespace {

/// 16 hex digits, as sticky_cookie() writes them.
std::optional<std::uint64_t> parse_identity(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  if (text.size() != 16 || error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return out;
}

std::optional<std::uint64_t> key_hash(const model::Balance& balance, const http::Fields& fields,
                                      const IpAddress& client) {
  switch (balance.key) {
    case model::HashKey::client_address: {
      const auto& bytes = client.bytes();
      return hash64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    case model::HashKey::header:
      for (const http::Field& field : fields) {
        if (ascii::equal_fold(field.name, balance.key_name)) return hash64(field.value);
      }
      return std::nullopt;
    case model::HashKey::cookie:
      if (const auto value = http::cookie(fields, balance.key_name)) return hash64(*value);
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Affinity affinity(const model::Balance& balance, const http::Fields& fields,
                  const IpAddress& client) {
  Affinity out;
  if (!balance.sticky_cookie.empty()) {
    if (const auto value = http::cookie(fields, balance.sticky_cookie))
      out.identity = parse_identity(*value);
  }
  if (balance.policy == model::BalancePolicy::hash) out.hash = key_hash(balance, fields, client);
  return out;
}

std::string sticky_cookie(const model::Balance& balance, std::uint64_t identity, bool secure) {
  return fmt::format("{}={:016x}; Path=/; HttpOnly; SameSite=Lax{}", balance.sticky_cookie,
                     identity, secure ? "; Secure" : "");
}

std::uint64_t identity_of(const SocketAddress& address) noexcept {
  const auto& bytes = address.ip.bytes();
  return mix64(hash64({reinterpret_cast<const char*>(bytes.data()), bytes.size()}) + address.port);
}

double desire(std::uint64_t hash, std::uint64_t identity, std::uint32_t weight) noexcept {
  // Uniform in (0, 1): 53 bits are what a double holds.
  const double uniform = (static_cast<double>(mix64(hash ^ identity) >> 11) + 0.5) * 0x1p-53;
  return -static_cast<double>(weight) / std::log(uniform);
}

}  // namespace bd::upstream
