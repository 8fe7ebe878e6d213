#include "control/state_writer.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace bd::control {

struct StateWriter::Shared {
  struct Job {
    std::string door;
    std::uint64_t number = 0;
    Write write;
  };

  explicit Shared(Report to) : report(std::move(to)) {}

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return stopping || !waiting.empty(); });
      if (waiting.empty()) return;  // Stopping, and all is written.
      const Job job = std::move(waiting.front());
      waiting.pop_front();
      busy = true;
      lock.unlock();
      report(job.door, job.number, job.write());
      lock.lock();
      busy = false;
      changed.notify_all();
    }
  }

  const Report report;
  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by the mutex.
  std::deque<Job> waiting;  // At most one per door; who waits longest is next.
  std::uint64_t number = 0;
  bool busy = false;
  bool stopping = false;

  std::thread thread;
};

StateWriter::StateWriter(Report report) : shared_(std::make_unique<Shared>(std::move(report))) {
  shared_->thread = std::thread([shared = shared_.get()] { shared->run(); });
}

StateWriter::~StateWriter() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->changed.notify_all();
  shared_->thread.join();
}

std::uint64_t StateWriter::ask(const std::string& door, Write write) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(shared_->mutex);
    number = ++shared_->number;
    auto& waiting = shared_->waiting;
    const auto replaced = std::find_if(waiting.begin(), waiting.end(),
                                       [&](const Shared::Job& job) { return job.door == door; });
    if (replaced == waiting.end()) {
      waiting.push_back({door, number, std::move(write)});
    } else {
      replaced->number = number;
      std::swap(replaced->write, write);  // What it held is freed by the caller, without the lock.
    }
  }
  shared_->changed.notify_all();
  return number;
}

bool StateWriter::finish(std::chrono::milliseconds limit) {
  std::unique_lock lock(shared_->mutex);
  return shared_->changed.wait_for(lock, limit,
                                   [this] { return shared_->waiting.empty() && !shared_->busy; });
}

}  // namespace bd::control
