#pragma once
// Bytes on their way. Blocks of one size come from a LIFO list per worker, so that few, hot ones
// are used; a buffer holds a block only while it holds bytes, so that an idle connection has none
// (invariant 14).

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "model/limits.h"

namespace bd::proxy {

class BlockPool {
 public:
  /// Giving back must not fail.
  BlockPool() { free_.reserve(kKeep); }
  [[nodiscard]] std::unique_ptr<char[]> take();
  void give_back(std::unique_ptr<char[]> block);
  /// Frees what nobody uses.
  void drop() noexcept { free_.clear(); }

 private:
  static constexpr std::size_t kKeep = 32;
  std::vector<std::unique_ptr<char[]>> free_;
};

class Buffer {
 public:
  explicit Buffer(BlockPool& pool) : pool_(&pool) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { release(); }

  [[nodiscard]] std::string_view bytes() const noexcept {
    return {block_.get() + begin_, end_ - begin_};
  }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }

  /// Room to read into, at least one byte, up to `total_max` bytes held in all; empty if that is
  /// reached. Bytes held may move: views into them are void.
  [[nodiscard]] std::span<char> room(std::size_t total_max = model::kRelayBuffer);
  void filled(std::size_t n) noexcept { end_ += n; }
  void consume(std::size_t n) noexcept;
  /// Gives the block back if nothing is in it.
  void release_if_empty() noexcept {
    if (block_ && empty()) release();
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  void clear() noexcept { begin_ = end_ = 0; }

 private:
  void release() noexcept;
  BlockPool* pool_;
  std::unique_ptr<char[]> block_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace bd::proxy
