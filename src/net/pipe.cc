#include "net/pipe.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

namespace bd::net {
namespace {

ssize_t splice(int from, int to, std::size_t max) noexcept {
  ssize_t moved = 0;
  do {
    moved = ::splice(from, nullptr, to, nullptr, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  return moved;
}

}  // namespace

IoResult Pipe::fill(Stream& from, std::size_t max) noexcept {
  const ssize_t got = splice(from.fd(), in_.get(), max);
  if (got > 0) {
    // Less than `max` may be a full pipe, which counts pages: it tells of no drained socket.
    size_ += static_cast<std::size_t>(got);
    return {Io::ok, static_cast<std::size_t>(got)};
  }
  if (got == 0) return {Io::end, 0};
  if (errno == EAGAIN) {
    from.handle().readable = false;
    return {Io::again, 0};
  }
  return {Io::error, 0};
}

IoResult Pipe::drain(Stream& to) noexcept {
  const ssize_t sent = splice(out_.get(), to.fd(), size_);
  if (sent > 0) {
    size_ -= static_cast<std::size_t>(sent);
    return {Io::ok, static_cast<std::size_t>(sent)};
  }
  if (sent < 0 && errno == EAGAIN) {
    to.handle().writable = false;
    return {Io::again, 0};
  }
  return {Io::error, 0};
}

std::unique_ptr<Pipe> PipePool::take() {
  if (lent_ == max_) return nullptr;
  std::unique_ptr<Pipe> pipe;
  if (free_.empty()) {
    pipe = make();
    if (pipe == nullptr) return nullptr;
  } else {
    pipe = std::move(free_.back());
    free_.pop_back();
  }
  ++lent_;
  return pipe;
}

std::unique_ptr<Pipe> PipePool::make() {
  if (refusals_ % kAskAgain != 0) {
    ++refusals_;
    return nullptr;
  }
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0) {
    UniqueFd out(ends[0]), in(ends[1]);
    // A user has pages for so many pipes (pipe(7), pipe-user-pages-soft). What is smaller moves
    // less at once than copying does.
    if (::fcntl(in.get(), F_SETPIPE_SZ, static_cast<int>(bytes_)) >= 0) {
      refusals_ = 0;
      return std::make_unique<Pipe>(std::move(out), std::move(in));
    }
  }
  ++refusals_;
  return nullptr;
}

void PipePool::give_back(std::unique_ptr<Pipe> pipe) noexcept {
  --lent_;
  if (pipe->empty()) free_.push_back(std::move(pipe));
}

}  // namespace bd::net
