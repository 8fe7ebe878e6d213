#pragma once
// Opens a connection to an endpoint: TCP, then the PROXY header and TLS if its upstream asks for
// them.

#include <memory>

#include "decide/decide.h"
#include "proxy/worker.h"
#include "rt/task.h"
#include "upstream/upstream.h"

namespace bd::proxy {

class Connector {
 public:
  /// `client`: for whom, `local`: where it came to, for the PROXY header. The waiter is the
  /// exchange's.
  Connector(Worker& worker, rt::Waiter& waiter, upstream::Endpoint& endpoint,
            const model::Timeouts& timeouts, const SocketAddress& client,
            const SocketAddress& local)
      : worker_(worker),
        waiter_(waiter),
        endpoint_(endpoint),
        timeout_(timeouts.connect),
        client_(client),
        local_(local) {}

  /// Cause::none: take() has the connection.
  rt::Task<decide::Cause> connect();
  [[nodiscard]] std::unique_ptr<upstream::Connection> take() { return std::move(connection_); }

 private:
  rt::Task<decide::Cause> connect_tcp();
  rt::Task<decide::Cause> connect_tls();
  [[nodiscard]] bool send_proxy_header();

  Worker& worker_;
  rt::Waiter& waiter_;
  upstream::Endpoint& endpoint_;
  rt::Duration timeout_;
  SocketAddress client_, local_;
  std::unique_ptr<upstream::Connection> connection_;
};

}  // namespace bd::proxy
