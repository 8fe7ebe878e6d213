#include "control/describe.h"

#include <string_view>
#include <vector>

namespace bd::control {

std::string describe(const std::string& door, const snapshot::Difference& d) {
  std::vector<std::string> parts;
  const auto count = [&](const auto& put, const auto& drop, std::string_view what) {
    if (put.empty() && drop.empty()) return;
    parts.push_back(fmt::format("+{} -{} {}", put.size(), drop.size(), what));
  };
  count(d.put_hosts, d.drop_hosts, "hosts");
  count(d.put_upstreams, d.drop_upstreams, "upstreams");
  if (!d.put_endpoints.empty()) {
    parts.push_back(fmt::format("{} endpoint lists", d.put_endpoints.size()));
  }
  count(d.put_certificates, d.drop_certificates, "certificates");
  count(d.put_bundles, d.drop_bundles, "CA bundles");
  if (!d.put_served.empty()) parts.emplace_back("who serves which certificate");
  if (d.ticket_keys) parts.emplace_back("session ticket keys");
  if (d.exposure) parts.emplace_back("facts of listeners");
  if (d.denied) parts.emplace_back("own addresses");
  if (parts.empty()) parts.emplace_back("the same under a new configuration");
  return fmt::format("{}: {}", door, fmt::join(parts, ", "));
}

}  // namespace bd::control
