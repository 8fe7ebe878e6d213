#pragma once
// A small HTTP/1.1 server for the controller's own pages: strict parser, GET and HEAD, one bound
// for everything. Never on a data port.

#include <functional>
#include <memory>
#include <vector>

#include "admin/api.h"
#include "base/unique_fd.h"
#include "rt/reactor.h"
#include "rt/task.h"

namespace bd::admin {

class Server {
 public:
  using Handler = std::function<Response(const Request&)>;
  /// `listener`: bound, listening, non-blocking. At most 64 connections, 16 KiB of head, 10 s each;
  /// one request per connection (Connection: close).
  Server(rt::Reactor& reactor, UniqueFd listener, Handler handler);
  ~Server();  ///< The reactor must have been cancelled, or no connection be open.
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A listening TCP socket. The error names the address.
[[nodiscard]] std::expected<UniqueFd, std::string> listen_on(const SocketAddress& address);

}  // namespace bd::admin
