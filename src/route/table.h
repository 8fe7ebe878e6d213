#pragma once
// route/ answers one question: which route of this listener serves this host and path?
//
// A Table is compiled once, then only read. It holds the routes of a single listener of a single
// exposure, so a listener of `external-https` has no pointer and no index that leads to an internal
// route. That is the blast door, and this file is where it is kept shut.
//
//   host:  exact -> wildcard (one label) -> any       the most specific host that has routes wins, whole:
//                                                     a host's paths never fall through to a wider host
//   path:  longest first, at equal length exact before prefix, prefixes by whole elements
//
// match() never allocates, waits or fails. route/naive.h gives the same answers by trying every route.

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/route.h"

namespace bd::route {

class Table {
 public:
  /// One entry per host; the pointers stay shared with the snapshot. Any order.
  static std::shared_ptr<const Table> compile(
      std::vector<std::shared_ptr<const model::VirtualHost>> hosts);

  struct Match {
    const model::VirtualHost* host = nullptr;  ///< Null: no virtual host serves this name.
    const model::Route* route = nullptr;       ///< Null: the host is known, the path is not.
  };
  /// `host`: http::Authority::host; `is_ip_literal` hosts match only rules for any host. `path`: normal
  /// form with slashes merged. Valid as long as the table.
  [[nodiscard]] Match match(std::string_view host, bool is_ip_literal, std::string_view path) const noexcept;

  [[nodiscard]] const std::vector<std::shared_ptr<const model::VirtualHost>>& hosts() const { return hosts_; }
  [[nodiscard]] std::size_t route_count() const noexcept { return route_count_; }

 private:
  Table() = default;
  std::vector<std::shared_ptr<const model::VirtualHost>> hosts_;  // In textual order.
  std::size_t route_count_ = 0;
};

}  // namespace bd::route
