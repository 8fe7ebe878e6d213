#pragma once
// Coroutine frames come from a free list per thread, so that a request allocates nothing in steady
// state. Not under AddressSanitizer: it could not see that a frame is used after its end.

#include <cstddef>

namespace bd::rt {

inline constexpr bool kFramesArePooled = !__has_feature(address_sanitizer);

[[nodiscard]] void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size) noexcept;

}  // namespace bd::rt
