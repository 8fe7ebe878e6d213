#include "rt/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace bd::rt {

namespace {

constexpr std::size_t kDeferredUsual = 4096;

}  // namespace

struct Reactor::Events {
  std::array<epoll_event, kBatch> at;
};

bool Waiter::Awaiter::await_ready() const noexcept {
  return waiter.signaled_ || waiter.reactor_.cancelled_;
}

void Waiter::Awaiter::await_suspend(std::coroutine_handle<> waiting) noexcept {
  waiter.waiting_ = waiting;
  waiter.reactor_.timers().arm(waiter, deadline);
}

Waiter::Woken Waiter::Awaiter::await_resume() noexcept {
  waiter.reactor_.timers().disarm(waiter);
  waiter.signaled_ = false;
  const bool timed_out = std::exchange(waiter.timed_out_, false) || waiter.reactor_.cancelled_;
  return timed_out ? Woken::deadline : Woken::event;
}

Deferred::~Deferred() {
  if (!deferred_) return;
  std::erase(reactor_.deferred_, this);
  std::replace(reactor_.ending_.begin(), reactor_.ending_.end(), this,
               static_cast<Deferred*>(nullptr));
}

void Deferred::defer() {
  if (std::exchange(deferred_, true)) return;
  reactor_.deferred_.push_back(this);
}

bool Waiter::Yield::await_ready() const noexcept {
  return waiter.reactor_.cancelled_;
}

void Waiter::Yield::await_suspend(std::coroutine_handle<> waiting) {
  waiter.waiting_ = waiting;
  waiter.defer();
}

void Waiter::wake() noexcept {
  if (is_deferred() && !reactor_.cancelled_) {  // It runs soon anyway, in its turn.
    signaled_ = true;
    return;
  }
  if (const auto waiting = std::exchange(waiting_, nullptr)) {
    waiting.resume();
  } else {
    signaled_ = true;
  }
}

void Waiter::on_timer() {
  if (!waiting_) return;
  timed_out_ = true;
  wake();
}

Handle::~Handle() {
  detach();
}

bool Handle::attach(Reactor& reactor, int fd) {
  BD_ASSERT(reactor_ == nullptr);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  if (epoll_ctl(reactor.epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
  reactor_ = &reactor;
  fd_ = fd;
  readable = writable = true;  // What an earlier descriptor left behind does not hold for this one.
  peer_closed = broken = false;
  return true;
}

void Handle::detach() noexcept {
  if (reactor_ == nullptr) return;
  epoll_event ignored{};
  epoll_ctl(reactor_->epoll_.get(), EPOLL_CTL_DEL, fd_, &ignored);
  abandon();
}

void Handle::abandon() noexcept {
  if (reactor_ == nullptr) return;
  reactor_->forget(this);
  reactor_ = nullptr;
  sink_ = nullptr;
}

Reactor::Reactor()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      mail_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      now_(std::chrono::steady_clock::now()),
      timers_(now_),
      events_(std::make_unique<Events>()) {
  BD_ASSERT(epoll_ && mail_event_);
  // Waking somebody must not fail; more than this in one turn are rare.
  deferred_.reserve(kDeferredUsual);
  ending_.reserve(kDeferredUsual);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // Null stands for the mailbox.
  BD_ASSERT(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, mail_event_.get(), &event) == 0);
}

Reactor::~Reactor() = default;

void Reactor::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mail_mutex_);
    mail_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(mail_event_.get(), &one, sizeof one);
}

void Reactor::run_deferred() {
  ending_.swap(deferred_);
  for (std::size_t i = 0; i < ending_.size(); ++i) {
    Deferred* work = ending_[i];
    if (work == nullptr) continue;  // Something that ran before ended it.
    work->deferred_ = false;
    work->on_turn_end();
  }
  ending_.clear();
}

void Reactor::drain_mailbox() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = read(mail_event_.get(), &count, sizeof count);
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mail_mutex_);
    work.swap(mail_);
  }
  for (const auto& item : work) item();
}

void Reactor::forget(const Handle* handle) noexcept {
  // A handle may go away while its own event waits later in the batch that is being dispatched.
  for (int i = batch_at_; i < batch_size_; ++i) {
    auto& event = events_->at[static_cast<std::size_t>(i)];
    if (event.data.ptr == handle) event.events = 0;
  }
}

void Reactor::dispatch(int count) {
  bool mail = false;
  batch_size_ = count;
  for (batch_at_ = 0; batch_at_ < batch_size_;) {
    const epoll_event event = events_->at[static_cast<std::size_t>(batch_at_++)];
    if (event.data.ptr == nullptr) {
      mail = true;
      continue;
    }
    if (event.events == 0) continue;  // Forgotten meanwhile.
    auto* handle = static_cast<Handle*>(event.data.ptr);
    if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) handle->readable = true;
    if ((event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) handle->writable = true;
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) handle->peer_closed = true;
    if ((event.events & (EPOLLHUP | EPOLLERR)) != 0) handle->broken = true;
    if (handle->sink_ != nullptr) handle->sink_->on_event();
  }
  batch_size_ = 0;
  if (mail) drain_mailbox();
}

void Reactor::run(const std::function<void()>& on_turn, std::chrono::milliseconds idle_turn) {
  while (!stopping_) {
    const Instant next = deferred_.empty() ? std::min(timers_.next(), now_ + idle_turn) : now_;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now_);
    const int count = epoll_wait(epoll_.get(), events_->at.data(), kBatch,
                                 static_cast<int>(std::max<std::int64_t>(wait.count(), 0)));
    now_ = std::chrono::steady_clock::now();
    if (count > 0) dispatch(count);
    timers_.advance(now_);
    run_deferred();
    on_turn();
  }
}

}  // namespace bd::rt
