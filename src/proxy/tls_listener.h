#pragma once
// What one worker needs to speak TLS on one listener. Made again only when something of it changed;
// sessions that run are not touched.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "snapshot/snapshot.h"
#include "tls/server_context.h"

namespace bd::proxy {

class TlsListener {
 public:
  /// Takes over what `door` says of the listener. If that can't be served (the controller checked
  /// it before), what was served stays.
  void update(const model::Listener& listener, const snapshot::Door& door);
  /// Null: plain, or no TLS can be spoken yet.
  [[nodiscard]] tls::ServerContext* context() const noexcept { return context_.get(); }

 private:
  using Certificates = std::vector<std::shared_ptr<const model::Certificate>>;
  void rebuild(const snapshot::Door& door, const Certificates& certificates);

  model::Tls tls_;
  Certificates certificates_;
  std::vector<std::shared_ptr<const std::string>> bundles_;
  std::vector<std::string> tickets_;
  /// The same texts as the same objects: they are parsed once.
  std::map<std::shared_ptr<const model::Certificate>, std::shared_ptr<const tls::KeyPair>> pairs_;
  std::unique_ptr<tls::ServerContext> context_;
};

}  // namespace bd::proxy
