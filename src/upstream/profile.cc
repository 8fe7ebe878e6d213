#include "upstream/profile.h"

#include <fmt/format.h>

#include <utility>

namespace bd::upstream {
namespace {

template <class Map>
auto find_in(const Map& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? typename Map::mapped_type{} : found->second;
}

tls::ClientOptions options_of(const model::Upstream& upstream, const snapshot::Door& door) {
  tls::ClientOptions out;
  out.verify = upstream.tls == model::UpstreamTls::verify;
  if (const auto bundle = find_in(door.bundles, upstream.ca)) out.ca = *bundle;
  // An empty bundle, or none, trusts nobody: a CA stands for it whose key was thrown away.
  if (out.verify && out.ca.empty()) {
    const auto nobody = tls::self_signed({}, 1);
    if (nobody) out.ca = nobody->chain;
  }
  out.server_name = upstream.server_name;
  if (const auto pair = find_in(door.certificates, upstream.client_certificate)) {
    out.certificate = std::make_shared<tls::KeyPair>(tls::KeyPair{pair->chain, pair->key});
  }
  using Alpn = tls::ClientOptions::Alpn;
  out.alpn = upstream.protocol == model::UpstreamProtocol::h2 ? Alpn::h2 : Alpn::http1;
  return out;
}

}  // namespace

Profile::Profile(const model::Upstream& upstream, const snapshot::Door& door)
    : protocol_(upstream.protocol), tls_mode_(upstream.tls), proxy_header_(upstream.proxy_header) {
  if (tls_mode_ == model::UpstreamTls::off) return;
  auto context = tls::ClientContext::create(options_of(upstream, door));
  if (context) {
    tls_ = *std::move(context);
  } else {
    problem_ = context.error();
  }
}

std::string Profile::key(const model::Upstream& upstream, const snapshot::Door& door) {
  std::string out =
      fmt::format("{} {} {}", static_cast<int>(upstream.protocol), static_cast<int>(upstream.tls),
                  static_cast<int>(upstream.proxy_header));
  if (upstream.tls == model::UpstreamTls::off) return out;
  // Texts are compared by identity: an unchanged one keeps its place from one state to the next.
  const auto bundle = find_in(door.bundles, upstream.ca);
  const auto pair = find_in(door.certificates, upstream.client_certificate);
  return out + fmt::format(" {} {} {}", upstream.server_name, fmt::ptr(bundle.get()),
                           fmt::ptr(pair.get()));
}

}  // namespace bd::upstream
