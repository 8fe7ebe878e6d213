#include "text/checks.h"

#include <algorithm>
#include <numeric>

namespace bd::text {
namespace {

/// Few members: comparing all pairs is cheaper than to sort, and most objects are small.
constexpr std::size_t kPairwiseMax = 12;

std::optional<Duplicate> find_duplicate_pairwise(const Value::Object& object) {
  for (std::size_t second = 1; second < object.size(); ++second) {
    for (std::size_t first = 0; first < second; ++first) {
      if (object[first].first == object[second].first) return Duplicate{first, second};
    }
  }
  return std::nullopt;
}

}  // namespace

std::size_t utf8_sequence(std::string_view in) noexcept {
  const auto byte = [in](std::size_t i) {
    return i < in.size() ? static_cast<unsigned char>(in[i]) : 0u;
  };
  const auto is_tail = [byte](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (in.empty()) return 0;
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;  // A stray tail, or an overlong form of ASCII.
  if (lead < 0xE0) return is_tail(1) ? 2 : 0;
  if (lead < 0xF0) {
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // Overlong.
    if (lead == 0xED && byte(1) > 0x9F) return 0;  // A surrogate.
    return is_tail(1) && is_tail(2) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;  // Overlong.
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;  // Above U+10FFFF.
  return is_tail(1) && is_tail(2) && is_tail(3) ? 4 : 0;
}

std::string_view without_bom(std::string_view in) noexcept {
  if (in.starts_with("\xEF\xBB\xBF")) in.remove_prefix(3);
  return in;
}

std::optional<Duplicate> find_duplicate(const Value::Object& object) {
  if (object.size() <= kPairwiseMax) return find_duplicate_pairwise(object);
  std::vector<std::size_t> order(object.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&object](std::size_t a, std::size_t b) {
    const int by_key = object[a].first.compare(object[b].first);
    return by_key != 0 ? by_key < 0 : a < b;
  });
  std::optional<Duplicate> found;
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (object[order[i - 1]].first != object[order[i]].first) continue;
    if (!found || order[i] < found->second) found = Duplicate{order[i - 1], order[i]};
  }
  return found;
}

}  // namespace bd::text
