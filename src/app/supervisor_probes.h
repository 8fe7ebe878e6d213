#pragma once
// /livez and /readyz, answered by comparing the request line with constants: the supervisor has no
// parser to attack.

#include <poll.h>

#include <string>
#include <string_view>
#include <vector>

#include "app/supervisor_policy.h"
#include "base/unique_fd.h"

namespace bd::app {

class ProbeServer {
 public:
  static constexpr std::size_t kConnectionsMax = 64;
  static constexpr std::size_t kRequestMax = 4096;
  static constexpr std::chrono::seconds kTimeout{2};

  /// A listening, non-blocking socket.
  explicit ProbeServer(UniqueFd listener) : listener_(std::move(listener)) {}

  [[nodiscard]] int listener() const { return listener_.get(); }
  /// While `on`, another supervisor answers what comes to the socket.
  void pause(bool on) { paused_ = on; }
  /// Another one does from now on.
  void leave() { listener_.reset(); }
  void add_to(std::vector<pollfd>& polled) const;
  /// After every poll(). `not_ready`: why /readyz fails; empty: it does not.
  void serve(TimePoint now, std::string_view not_ready);

 private:
  struct Connection {
    UniqueFd fd;
    TimePoint deadline;
    std::string request;
  };
  void accept_all(TimePoint now);
  /// True if the connection is done with.
  static bool progress(Connection& connection, std::string_view not_ready);

  [[nodiscard]] bool accepts() const {
    return !paused_ && listener_ && connections_.size() < kConnectionsMax;
  }

  UniqueFd listener_;
  bool paused_ = false;
  std::vector<Connection> connections_;
};

/// The whole response to a request that starts with `request_line`.
[[nodiscard]] std::string probe_response(std::string_view request_line, std::string_view not_ready);

}  // namespace bd::app
