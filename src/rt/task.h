#pragma once
// Task<T>: a lazy coroutine that runs on one thread. Awaiting it starts it; its result is moved
// out. No exception crosses a room, and a Task that throws terminates, but for one: what memory
// could not be had for fails alone. std::bad_alloc goes on to whoever awaits, up to the Scope.
//
// Detached work goes through spawn(), which counts it, so that a Scope can tell that all is done.

#include <coroutine>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "base/check.h"
#include "rt/frame_pool.h"

namespace bd::rt {

template <class T>
class Task;

namespace detail {

/// True for a std::bad_alloc that is being handled; anything else is a bug, and ends the process.
inline bool is_out_of_memory() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return true;
  } catch (...) {
    std::terminate();
  }
}

struct PromiseBase {
  std::coroutine_handle<> continuation;

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      return done.promise().continuation;
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { out_of_memory = is_out_of_memory(); }
  void pass_on_failure() const {
    if (out_of_memory) throw std::bad_alloc();
  }
  bool out_of_memory = false;
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    pass_on_failure();
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() const { pass_on_failure(); }
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.promise().continuation = awaiting;
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

/// Counts detached tasks. It must be empty when it is destroyed: whoever owns it ends its tasks
/// first.
class Scope {
 public:
  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { BD_ASSERT(running_ == 0); }

  /// Runs the task up to its first wait, now; it goes on by itself. Throws std::bad_alloc if it
  /// cannot be started; a task that runs out of memory later ends, and is counted.
  void spawn(Task<void> task) { run(std::move(task), this); }
  [[nodiscard]] std::uint64_t running() const noexcept { return running_; }
  [[nodiscard]] std::uint64_t out_of_memory() const noexcept { return out_of_memory_; }

 private:
  struct Detached {
    struct promise_type {
      static void* operator new(std::size_t size) { return allocate_frame(size); }
      static void operator delete(void* frame, std::size_t size) noexcept {
        free_frame(frame, size);
      }
      Detached get_return_object() noexcept { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      void unhandled_exception() noexcept { std::terminate(); }
    };
  };
  static Detached run(Task<void> task, Scope* scope) {
    ++scope->running_;
    try {
      co_await task;
    } catch (const std::bad_alloc&) {
      ++scope->out_of_memory_;
    }
    --scope->running_;
  }
  std::uint64_t running_ = 0;
  std::uint64_t out_of_memory_ = 0;
};

}  // namespace bd::rt
