#include "upstream/shared.h"

#include "model/limits.h"
#include "upstream/endpoint.h"

namespace bd::upstream {

Shared::Shared(rt::Reactor& reactor, std::unique_ptr<Connection> connection,
               const http2::Options& options)
    : reactor_(reactor),
      connection_(std::move(connection)),
      mux_(reactor, connection_->stream, http2::Role::client, options, *this) {}

/// A stream that was cancelled leaves a little later, so that only the timer knows who is idle.
void Shared::rest() {
  if (!mux_.over()) reactor_.timers().arm(*this, reactor_.now() + model::kSharedIdle);
}

void Shared::on_timer() {
  if (!is_idle()) return rest();
  // A server that is about to close says so with GOAWAY, so there is no race to be lost.
  mux_.abandon();
}

void Shared::on_end() {
  connection_->stream.close();
  if (endpoint != nullptr) endpoint->drop(*this);  // The last call: this may be gone after it.
}

}  // namespace bd::upstream
