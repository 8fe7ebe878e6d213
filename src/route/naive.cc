#include "route/naive.h"

namespace bd::route {

Match naive_match(const std::vector<std::shared_ptr<const model::VirtualHost>>& hosts,
                  std::string_view host, bool is_ip_literal, std::string_view path) {
  Match out;
  for (const auto& candidate : hosts) {
    if (candidate->routes.empty() || !candidate->host.matches(host, is_ip_literal)) continue;
    if (out.host == nullptr || candidate->host.kind < out.host->host.kind)
      out.host = candidate.get();
  }
  if (out.host == nullptr) return out;
  for (const model::Route& candidate : out.host->routes) {
    if (!candidate.path.matches(path)) continue;
    if (out.route == nullptr || model::matches_before(candidate, *out.route))
      out.route = &candidate;
  }
  return out;
}

}  // namespace bd::route
