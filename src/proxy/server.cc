#include "proxy/server.h"

#include <latch>
#include <thread>
#include <utility>

#include "base/check.h"
#include "proxy/worker.h"
#include "route/table.h"

namespace bd::proxy {
namespace {

class ThreadedServer final : public Server {
 public:
  explicit ThreadedServer(ServerOptions options)
      : options_(std::move(options)),
        overload_(options_.stats->memory_budget.load(std::memory_order_relaxed), options_.memory,
                  *options_.stats) {
    for (unsigned i = 0; i < options_.workers; ++i) {
      std::vector<Worker::ListenSocket> sockets;
      for (const ListenSockets& entry : options_.sockets) {
        BD_ASSERT(entry.fds.size() == options_.workers);
        sockets.push_back({entry.listener, entry.fds[i]});
      }
      workers_.push_back(std::make_unique<Worker>(options_.exposure, std::move(sockets),
                                                  options_.stats->workers[i], options_.workers,
                                                  overload_, [this] { follow_overload(); }));
    }
    if (options_.door != nullptr) {
      tables_ = compile(*options_.door);
      door_ = options_.door;
      for (auto& worker : workers_) worker->apply(door_, tables_);
      publish(options_.generation);
    }
    for (auto& worker : workers_) {
      threads_.emplace_back([&worker] { worker->run(); });
    }
  }

  ~ThreadedServer() override {
    for (auto& worker : workers_) {
      worker->reactor().post([&worker] { worker->stop(); });
    }
    for (std::thread& thread : threads_) thread.join();
  }

  void apply(std::shared_ptr<const snapshot::Door> door, std::uint64_t generation) override {
    const auto tables = compile(*door);
    std::latch swapped(static_cast<std::ptrdiff_t>(workers_.size()));
    for (auto& worker : workers_) {
      worker->reactor().post([&] {
        worker->apply(door, tables);
        swapped.count_down();
      });
    }
    swapped.wait();
    door_ = std::move(door);
    tables_ = tables;
    publish(generation);
  }

  void fail_probes() override {
    for (auto& worker : workers_) {
      worker->reactor().post([&worker] { worker->fail_probes(); });
    }
  }

  void drain(std::function<void()> done) override {
    const auto one_done = after_all(std::move(done));
    for (auto& worker : workers_) {
      worker->reactor().post([&worker, one_done] { worker->drain(one_done); });
    }
  }

  void retire(std::chrono::milliseconds grace, std::function<void()> done) override {
    const auto one_done = after_all(std::move(done));
    std::latch left(static_cast<std::ptrdiff_t>(workers_.size()));
    for (auto& worker : workers_) {
      worker->reactor().post([&left, &worker, grace, one_done] {
        worker->retire(grace, one_done);
        left.count_down();
      });
    }
    left.wait();
  }

 private:
  /// From a worker's thread: the others may have nothing to do, and hold memory all the same.
  void follow_overload() {
    for (auto& worker : workers_) {
      worker->reactor().post([&worker] { worker->follow_overload(); });
    }
  }

  /// Calls `done` when every worker has called what it returns.
  std::function<void()> after_all(std::function<void()> done) const {
    auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
    return [left, done = std::move(done)] {
      if (left->fetch_sub(1) == 1) done();
    };
  }

  using Tables = std::map<std::string, std::shared_ptr<const route::Table>>;

  /// One table per listener. A listener none of whose hosts changed keeps its table.
  Tables compile(const snapshot::Door& door) const {
    std::map<std::string, std::vector<std::shared_ptr<const model::VirtualHost>>> hosts;
    for (const model::Listener& listener : door.exposure.listeners) hosts[listener.name];
    for (const auto& [key, host] : door.hosts) hosts[key.listener].push_back(host);
    Tables out;
    for (auto& [listener, list] : hosts) {
      const auto old = tables_.find(listener);
      out[listener] = old != tables_.end() && is_same(*door_, door, listener)
                          ? old->second
                          : route::Table::compile(std::move(list));
    }
    return out;
  }

  static bool is_same(const snapshot::Door& before, const snapshot::Door& after,
                      const std::string& listener) {
    const auto list_of = [&](const snapshot::Door& door) {
      std::vector<const model::VirtualHost*> out;
      for (const auto& [key, host] : door.hosts) {
        if (key.listener == listener) out.push_back(host.get());
      }
      return out;
    };
    return list_of(before) == list_of(after);
  }

  void publish(std::uint64_t generation) {
    std::uint64_t routes = 0;
    for (const auto& [listener, table] : tables_) routes += table->route_count();
    telemetry::DoorStats& stats = *options_.stats;
    stats.routes.store(routes, std::memory_order_relaxed);
    stats.virtual_hosts.store(door_->hosts.size(), std::memory_order_relaxed);
    stats.upstreams.store(door_->upstreams.size(), std::memory_order_relaxed);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    stats.applied_at_ms.store(static_cast<std::uint64_t>(ms), std::memory_order_relaxed);
    stats.applied_generation.store(generation, std::memory_order_release);
  }

  ServerOptions options_;
  Overload overload_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::shared_ptr<const snapshot::Door> door_;
  Tables tables_;
};

}  // namespace

std::unique_ptr<Server> Server::start(ServerOptions options) {
  return std::make_unique<ThreadedServer>(std::move(options));
}

}  // namespace bd::proxy
