#include "model/exposure.h"

namespace bd::model {

Exposure make_exposure(std::string name, Side side, Scheme scheme, std::uint16_t port) {
  Exposure out;
  out.side = side;
  out.hosts = side == Side::external ? HostOwnership::owned : HostOwnership::shared;
  // Within the company a label may ask for anything; the internet gets exact hosts only.
  if (side == Side::internal)
    out.allow = {.wildcard = true, .empty_host = true, .default_backend = true};
  out.selector = Selector::equals(std::string(kExposeLabel), name);
  Listener listener;
  listener.name = "main";
  listener.bind.port = port;
  listener.public_scheme = scheme;
  listener.public_port = default_port(scheme);
  out.listeners.push_back(std::move(listener));
  out.name = std::move(name);
  return out;
}

std::vector<Exposure> default_exposures() {
  return {make_exposure("internal-http", Side::internal, Scheme::http, 10000),
          make_exposure("internal-httpsecure", Side::internal, Scheme::https, 10001),
          make_exposure("external-http", Side::external, Scheme::http, 10002),
          make_exposure("external-httpsecure", Side::external, Scheme::https, 10003)};
}

}  // namespace bd::model
