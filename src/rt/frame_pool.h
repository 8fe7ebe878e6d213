#pragma once
// Coroutine frames come from a free list per thread, so that a request allocates nothing in steady state.

#include <cstddef>

namespace bd::rt {

[[nodiscard]] void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size) noexcept;

}  // namespace bd::rt
