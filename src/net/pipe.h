#pragma once
// Bytes on their way from one plain socket to another that nobody has to look at: splice(2) passes
// the kernel's own pages on, through a pipe.
//
// splice(2) has no MSG_NOSIGNAL: the process must ignore SIGPIPE.

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "net/stream.h"

namespace bd::net {

class Pipe {
 public:
  Pipe(UniqueFd out, UniqueFd in) : out_(std::move(out)), in_(std::move(in)) {}

  /// Takes up to `max` bytes from a socket without TLS. For an empty pipe only: in one that holds
  /// something `again` could mean that it is full. Results as those of Stream::read().
  [[nodiscard]] IoResult fill(Stream& from, std::size_t max) noexcept;
  /// Hands what it holds to a socket without TLS, as far as that takes it. Results as those of
  /// Stream::write().
  [[nodiscard]] IoResult drain(Stream& to) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }  ///< Bytes that it holds.
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  UniqueFd out_, in_;
  std::size_t size_ = 0;
};

/// Pipes of one worker: few, made when they are needed, kept for whoever needs one next.
class PipePool {
 public:
  /// At most `max` pipes with room for `bytes`, of two descriptors each.
  PipePool(std::size_t max, std::size_t bytes) : max_(max), bytes_(bytes) { free_.reserve(max); }
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;

  /// An empty pipe; null: all are in use, or the kernel gives none.
  [[nodiscard]] std::unique_ptr<Pipe> take();
  /// One that still holds bytes is closed: they are of a message that broke.
  void give_back(std::unique_ptr<Pipe> pipe) noexcept;
  /// Closes those that nobody uses.
  void drop() noexcept { free_.clear(); }
  [[nodiscard]] std::size_t lent() const noexcept { return lent_; }
  [[nodiscard]] std::size_t idle() const noexcept { return free_.size(); }

 private:
  /// Asking costs as much as copying a buffer: a kernel that refused is asked this seldom.
  static constexpr std::size_t kAskAgain = 256;
  [[nodiscard]] std::unique_ptr<Pipe> make();

  const std::size_t max_;
  const std::size_t bytes_;
  std::size_t refusals_ = 0;  // Since the kernel gave one.
  std::size_t lent_ = 0;
  std::vector<std::unique_ptr<Pipe>> free_;  // The one that was used last is taken first.
};

}  // namespace bd::net
