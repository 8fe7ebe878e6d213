#include "rt/task.h"

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include "rt/reactor.h"

namespace {
std::size_t allocations = 0;
#ifdef BD_SANITIZED
constexpr bool kCountsAllocations = false;  // The sanitizers bring operators of their own.
#else
constexpr bool kCountsAllocations = true;
#endif
}  // namespace

#ifndef BD_SANITIZED
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace bd::rt {
namespace {

using namespace std::chrono_literals;

/// Suspends its coroutine until the test resumes it.
struct Gate {
  std::coroutine_handle<> waiting;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiting = handle; }
  void await_resume() noexcept {}
  void open() { std::exchange(waiting, nullptr).resume(); }
};

/// Counts those that are alive: every local and parameter of a frame has to go.
struct Witness {
  explicit Witness(int& alive) : alive_(&alive) { ++*alive_; }
  Witness(Witness&& other) noexcept : alive_(other.alive_) { ++*alive_; }
  Witness& operator=(Witness&&) = delete;
  ~Witness() { --*alive_; }
  int* alive_;
};

Task<int> number(int value) {
  co_return value;
}
Task<std::unique_ptr<std::string>> text(std::string value) {
  co_return std::make_unique<std::string>(std::move(value));
}

Task<void> add(int& sum, int count) {
  for (int i = 0; i < count; ++i) {
    const int one = co_await number(1);
    sum += one;
  }
}

Task<int> nested(int depth) {
  if (depth == 0) co_return 0;
  const int below = co_await nested(depth - 1);
  co_return below + 1;
}

Task<void> keep(int& out, int depth) {
  out = co_await nested(depth);
}

Task<void> move_text(std::string& out) {
  const std::unique_ptr<std::string> got = co_await text("moved, never copied");
  out = *got;
}

Task<void> pass(Gate& gate, int& alive, Witness) {
  const Witness local(alive);
  co_await gate;
}

TEST(Task, RunsOnlyWhenItIsAwaited) {
  int sum = 0;
  {
    const Task<void> never = add(sum, 5);
  }
  EXPECT_EQ(sum, 0);
  Scope scope;
  scope.spawn(add(sum, 5));
  EXPECT_EQ(sum, 5);
  EXPECT_EQ(scope.running(), 0u);
}

TEST(Task, MovesItsResultOut) {
  Scope scope;
  std::string out;
  scope.spawn(move_text(out));
  EXPECT_EQ(out, "moved, never copied");
}

TEST(Task, AMillionAwaitsNeedNoStack) {
  Scope scope;
  int sum = 0;
  scope.spawn(add(sum, 1'000'000));
  EXPECT_EQ(sum, 1'000'000);
}

TEST(Task, DeepNestingUnwindsWithoutStack) {
  Scope scope;
  int depth = 0;
  scope.spawn(keep(depth, 20'000));
  EXPECT_EQ(depth, 20'000);
}

TEST(Task, LeavesNothingBehind) {
  int alive = 0;
  Gate gate;
  {
    const Task<void> never = pass(gate, alive, Witness(alive));
  }
  EXPECT_EQ(alive, 0);
  Scope scope;
  scope.spawn(pass(gate, alive, Witness(alive)));
  EXPECT_EQ(alive, 2);
  EXPECT_EQ(scope.running(), 1u);
  gate.open();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(scope.running(), 0u);
}

TEST(Scope, CountsWhatRuns) {
  Scope scope;
  int alive = 0;
  std::array<Gate, 3> gates;
  for (Gate& gate : gates) scope.spawn(pass(gate, alive, Witness(alive)));
  EXPECT_EQ(scope.running(), 3u);
  gates[1].open();
  EXPECT_EQ(scope.running(), 2u);
  gates[0].open();
  gates[2].open();
  EXPECT_EQ(scope.running(), 0u);
}

TEST(ScopeDeathTest, MustBeEmptyAtItsEnd) {
  EXPECT_DEATH(
      {
        Gate gate;
        int alive = 0;
        Scope scope;
        scope.spawn(pass(gate, alive, Witness(alive)));
      },
      "running_ == 0");
}

TEST(FramePool, GivesTheLastFrameOfAClassBack) {
  if (!kFramesArePooled) GTEST_SKIP() << "frames are not pooled under AddressSanitizer";
  void* const first = allocate_frame(200);
  void* const second = allocate_frame(200);
  free_frame(first, 200);
  free_frame(second, 200);
  EXPECT_EQ(allocate_frame(129), second) << "129 to 256 bytes are one class";
  EXPECT_EQ(allocate_frame(256), first);
  void* const other = allocate_frame(257);
  EXPECT_NE(other, first);
  free_frame(first, 256);
  free_frame(second, 129);
  free_frame(other, 257);
}

TEST(FramePool, FramesHoldAllTheirBytes) {
  for (const std::size_t size : {1uz, 127uz, 128uz, 129uz, 3968uz, 3969uz, 4096uz, 100'000uz}) {
    for (int round = 0; round < 3; ++round) {
      auto* const frame = static_cast<char*>(allocate_frame(size));
      std::fill_n(frame, size, 'x');  // AddressSanitizer and the allocator's own checks watch.
      free_frame(frame, size);
    }
  }
}

TEST(FramePool, ABurstGivesItsMemoryBack) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted under sanitizers";
  std::vector<void*> frames;
  for (int i = 0; i < 1000; ++i) frames.push_back(allocate_frame(1000));
  for (void* const frame : frames) free_frame(frame, 1000);
  const std::size_t before = allocations;
  frames.clear();
  for (int i = 0; i < 1000; ++i) frames.push_back(allocate_frame(1000));
  const std::size_t fresh = allocations - before;
  EXPECT_GE(fresh, 900u) << "the list kept a burst";
  for (void* const frame : frames) free_frame(frame, 1000);
}

TEST(FramePool, FramesMayEndOnAnotherThread) {
  std::vector<void*> frames;
  std::thread([&] {
    for (int i = 0; i < 100; ++i) frames.push_back(allocate_frame(300));
    free_frame(frames.back(), 300);
    frames.pop_back();
  }).join();
  for (void* const frame : frames) free_frame(frame, 300);
}

TEST(FramePool, AWarmCoroutineAllocatesNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted under sanitizers";
  Scope scope;
  int sum = 0;
  scope.spawn(add(sum, 10));
  const std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) scope.spawn(add(sum, 10));
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(sum, 10'010);
}

Task<int> run_out_of_memory(Waiter* waiter) {
  if (waiter != nullptr) co_await waiter->wait(kNever);
  throw std::bad_alloc();
  co_return 1;
}
Task<void> survive(bool& caught, Waiter* waiter) {
  try {
    const int never = co_await run_out_of_memory(waiter);
    static_cast<void>(never);
  } catch (const std::bad_alloc&) {
    caught = true;
  }
}
Task<void> pass_on(bool& went_on, Waiter* waiter) {
  const int never = co_await run_out_of_memory(waiter);
  static_cast<void>(never);
  went_on = true;
}

TEST(Task, ThatRunsOutOfMemoryFailsWhoAwaitsIt) {
  Reactor reactor;
  for (const bool waits : {false, true}) {
    Waiter first(reactor), second(reactor);
    Scope scope;
    bool caught = false, went_on = false;
    scope.spawn(survive(caught, waits ? &first : nullptr));
    scope.spawn(pass_on(went_on, waits ? &second : nullptr));
    EXPECT_EQ(scope.running(), waits ? 2U : 0U);
    first.wake();
    second.wake();
    EXPECT_TRUE(caught);
    EXPECT_FALSE(went_on);
    EXPECT_EQ(scope.running(), 0U);
    EXPECT_EQ(scope.out_of_memory(), 1U);
  }
}

}  // namespace
}  // namespace bd::rt
