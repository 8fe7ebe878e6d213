#pragma once
// A fast generator of random numbers, for choices that nobody gains from guessing.

#include <cstdint>

namespace bd {

/// xorshift128+ (Vigna 2014). `a` and `b` are not both zero.
class Random {
 public:
  Random(std::uint64_t a, std::uint64_t b) noexcept : a_(a), b_(b) {}
  [[nodiscard]] std::uint64_t operator()() noexcept {
    std::uint64_t x = a_;
    const std::uint64_t y = b_;
    a_ = y;
    x ^= x << 23;
    b_ = x ^ y ^ (x >> 18) ^ (y >> 5);
    return b_ + y;
  }
  /// Below `n`; the bias of the remainder is at most n / 2^64.
  [[nodiscard]] std::uint64_t below(std::uint64_t n) noexcept { return (*this)() % n; }

 private:
  std::uint64_t a_, b_;
};

}  // namespace bd
