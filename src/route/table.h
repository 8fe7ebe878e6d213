#pragma once
// route/ answers one question: which route of this listener serves this host and path?
//
// A Table is compiled once, then only read. It holds the routes of a single listener of a single
// exposure, so a listener of `external-https` has no pointer and no index that leads to an internal
// route. That is the blast door, and this file is where it is kept shut.
//
//   host:  exact -> wildcard (one label) -> any       the most specific host that has routes wins,
//   whole:
//                                                     a host's paths never fall through to a wider
//                                                     host
//   path:  longest first, at equal length exact before prefix, prefixes by whole elements
//
// match() never allocates, waits or fails. route/naive.h gives the same answers by trying every
// route.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/route.h"

namespace bd::route {

/// What match() found.
struct Match {
  const model::VirtualHost* host = nullptr;  ///< Null: no virtual host serves this name.
  const model::Route* route = nullptr;       ///< Null: the host is known, the path is not.
  bool operator==(const Match&) const = default;
};

class Table {
 public:
  using Match = route::Match;

  /// One entry per host, in any order; of routes with equal paths the first counts. The pointers
  /// stay shared with the snapshot.
  static std::shared_ptr<const Table> compile(
      std::vector<std::shared_ptr<const model::VirtualHost>> hosts);

  /// `host`: http::Authority::host; `is_ip_literal` hosts match only rules for any host. `path`:
  /// normal form with slashes merged. Valid as long as the table.
  [[nodiscard]] Match match(std::string_view host, bool is_ip_literal,
                            std::string_view path) const noexcept;

  /// In textual order.
  [[nodiscard]] const std::vector<std::shared_ptr<const model::VirtualHost>>& hosts() const {
    return hosts_;
  }
  [[nodiscard]] std::size_t route_count() const noexcept { return paths_.size(); }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Path {
    std::string_view text;  // A prefix ends in '/', so that whole elements compare as plain bytes.
    const model::Route* route = nullptr;
    std::uint32_t wider = kNone;  // The longest other prefix that this prefix begins with.
  };
  struct Host {
    std::string_view name;
    const model::VirtualHost* host = nullptr;
    model::HostPattern::Kind kind = model::HostPattern::Kind::any;
    // Into paths_: exact ones, then prefixes, each part sorted by text.
    std::uint32_t exact_begin = 0;
    std::uint32_t prefix_begin = 0;
    std::uint32_t end = 0;
  };
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t host = kNone;  // kNone: free.
  };

  Table() = default;
  void index_paths(const model::VirtualHost& host);
  void append_paths(std::vector<Path> paths);
  void index_names();
  std::string_view keep(std::string_view text, std::string_view tail);
  [[nodiscard]] std::uint64_t hash(model::HostPattern::Kind kind,
                                   std::string_view name) const noexcept;
  [[nodiscard]] const Host* find(model::HostPattern::Kind kind,
                                 std::string_view name) const noexcept;
  [[nodiscard]] const Host* find_host(std::string_view host, bool is_ip_literal) const noexcept;
  [[nodiscard]] const model::Route* find_route(const Host& host,
                                               std::string_view path) const noexcept;

  std::vector<std::shared_ptr<const model::VirtualHost>> hosts_;
  std::string texts_;  // Names and paths, host by host: one lookup touches neighbouring bytes.
  std::vector<Path> paths_;
  std::vector<Host> entries_;  // The hosts that have routes.
  std::vector<Slot> slots_;    // Open addressing over entries_; a power of two, at most half full.
};

}  // namespace bd::route
