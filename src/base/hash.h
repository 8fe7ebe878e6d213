#pragma once
// A hash that every process on every machine agrees on. It resists nobody who wants collisions:
// only for what may collide.

#include <cstdint>
#include <string_view>

namespace bd {

/// Every bit of the result depends on every bit of `x` (splitmix64's finalizer).
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// FNV-1a, then mix64().
[[nodiscard]] constexpr std::uint64_t hash64(std::string_view text) noexcept {
  std::uint64_t out = 0xcbf29ce484222325;
  for (const char c : text) out = (out ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mix64(out);
}

}  // namespace bd
