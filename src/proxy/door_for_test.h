#pragma once
// For tests only: a door with real sockets, an upstream that follows a script, a client that sends
// raw bytes.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "proxy/server.h"

namespace bd::proxy::testing {

[[nodiscard]] inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
/// Enough, for Client::receive_until: the head of a message is whole.
[[nodiscard]] inline bool head_is_there(std::string_view bytes) {
  return contains(bytes, "\r\n\r\n");
}
inline constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A raw TCP client, blocking, with a bound of five seconds on every read.
class Client {
 public:
  explicit Client(std::uint16_t port);
  explicit Client(UniqueFd connected) : fd_(std::move(connected)) {}
  void send(std::string_view bytes);
  /// Reads until `enough` says so, or the peer closes, or the bound passes.
  std::string receive_until(const std::function<bool(std::string_view)>& enough);
  /// One response with a Content-Length or chunked body, or what came until the close.
  std::string response();
  /// Everything until the close.
  std::string rest() {
    return receive_until([](std::string_view) { return false; });
  }
  [[nodiscard]] bool was_reset() const { return reset_; }
  [[nodiscard]] bool at_end() const { return end_; }
  void finish_sending();
  /// The socket, for whoever speaks more than text over it.
  [[nodiscard]] UniqueFd take() { return std::move(fd_); }

 private:
  UniqueFd fd_;
  std::string left_;
  bool reset_ = false;
  bool end_ = false;
};

/// What an upstream does with one request on one connection: gets the bytes of head and body,
/// returns the bytes of the answer. `close` is set to end the connection after it.
using Script = std::function<std::string(const std::string& request, bool& close)>;

/// Listens on a port of loopback; one thread per connection.
class ScriptedUpstream {
 public:
  explicit ScriptedUpstream(Script script);
  ~ScriptedUpstream();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] std::vector<std::string> requests() const;

 private:
  void serve(int fd);
  Script script_;
  std::uint16_t port_ = 0;
  UniqueFd listener_;
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::thread> threads_;
  std::vector<int> open_;
  std::thread acceptor_;
};

/// Listens, and leaves what happens on a connection to the test. One that is not accepted takes
/// some bytes, and answers nothing.
class ManualUpstream {
 public:
  ManualUpstream();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] Client accept() const;
  /// Fills the accept queue, so that a connect gets no answer.
  void stop_listening();

 private:
  std::uint16_t port_ = 0;
  UniqueFd listener_;
  std::vector<UniqueFd> queued_;
};

/// A door of one listener on a port of loopback.
class TestDoor {
 public:
  /// Of several workers only the first has a socket that a client can reach. With a memory budget
  /// the door has what `memory` says.
  explicit TestDoor(const std::function<void(model::Listener&)>& facts = {}, unsigned workers = 1,
                    std::uint64_t memory_budget = 0);
  ~TestDoor();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] Server& server() { return *server_; }
  [[nodiscard]] std::uint64_t counter(telemetry::Counter counter) const;
  [[nodiscard]] const telemetry::WorkerStats& stats() const { return stats_->workers[0]; }
  [[nodiscard]] OverloadStep overload_step() const {
    return static_cast<OverloadStep>(stats_->overload_step.load());
  }
  std::atomic<std::uint64_t> memory{0};
  /// Called by a worker, on its thread, when it counts; null: nothing.
  std::atomic<void (*)()> on_count{nullptr};
  /// Serves `host` with one prefix route `/` to the upstreams' ports.
  void route(const std::string& host, const std::vector<std::uint16_t>& ports);
  void put(const model::VirtualHost& host);
  void endpoints(const std::string& key, const std::vector<std::uint16_t>& ports);
  void apply();
  snapshot::Door door;

 private:
  std::uint16_t port_ = 0;
  UniqueFd listener_;
  std::vector<UniqueFd> others_;
  telemetry::DoorStats* stats_ = nullptr;
  std::unique_ptr<Server> server_;
  std::uint64_t generation_ = 0;
};

/// Polls until `condition` holds, at most five seconds.
[[nodiscard]] bool eventually(const std::function<bool()>& condition);

}  // namespace bd::proxy::testing
