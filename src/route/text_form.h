#pragma once
// The one textual form of route tables: tests, golden files, `blastdoor routes`, /api/v1/routes and
// bug reports share it. print() is canonical: equal tables print equal bytes; parse(print(x)) == x.
//
//   exposure internal-http
//   upstream shop/cart:http h2 tls=verify server-name=cart.shop.svc ca=system
//   listener main
//     host shop.example.com
//       exact  /cart   forward shop/cart:http      # Ingress shop/cart
//       prefix /       forward shop/web:80         # Ingress shop/web
//     host *.example.com
//       prefix /       redirect https 443          # Ingress shop/wild
//     host *
//       prefix /old    refuse service-missing      # Ingress shop/old
//
// An upstream has a line if it is not spoken to in plain HTTP/1.1. `#` begins the origin of a
// route, and a comment elsewhere; a byte that could be mistaken is `\xNN`.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "model/route.h"

namespace bd::route {

struct ListenerRoutes {
  std::string listener;
  std::vector<model::VirtualHost> hosts;
  bool operator==(const ListenerRoutes&) const = default;
};
struct ExposureRoutes {
  std::string exposure;
  std::vector<ListenerRoutes> listeners;
  std::vector<model::Upstream> upstreams = {};  ///< Those in plain HTTP/1.1 may be left out.
  bool operator==(const ExposureRoutes&) const = default;
};

/// The same routes in the order in which they are printed: names, hosts and paths as they compare;
/// without the upstreams in plain HTTP/1.1.
[[nodiscard]] std::vector<ExposureRoutes> canonical(std::vector<ExposureRoutes> routes);

[[nodiscard]] std::string print(const std::vector<ExposureRoutes>& routes);
/// In canonical order, whatever the order of the lines. The error says line and what was expected.
[[nodiscard]] std::expected<std::vector<ExposureRoutes>, std::string> parse(std::string_view text);

}  // namespace bd::route
