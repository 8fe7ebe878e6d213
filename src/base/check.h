#pragma once
// BD_ASSERT: for bugs only, on in every build. Never on what a peer or the API server controls.

namespace bd {
[[noreturn]] void assert_failed(const char* expression, const char* file, int line) noexcept;
}

#define BD_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::bd::assert_failed(#expression, __FILE__, __LINE__))
