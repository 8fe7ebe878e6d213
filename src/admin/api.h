#pragma once
// The admin API and /metrics as pure functions: a request and a View in, a response out.

#include <string>
#include <string_view>

#include "admin/view.h"

namespace bd::admin {

struct Request {
  std::string_view method;
  std::string_view target;  ///< Path and query.
  std::string_view
      host;  ///< The Host field: must be localhost or a loopback literal (DNS rebinding).
};
struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

/// GET and HEAD of /api/v1/{exposures,routes,upstreams,findings,generations}. `?exposure=` narrows;
/// routes also
/// `?format=text` (the one textual form). Unknown paths: 404 with the list of paths. Wrong Host:
/// 403.
[[nodiscard]] Response admin_api(const Request& request, const View& view);

/// GET /metrics: Prometheus text format 0.0.4. Any Host.
[[nodiscard]] Response metrics(const Request& request, const View& view);

/// docs/reference/metrics.md, from the tables that metrics() prints from.
[[nodiscard]] std::string metrics_reference();

}  // namespace bd::admin
