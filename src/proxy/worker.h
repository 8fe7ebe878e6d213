#pragma once
// One thread of the data plane: a reactor, its listening sockets, its sessions and its upstream
// pools. Workers share nothing; tables come by mail.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "decide/decide.h"
#include "net/pipe.h"
#include "proxy/acceptor.h"
#include "proxy/buffer.h"
#include "proxy/overload.h"
#include "proxy/tls_listener.h"
#include "rt/reactor.h"
#include "rt/task.h"
#include "snapshot/snapshot.h"
#include "telemetry/stats.h"
#include "upstream/upstream.h"

namespace bd::proxy {

class Session;

class Worker final : private rt::Timer {
 public:
  struct ListenSocket {
    std::string listener;
    int fd;
  };
  /// One of `workers` of its door: it takes its share of the door's limits. `on_step` is called
  /// when this worker finds that the step of `overload` has changed.
  Worker(std::string exposure, std::vector<ListenSocket> sockets, telemetry::WorkerStats& stats,
         unsigned workers, Overload& overload, std::function<void()> on_step);
  ~Worker();

  /// The thread's body: until stop() is posted.
  void run();

  // All of these run on the worker's thread.
  void apply(const std::shared_ptr<const snapshot::Door>& door,
             const std::map<std::string, std::shared_ptr<const route::Table>>& tables);
  void fail_probes() noexcept { state_.draining = true; }
  void drain(std::function<void()> done);
  /// As Server::retire(): clients that are idle have `grace` left to ask once more.
  void retire(rt::Duration grace, std::function<void()> done);
  void stop();
  /// Does what the step of the last count of memory asks for, once per count.
  void follow_overload();

  [[nodiscard]] rt::Reactor& reactor() noexcept { return reactor_; }
  [[nodiscard]] telemetry::WorkerStats& stats() noexcept { return stats_; }
  [[nodiscard]] BlockPool& blocks() noexcept { return blocks_; }
  [[nodiscard]] net::PipePool& pipes() noexcept { return pipes_; }
  [[nodiscard]] upstream::Upstreams& upstreams() noexcept { return upstreams_; }
  [[nodiscard]] const decide::DoorState& state() const noexcept { return state_; }
  [[nodiscard]] bool closing() const noexcept { return closing_; }
  /// Else every answer announces the end of its connection, and an idle one ends.
  [[nodiscard]] bool keeps_connections() const noexcept {
    return !closing_ && step_ == OverloadStep::none;
  }
  [[nodiscard]] const Overload& overload() const noexcept { return overload_; }
  [[nodiscard]] Random& random() noexcept { return random_; }
  /// While closing: until when an idle client may still ask.
  [[nodiscard]] rt::Instant idle_until() const noexcept { return idle_until_; }
  [[nodiscard]] const std::shared_ptr<const decide::Listener>& listener(std::size_t index) const {
    return listeners_[index];
  }

  /// Null: the listener is plain, or can speak no TLS yet.
  [[nodiscard]] tls::ServerContext* tls(std::size_t index) const { return tls_[index].context(); }
  [[nodiscard]] rt::Scope& scope() noexcept { return scope_; }

  /// Called by acceptors: takes a connection over.
  void accept(std::size_t listener, UniqueFd fd, const SocketAddress& peer);
  /// What stands against one more connection; none: nothing does.
  [[nodiscard]] std::optional<telemetry::Counter> obstacle() const noexcept;

  /// A vector of fields with its memory, lent for one exchange.
  [[nodiscard]] http::Fields take_fields();
  void give_back(http::Fields fields);

 private:
  friend class Session;
  void turn();
  void on_timer() override {}  // It only wakes: turn() looks.
  void forget(Session& session);
  void wake_sessions();
  void release_idle();
  void reset_largest();
  void close_sessions(std::function<void()> done);

  rt::Reactor reactor_;
  telemetry::WorkerStats& stats_;
  std::size_t workers_;
  std::size_t descriptors_max_;  // Of this door that clients may have.
  Overload& overload_;
  std::function<void()> on_step_;
  OverloadStep step_ = OverloadStep::none;
  std::uint64_t counts_followed_ = 0;
  rt::Instant reset_due_{};  // While requests are refused, and what is there does not go.
  BlockPool blocks_;
  net::PipePool pipes_;
  upstream::Upstreams upstreams_;
  std::vector<std::shared_ptr<const decide::Listener>> listeners_;
  std::vector<TlsListener> tls_;  // By the index of the listener.
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  decide::DoorState state_;
  rt::Scope scope_;
  Session* sessions_ = nullptr;  // Intrusive list of all.
  std::size_t session_count_ = 0;
  std::vector<http::Fields> spare_fields_;
  Random random_;  // Nothing secret comes from it.
  std::function<void()> drained_;
  bool closing_ = false;
  rt::Instant idle_until_{};
};

}  // namespace bd::proxy
