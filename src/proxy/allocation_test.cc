// One allocation in so many fails on a worker's thread: requests fail, the door does not.
//
// Not under a sanitizer, which has an operator new of its own and pairs it with its delete.

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "proxy/door_for_test.h"

namespace {

std::atomic<unsigned> fail_every{0};
std::atomic<unsigned> failed{0};
thread_local bool is_worker = false;
thread_local unsigned allocations = 0;

void* allocate(std::size_t size) {
  const unsigned every = is_worker ? fail_every.load() : 0;
  if (every != 0 && ++allocations % every == 0) {
    ++failed;
    throw std::bad_alloc();
  }
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace bd::proxy {
namespace {

using telemetry::Counter;
using testing::Client;
using testing::eventually;
using testing::ScriptedUpstream;
using testing::TestDoor;

TEST(AllocationFailure, FailsItsRequestAndNothingElse) {
  ScriptedUpstream upstream(
      [](const std::string&, bool&) { return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"; });
  TestDoor door({}, 1, std::uint64_t{1} << 40);
  door.on_count = [] { is_worker = true; };
  door.route("a.test", {upstream.port()});
  const std::string request =
      "POST / HTTP/1.1\r\nHost: a.test\r\nX-Long: " + std::string(300, 'x') +
      "\r\nContent-Length: 5\r\n\r\nhello";
  const auto ask = [&] {
    Client client(door.port());
    client.send(request);
    return client.response();
  };
  EXPECT_TRUE(ask().ends_with("fine"));
  int fine = 0, lost = 0;
  for (const unsigned every : {211U, 53U, 17U, 7U}) {
    fail_every = every;
    for (int i = 0; i < 100; ++i) {
      const std::string answer = ask();
      const bool whole = answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("fine");
      const bool said = answer.starts_with("HTTP/1.1 50");
      EXPECT_TRUE(whole || said || answer.empty()) << answer;
      ++(whole ? fine : lost);
    }
  }
  fail_every = 0;
  EXPECT_GT(failed.load(), 50U);  // The worker is known, too.
  EXPECT_GT(fine, 100);
  EXPECT_GT(lost, 30);
  EXPECT_GT(door.counter(Counter::allocation_failures), 0U);
  // Nothing is left of them, and nobody who comes later pays for it.
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(ask().ends_with("fine"));
  EXPECT_TRUE(eventually([&] {
    return door.stats().active_requests.load() == 0 && door.stats().open_connections.load() == 0;
  }));
}

}  // namespace
}  // namespace bd::proxy

#endif
