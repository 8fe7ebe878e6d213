#pragma once
// One thread's event loop: epoll edge-triggered, a timer wheel and a mailbox. It knows descriptors
// and coroutines, not protocols.
//
// A Handle is one registered descriptor with two facts: it may be readable, it may be writable.
// Whoever does the I/O clears a fact when the kernel says EAGAIN (or after a short read), and an
// event sets it again. A Waiter is one coroutine that waits for an event on any of its handles, or
// for a deadline. So an exchange watches its client and its upstream with one wait, and no
// epoll_ctl is called after registration.

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/unique_fd.h"
#include "rt/timer.h"

namespace bd::rt {

class Reactor;

/// Who is told of the events of a handle.
class EventSink {
 public:
  virtual void on_event() = 0;

 protected:
  ~EventSink() = default;
};

/// Work for the end of a turn: however often it is asked for in the turn, it is done once.
class Deferred {
 public:
  explicit Deferred(Reactor& reactor) : reactor_(reactor) {}
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  /// on_turn_end() is called after the events of this turn; asked for there, in the next turn.
  void defer();

 protected:
  ~Deferred();
  virtual void on_turn_end() = 0;
  [[nodiscard]] bool is_deferred() const noexcept { return deferred_; }
  Reactor& reactor_;

 private:
  friend class Reactor;
  bool deferred_ = false;
};

/// Where one coroutine waits. Attach it to handles with Handle::set_sink.
class Waiter final : public Timer, public EventSink, private Deferred {
 public:
  explicit Waiter(Reactor& reactor) : Deferred(reactor) {}
  ~Waiter() = default;
  enum class Woken : std::uint8_t { event, deadline };

  struct Awaiter {
    Waiter& waiter;
    Instant deadline;
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<> waiting) noexcept;
    Woken await_resume() noexcept;
  };
  /// Until an event since the last wait, or the deadline (kNever: none). Once the reactor is
  /// cancelled every wait ends at once with `deadline`, so that coroutines run to their ends.
  [[nodiscard]] Awaiter wait(Instant deadline) noexcept { return {*this, deadline}; }
  struct Yield {
    Waiter& waiter;
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<> waiting);
    void await_resume() noexcept { waiter.signaled_ = false; }
  };
  /// Lets everybody else have a turn.
  [[nodiscard]] Yield yield() noexcept { return {*this}; }
  /// Resumes the coroutine now if it waits; else its next wait returns at once.
  void wake() noexcept;
  /// The same at the end of this turn: for whoever must not be interrupted now.
  void wake_later() { defer(); }
  void on_event() override { wake(); }

 private:
  friend class Reactor;
  void on_timer() override;
  void on_turn_end() override { wake(); }
  std::coroutine_handle<> waiting_;
  bool signaled_ = false;
  bool timed_out_ = false;
};

/// One descriptor in the epoll set. Not moved while registered.
class Handle {
 public:
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle();

  /// Registers `fd` for all events, edge-triggered. Does not own it. False if epoll refuses (no
  /// memory).
  bool attach(Reactor& reactor, int fd);
  void detach() noexcept;
  /// The same for a descriptor that is closed right after, which takes it out of the epoll set.
  void abandon() noexcept;
  void set_sink(EventSink* sink) noexcept { sink_ = sink; }

  bool readable = true;  ///< A read may succeed. Optimistic at first: try, then wait.
  bool writable = true;
  bool peer_closed = false;  ///< The peer sent its FIN, or worse.
  bool broken = false;       ///< Reset, or closed both ways: nothing can be sent any more.

 private:
  friend class Reactor;
  Reactor* reactor_ = nullptr;
  EventSink* sink_ = nullptr;
  int fd_ = -1;
};

class Reactor {
 public:
  Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor();

  /// Runs until stop(). `on_turn` is called once per turn, and at least every `idle_turn`.
  void run(const std::function<void()>& on_turn, std::chrono::milliseconds idle_turn);
  void stop() noexcept { stopping_ = true; }
  /// From now on nothing waits any more.
  void cancel() noexcept { cancelled_ = true; }
  [[nodiscard]] bool is_cancelled() const noexcept { return cancelled_; }
  /// From any thread: `work` runs on the loop's thread, in order.
  void post(std::function<void()> work);

  /// The time of this turn: read once per turn.
  [[nodiscard]] Instant now() const noexcept { return now_; }
  [[nodiscard]] TimerWheel& timers() noexcept { return timers_; }

 private:
  friend class Handle;
  friend class Waiter;
  friend class Deferred;
  void dispatch(int count);
  void run_deferred();
  void drain_mailbox();
  void forget(const Handle* handle) noexcept;

  static constexpr int kBatch = 128;
  struct Events;
  std::vector<Deferred*> deferred_;
  std::vector<Deferred*> ending_;  // Those of the turn that ends; null: gone meanwhile.
  UniqueFd epoll_;
  UniqueFd mail_event_;
  Instant now_;
  TimerWheel timers_;
  std::unique_ptr<Events> events_;
  int batch_at_ = 0;
  int batch_size_ = 0;
  bool stopping_ = false;
  bool cancelled_ = false;
  std::mutex mail_mutex_;
  std::vector<std::function<void()>> mail_;  // Guarded by mail_mutex_.
};

}  // namespace bd::rt
