#pragma once
// The data plane of one door: its workers, each a thread with a reactor, its own listening sockets
// and pools. The door process (app/) makes one Server, hands it tables, and drains it.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/overload.h"
#include "snapshot/snapshot.h"
#include "telemetry/stats.h"

namespace bd::proxy {

/// The listening descriptors of one listener, one per worker, non-blocking, already listening.
struct ListenSockets {
  std::string listener;
  std::vector<int> fds;
};

struct ServerOptions {
  std::string exposure;
  unsigned workers = 1;
  std::vector<ListenSockets> sockets;
  telemetry::DoorStats* stats = nullptr;
  /// Served from the first connection on: after a crash clients wait in the accept queue for the
  /// table, not for a 503. Null: `starting` until apply().
  std::shared_ptr<const snapshot::Door> door = nullptr;
  std::uint64_t generation = 0;
  /// What the memory budget of `stats` is held against; null: there is none.
  MemoryReader memory = nullptr;
};

class Server {
 public:
  /// Starts the worker threads at once.
  static std::unique_ptr<Server> start(ServerOptions options);
  virtual ~Server() = default;  ///< Stops at once.

  /// Swaps the table of every worker; returns when all have it. Pools, health and balancer state of
  /// unchanged upstreams stay. Called from the door's main thread only.
  virtual void apply(std::shared_ptr<const snapshot::Door> door, std::uint64_t generation) = 0;

  /// Stops nothing yet: health probes answer 503, requests are served as before.
  virtual void fail_probes() = 0;
  /// Drains the accept queues, stops accepting, announces `Connection: close`, closes idle
  /// connections; `done` is called on a worker's thread when nothing is in flight any more.
  virtual void drain(std::function<void()> done) = 0;
  /// The same for a door whose listening sockets another process serves by now: nothing more is
  /// accepted, and an idle client may ask once more within `grace`, so that it learns of the end
  /// from an answer and not from a close that crosses its request. When it returns, no worker
  /// touches the listening sockets any more: they may be closed.
  virtual void retire(std::chrono::milliseconds grace, std::function<void()> done) = 0;
};

}  // namespace bd::proxy
