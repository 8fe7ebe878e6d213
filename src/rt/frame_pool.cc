#include "rt/frame_pool.h"

#include <array>
#include <new>

namespace bd::rt {
namespace {

// Frames are rounded up to classes of 128 bytes; larger ones go to malloc. The lists are bounded,
// so that a burst of connections gives its memory back.
constexpr std::size_t kClass = 128;
constexpr std::size_t kClasses = 32;
constexpr std::size_t kKeep = kFramesArePooled ? 64 : 0;

struct FreeList {
  struct Node {
    Node* next;
  };
  Node* head = nullptr;
  std::size_t size = 0;
};

struct Pools {
  std::array<FreeList, kClasses> lists;
  ~Pools() {
    for (FreeList& list : lists) {
      while (list.head != nullptr) {
        auto* node = list.head;
        list.head = node->next;
        ::operator delete(node);
      }
    }
  }
};
thread_local Pools pools;

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t index = (size + kClass - 1) / kClass;
  if (index >= kClasses) return ::operator new(size);
  FreeList& list = pools.lists[index];
  if (list.head == nullptr) return ::operator new(index * kClass);
  auto* node = list.head;
  list.head = node->next;
  --list.size;
  return node;
}

void free_frame(void* frame, std::size_t size) noexcept {
  const std::size_t index = (size + kClass - 1) / kClass;
  if (index >= kClasses || pools.lists[index].size >= kKeep) {
    ::operator delete(frame);
    return;
  }
  FreeList& list = pools.lists[index];
  list.head = ::new (frame) FreeList::Node{list.head};
  ++list.size;
}

}  // namespace bd::rt
