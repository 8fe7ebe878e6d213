#include "proxy/buffer.h"

#include <algorithm>
#include <cstring>

namespace bd::proxy {

std::unique_ptr<char[]> BlockPool::take() {
  if (free_.empty()) return std::make_unique_for_overwrite<char[]>(model::kRelayBuffer);
  auto block = std::move(free_.back());
  free_.pop_back();
  return block;
}

void BlockPool::give_back(std::unique_ptr<char[]> block) {
  if (free_.size() < kKeep) free_.push_back(std::move(block));
}

std::span<char> Buffer::room(std::size_t total_max) {
  if (!block_) {
    block_ = pool_->take();
    capacity_ = model::kRelayBuffer;
    begin_ = end_ = 0;
  }
  if (end_ == capacity_ && begin_ > 0) {
    std::memmove(block_.get(), block_.get() + begin_, size());
    end_ = size();
    begin_ = 0;
  }
  if (end_ == capacity_ && capacity_ < total_max) {
    const std::size_t larger = std::min(capacity_ * 2, total_max);
    auto block = std::make_unique_for_overwrite<char[]>(larger);
    std::memcpy(block.get(), block_.get(), end_);
    if (capacity_ == model::kRelayBuffer) pool_->give_back(std::move(block_));
    block_ = std::move(block);
    capacity_ = larger;
  }
  if (size() >= total_max) return {};
  return {block_.get() + end_, std::min(capacity_ - end_, total_max - size())};
}

void Buffer::consume(std::size_t n) noexcept {
  begin_ += n;
  if (begin_ == end_) begin_ = end_ = 0;
}

void Buffer::release() noexcept {
  if (!block_) return;
  if (capacity_ == model::kRelayBuffer) pool_->give_back(std::move(block_));
  block_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace bd::proxy
