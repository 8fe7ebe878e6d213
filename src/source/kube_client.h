#pragma once
// Talks to one API server: GET requests over libcurl, one at a time on each of a few lanes, all on
// the thread that calls. Tokens and certificates are read again for each request, because pods get
// new ones while they run.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "source/source.h"

namespace bd::source {

class KubeClient {
 public:
  /// Who gets the answers of a lane. Called from poll(), and must not call the client back.
  struct Receiver {
    std::function<void(long status)> head;
    std::function<bool(std::string_view bytes)> data;  ///< False ends the transfer.
    /// The transfer is over. `error` is empty if the answer was complete.
    std::function<void(long status, std::string error, std::chrono::seconds retry_after)> done;
  };

  explicit KubeClient(KubeAccess access);
  ~KubeClient();
  KubeClient(const KubeClient&) = delete;
  KubeClient& operator=(const KubeClient&) = delete;

  /// Lanes are numbered from 0 in the order in which they are added.
  void add_lane(Receiver receiver);
  [[nodiscard]] bool busy(std::size_t lane) const;
  /// Starts a request on an idle lane. The error says why there can be none, and done() is not
  /// called.
  [[nodiscard]] std::expected<void, std::string> get(std::size_t lane, const std::string& target,
                                                     std::chrono::seconds timeout);
  /// Ends the request of a lane; done() is not called.
  void drop(std::size_t lane);
  /// Moves bytes, and waits for some for at most `pause`.
  void poll(std::chrono::milliseconds pause);
  /// Ends the wait of poll(); from any thread.
  void wake();

 private:
  struct Lane;
  struct Hidden;
  KubeAccess access_;
  std::unique_ptr<Hidden> hidden_;
};

}  // namespace bd::source
