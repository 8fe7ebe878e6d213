#pragma once
// A client's HTTP/2 connection: each of its streams is an exchange of its own.

#include <memory>
#include <vector>

#include "mux/connection.h"
#include "proxy/session.h"
#include "rt/task.h"

namespace bd::proxy {

class H2Session final : private mux::Owner, private Cargo {
 public:
  explicit H2Session(Session& session);
  ~H2Session() { session_.cargo = nullptr; }

  /// Until the connection ends. What was read of it already stands in the session's buffer.
  rt::Task<void> run();

 private:
  void on_stream(std::shared_ptr<mux::Stream> stream) override;
  void on_end() override { session_.waiter.wake_later(); }
  std::shared_ptr<void> hold() override { return nullptr; }  // run() outlives what it waits for.

  [[nodiscard]] std::size_t held() const override { return connection_.held(); }

  rt::Task<void> serve(std::shared_ptr<mux::Stream> stream);
  rt::Task<void> exchange_once(std::shared_ptr<mux::Stream> stream, rt::Waiter& waiter);
  /// When to look again; what is due now is done.
  rt::Instant look();
  void drain();

  Session& session_;
  mux::Connection connection_;
  std::vector<rt::Waiter*> serving_;  // One per stream that is being served.
  rt::Instant idle_since_;
  rt::Instant last_call_ = rt::kNever;  // When a drain ends new streams for good.
  bool draining_ = false;
};

}  // namespace bd::proxy
