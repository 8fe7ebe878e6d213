#pragma once
// How a door speaks to the endpoints of an upstream: protocol, TLS, PROXY header. Endpoints that
// are spoken to in different ways share no connection.

#include <memory>
#include <string>

#include "model/route.h"
#include "snapshot/snapshot.h"
#include "tls/client_context.h"

namespace bd::upstream {

class Profile {
 public:
  /// The certificates and bundles are those of `door`.
  Profile(const model::Upstream& upstream, const snapshot::Door& door);

  /// Equal for upstreams that are spoken to in the same way under the same material.
  [[nodiscard]] static std::string key(const model::Upstream& upstream, const snapshot::Door& door);

  [[nodiscard]] bool is_h2() const noexcept { return protocol_ == model::UpstreamProtocol::h2; }
  [[nodiscard]] model::UpstreamTls tls_mode() const noexcept { return tls_mode_; }
  [[nodiscard]] model::ProxyHeader proxy_header() const noexcept { return proxy_header_; }
  /// Null if `tls_mode` is off, or if the material is broken: then problem() says how.
  [[nodiscard]] tls::ClientContext* tls() const noexcept { return tls_.get(); }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  model::UpstreamProtocol protocol_;
  model::UpstreamTls tls_mode_;
  model::ProxyHeader proxy_header_;
  std::unique_ptr<tls::ClientContext> tls_;
  std::string problem_;
};

}  // namespace bd::upstream
