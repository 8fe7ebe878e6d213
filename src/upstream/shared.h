#pragma once
// An HTTP/2 connection to an endpoint, shared by exchanges: each has a stream of it.

#include <memory>

#include "mux/connection.h"
#include "rt/timer.h"
#include "upstream/connection.h"

namespace bd::upstream {

class Shared final : public mux::Owner,
                     public rt::Timer,
                     public std::enable_shared_from_this<Shared> {
 public:
  Shared(rt::Reactor& reactor, std::unique_ptr<Connection> connection,
         const http2::Options& options);
  ~Shared() = default;

  [[nodiscard]] std::shared_ptr<mux::Stream> open(std::span<const http::Field> fields, bool end) {
    return mux_.open(fields, end);
  }
  [[nodiscard]] bool can_open() const { return mux_.can_open(); }
  [[nodiscard]] bool is_idle() const { return mux_.stream_count() == 0; }
  /// Of whom this is; null once it was given up.
  Endpoint* endpoint = nullptr;
  /// An exchange ended: from now on it is kept for a while, if nobody else comes.
  void rest();

 private:
  void on_stream(std::shared_ptr<mux::Stream>) override {}  // Nobody pushes to us.
  void on_end() override;
  std::shared_ptr<void> hold() override { return weak_from_this().lock(); }
  void on_timer() override;

  rt::Reactor& reactor_;
  std::unique_ptr<Connection> connection_;
  mux::Connection mux_;
};

}  // namespace bd::upstream
