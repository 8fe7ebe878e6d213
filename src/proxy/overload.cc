#include "proxy/overload.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include "base/ascii.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "model/limits.h"

namespace bd::proxy {
namespace {

using namespace std::chrono_literals;

/// Socket, file, inode and place in the epoll set, in a kernel of our days.
constexpr std::uint64_t kSocketBytes = 4096;
/// Where so many numbers in a row are no descriptor, none follows.
constexpr int kGapMax = 256;
constexpr auto kTellEvery = 10s;

std::uint64_t begin_of(OverloadStep step) {
  switch (step) {
    case OverloadStep::none:
      return 0;
    case OverloadStep::shed:
      return model::kOverloadShedPercent;
    case OverloadStep::refuse:
      return model::kOverloadRefusePercent;
    case OverloadStep::stop:
      break;
  }
  return model::kOverloadStopPercent;
}

std::string_view word_of(OverloadStep step) {
  switch (step) {
    case OverloadStep::none:
      return "enough again";
    case OverloadStep::shed:
      return "connections are not kept";
    case OverloadStep::refuse:
      return "requests are refused";
    case OverloadStep::stop:
      break;
  }
  return "nothing is accepted, and the largest streams are reset";
}

}  // namespace

OverloadStep overload_step(std::uint64_t used, std::uint64_t budget, OverloadStep before) noexcept {
  if (budget == 0) return OverloadStep::none;
  const std::uint64_t percent = used / ((budget + 99) / 100);
  for (const OverloadStep step : {OverloadStep::stop, OverloadStep::refuse, OverloadStep::shed}) {
    const std::uint64_t slack = before >= step ? model::kOverloadSlackPercent : 0;
    if (percent >= begin_of(step) - slack) return step;
  }
  return OverloadStep::none;
}

MemoryReader read_own_memory() {
  const auto file = std::make_shared<UniqueFd>(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return [file, page]() -> std::uint64_t {
    std::array<char, 128> text;
    const ssize_t got = ::pread(file->get(), text.data(), text.size(), 0);
    if (got <= 0) return 0;
    // "size resident shared …" in pages. What is shared is the program, and memory of others.
    std::array<std::uint64_t, 3> numbers{};
    std::string_view rest(text.data(), static_cast<std::size_t>(got));
    for (std::uint64_t& number : numbers) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      number = ascii::parse_decimal(rest.substr(0, end)).value_or(0);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return (numbers[1] - std::min(numbers[1], numbers[2])) * page;
  };
}

std::uint64_t socket_memory(int fd) noexcept {
  std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info.data(), &size) != 0) return 0;
  return kSocketBytes + info[SK_MEMINFO_RMEM_ALLOC] + info[SK_MEMINFO_WMEM_QUEUED] +
         info[SK_MEMINFO_FWD_ALLOC];
}

namespace {

/// What a pipe holds: half of it for each of its two descriptors.
std::uint64_t pipe_memory(int fd) noexcept {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 ? static_cast<std::uint64_t>(bytes) / 2 : 0;
}

}  // namespace

std::uint64_t SocketCensus::count() {
  if (next_ >= windows_.size()) windows_.resize(next_ + 1);
  std::uint64_t& bytes = windows_[next_];
  bytes = 0;
  int gap = 0;
  const auto first = static_cast<int>(next_ * model::kOverloadCensus);
  for (int fd = first; fd < first + static_cast<int>(model::kOverloadCensus); ++fd) {
    std::uint64_t held = socket_memory(fd);
    // What others read of our output is theirs.
    if (held == 0 && errno == ENOTSOCK && fd > STDERR_FILENO) held = pipe_memory(fd);
    bytes += held;
    // What is neither is a descriptor all the same.
    gap = held == 0 && errno == EBADF ? gap + 1 : 0;
    if (gap == kGapMax) break;
  }
  const bool last = gap == kGapMax;
  if (last) windows_.resize(next_ + 1);
  next_ = last ? 0 : next_ + 1;
  std::uint64_t sum = 0;
  for (const std::uint64_t window : windows_) sum += window;
  return sum;
}

Overload::Overload(std::uint64_t budget, MemoryReader reader, telemetry::DoorStats& stats)
    : budget_(reader ? budget : 0), reader_(std::move(reader)), stats_(stats) {
  // What a door before us left behind.
  stats_.memory.store(0, std::memory_order_relaxed);
  stats_.overload_step.store(0, std::memory_order_relaxed);
}

bool Overload::look(rt::Instant now) {
  if (budget_ == 0 || now < due_.load(std::memory_order_relaxed)) return false;
  const std::unique_lock lock(counting_, std::try_to_lock);
  if (!lock || now < due_.load(std::memory_order_relaxed)) return false;
  due_.store(now + model::kOverloadLook, std::memory_order_relaxed);
  const OverloadStep before = step_.load(std::memory_order_relaxed);
  const std::uint64_t used = count(now);
  const OverloadStep step = overload_step(used, budget_, before);
  used_.store(used, std::memory_order_relaxed);
  step_.store(step, std::memory_order_release);
  counts_.fetch_add(1, std::memory_order_release);
  stats_.memory.store(used, std::memory_order_relaxed);
  stats_.overload_step.store(static_cast<std::uint64_t>(step), std::memory_order_relaxed);
  if (step != before) tell(before, step, now);
  return step != before;
}

std::uint64_t Overload::count(rt::Instant now) {
  const std::uint64_t sockets = sockets_.count();
  const std::uint64_t used = reader_() + sockets;
  if (overload_step(used, budget_, OverloadStep::shed) == OverloadStep::none || now < trim_due_) {
    return used;
  }
  // The allocator keeps what was freed, and would keep us in this step.
  trim_due_ = now + model::kOverloadTrim;
  ::malloc_trim(0);
  return reader_() + sockets;
}

void Overload::tell(OverloadStep before, OverloadStep step, rt::Instant now) {
  const bool is_worse = step > before;
  // A load that swings fills no log; whoever was told of it hears of its end too.
  if (is_worse ? now < tell_due_ : step != OverloadStep::none || !told_) return;
  if (is_worse) tell_due_ = now + kTellEvery;
  told_ = is_worse;
  constexpr unsigned kMebibyte = 20;
  log::warn(fmt::format("memory: {} MiB of a budget of {} MiB: {}",
                        used_.load(std::memory_order_relaxed) >> kMebibyte, budget_ >> kMebibyte,
                        word_of(step)));
}

std::uint64_t Overload::excess() const noexcept {
  if (step() == OverloadStep::none) return 0;
  const std::uint64_t end = budget_ / 100 * (begin_of(step()) - model::kOverloadSlackPercent);
  const std::uint64_t used = used_.load(std::memory_order_relaxed);
  return used > end ? used - end : 0;
}

void Overload::bound_buffers(int fd) const noexcept {
  if (budget_ == 0) return;
  const int unsent = static_cast<int>(model::kSocketUnsentMax);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  const int receive = static_cast<int>(
      std::clamp<std::uint64_t>(budget_ / 256, model::kSocketReceiveMin, model::kSocketReceiveMax));
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
}

}  // namespace bd::proxy
