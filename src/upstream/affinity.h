#pragma once
// Which endpoint a request asks for by itself: by a sticky cookie, or by a key that is hashed. All
// doors and workers come to the same answer.

#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"
#include "http/field.h"
#include "model/route.h"

namespace bd::upstream {

struct Affinity {
  std::optional<std::uint64_t> identity;  ///< Of the endpoint that the sticky cookie names.
  std::optional<std::uint64_t> hash;      ///< Of the key; with BalancePolicy::hash only.
};

[[nodiscard]] Affinity affinity(const model::Balance& balance, const http::Fields& fields,
                                const IpAddress& client);

/// The value of a Set-Cookie field (RFC 6265 §4.1) for the life of the browser's session.
[[nodiscard]] std::string sticky_cookie(const model::Balance& balance, std::uint64_t identity,
                                        bool secure);

/// Of an endpoint without a name: from its address.
[[nodiscard]] std::uint64_t identity_of(const SocketAddress& address) noexcept;

/// How much a key wants an endpoint: the highest wins (rendezvous hashing, Thaler and Ravishankar
/// 1998), so that an endpoint which comes or goes moves no key but its own.
[[nodiscard]] double desire(std::uint64_t hash, std::uint64_t identity,
                            std::uint32_t weight) noexcept;

}  // namespace bd::upstream
