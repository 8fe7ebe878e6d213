#include "control/tls_watch.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace bd::control {

struct TlsWatch::Shared {
  Shared(Report to, std::chrono::milliseconds pause) : report(std::move(to)), interval(pause) {}

  void run() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      changed.wait_for(lock, interval, [this] { return stopping || wanted; });
      if (stopping) return;
      const std::optional<config::Config> config = std::exchange(wanted, std::nullopt);
      const std::uint64_t asked = number;
      lock.unlock();
      look(config ? &*config : nullptr, asked);
      lock.lock();
    }
  }

  void look(const config::Config* config, std::uint64_t asked) {
    const std::uint64_t before = files.reads();
    if (config != nullptr) {
      files.use(*config);
    } else {
      static_cast<void>(files.look());
    }
    if (config == nullptr && files.reads() == before) return;
    std::vector<std::string> failures = files.take_failures();
    report({std::make_shared<const TlsFiles>(files), std::move(failures), asked});
  }

  const Report report;
  const std::chrono::milliseconds interval;
  TlsFiles files;  // Of the thread, once it runs.

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by the mutex.
  std::optional<config::Config> wanted;
  std::uint64_t number = 0;  // Of what was wanted last.
  bool stopping = false;

  std::thread thread;
};

TlsWatch::TlsWatch(Report report, std::chrono::milliseconds interval)
    : shared_(std::make_unique<Shared>(std::move(report), interval)) {}

TlsWatch::~TlsWatch() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->changed.notify_all();
  if (shared_->thread.joinable()) shared_->thread.join();
}

void TlsWatch::start(TlsFiles files) {
  shared_->files = std::move(files);
  shared_->thread = std::thread([shared = shared_.get()] { shared->run(); });
}

std::uint64_t TlsWatch::use(config::Config config) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(shared_->mutex);
    number = ++shared_->number;
    shared_->wanted = std::move(config);
  }
  shared_->changed.notify_all();
  return number;
}

}  // namespace bd::control
