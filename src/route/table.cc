#include "route/table.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace bd::route {
namespace {

using model::HostPattern;
using model::PathPattern;

/// Secret of this process: names come from tenants, and nobody may choose ones that all collide.
const std::array<std::uint64_t, 2>& secret() {
  static const std::array<std::uint64_t, 2> value = [] {
    std::array<std::uint64_t, 2> out{};
    BD_ASSERT(getentropy(out.data(), sizeof out) == 0);
    return out;
  }();
  return value;
}

std::uint64_t multiply_and_fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Orders `text` against `path` + '/' without building that.
int compare_with_slash(std::string_view text, std::string_view path) noexcept {
  const std::size_t common = std::min(text.size(), path.size());
  if (const int order = text.substr(0, common).compare(path.substr(0, common)); order != 0)
    return order;
  const std::string_view rest = text.substr(common);
  return rest.compare(common == path.size() ? "/" : path.substr(common));
}

/// How many bytes `text` and `path` + '/' have in common.
std::size_t common_with_slash(std::string_view text, std::string_view path) noexcept {
  const auto [end, unused] = std::ranges::mismatch(text, path);
  const auto common = static_cast<std::size_t>(end - text.begin());
  return common == path.size() && text.substr(common).starts_with('/') ? common + 1 : common;
}

std::size_t text_size(const model::VirtualHost& host) {
  std::size_t out = host.host.name.size();
  for (const model::Route& route : host.routes) out += route.path.path.size() + 1;
  return out;
}

}  // namespace

std::shared_ptr<const Table> Table::compile(
    std::vector<std::shared_ptr<const model::VirtualHost>> hosts) {
  const std::shared_ptr<Table> out(new Table);
  const auto pattern = [](const auto& host) -> const HostPattern& { return host->host; };
  std::ranges::sort(hosts, {}, pattern);
  hosts.erase(std::ranges::unique(hosts, {}, pattern).begin(), hosts.end());
  out->hosts_ = std::move(hosts);

  std::size_t text = 0;
  std::size_t routes = 0;
  for (const auto& host : out->hosts_) {
    text += text_size(*host);
    routes += host->routes.size();
  }
  BD_ASSERT(routes < kNone);
  out->texts_.reserve(text);
  out->paths_.reserve(routes);
  for (const auto& host : out->hosts_) {
    if (!host->routes.empty()) out->index_paths(*host);
  }
  out->index_names();
  return out;
}

void Table::index_paths(const model::VirtualHost& host) {
  Host entry;
  entry.host = &host;
  entry.kind = host.host.kind;
  entry.name = keep(host.host.name, {});
  std::vector<Path> exact;
  std::vector<Path> prefix;
  for (const model::Route& route : host.routes) {
    const std::string& path = route.path.path;
    if (route.path.kind == PathPattern::Kind::exact) {
      exact.push_back({keep(path, {}), &route});
    } else {
      prefix.push_back({keep(path, path.ends_with('/') ? "" : "/"), &route});
    }
  }
  entry.exact_begin = static_cast<std::uint32_t>(paths_.size());
  append_paths(std::move(exact));
  entry.prefix_begin = static_cast<std::uint32_t>(paths_.size());
  append_paths(std::move(prefix));
  entry.end = static_cast<std::uint32_t>(paths_.size());
  for (std::uint32_t i = entry.prefix_begin + 1; i < entry.end; ++i) {
    std::uint32_t wider = i - 1;
    while (wider != kNone && !paths_[i].text.starts_with(paths_[wider].text))
      wider = paths_[wider].wider;
    paths_[i].wider = wider;
  }
  entries_.push_back(entry);
}

void Table::append_paths(std::vector<Path> paths) {
  // Routes of one host lie in one vector, so the order of their addresses is the order of the
  // routes.
  std::ranges::sort(paths, {}, [](const Path& path) { return std::pair(path.text, path.route); });
  const auto doubles = std::ranges::unique(paths, {}, &Path::text);
  paths_.insert(paths_.end(), paths.begin(), doubles.begin());
}

std::string_view Table::keep(std::string_view text, std::string_view tail) {
  const std::size_t begin = texts_.size();
  BD_ASSERT(texts_.capacity() - begin >= text.size() + tail.size());  // Views into it must stay.
  texts_.append(text).append(tail);
  return std::string_view(texts_).substr(begin);
}

void Table::index_names() {
  slots_.resize(std::bit_ceil(entries_.size() * 2 + 1));
  const std::size_t mask = slots_.size() - 1;
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    const std::uint64_t hashed = hash(entries_[i].kind, entries_[i].name);
    std::size_t at = hashed & mask;
    while (slots_[at].host != kNone) at = (at + 1) & mask;
    slots_[at] = {static_cast<std::uint32_t>(hashed >> 32), i};
  }
}

std::uint64_t Table::hash(HostPattern::Kind kind, std::string_view name) const noexcept {
  std::uint64_t out = secret()[0] ^ (name.size() << 2) ^ static_cast<std::uint64_t>(kind);
  while (!name.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min(name.size(), sizeof word);
    std::memcpy(&word, name.data(), size);
    out = multiply_and_fold(out ^ word, secret()[1]);
    name.remove_prefix(size);
  }
  return multiply_and_fold(out, secret()[1]);
}

const Table::Host* Table::find(HostPattern::Kind kind, std::string_view name) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  const std::uint64_t hashed = hash(kind, name);
  for (std::size_t at = hashed & mask; slots_[at].host != kNone; at = (at + 1) & mask) {
    if (slots_[at].tag != hashed >> 32) continue;
    const Host& entry = entries_[slots_[at].host];
    if (entry.name == name && entry.kind == kind) return &entry;
  }
  return nullptr;
}

const Table::Host* Table::find_host(std::string_view host, bool is_ip_literal) const noexcept {
  if (!is_ip_literal) {
    if (const Host* const exact = find(HostPattern::Kind::exact, host)) return exact;
    const std::size_t dot = host.find('.');
    if (dot != std::string_view::npos && dot > 0) {
      const Host* const wildcard = find(HostPattern::Kind::wildcard, host.substr(dot + 1));
      if (wildcard != nullptr) return wildcard;
    }
  }
  return find(HostPattern::Kind::any, {});
}

const model::Route* Table::find_route(const Host& host, std::string_view path) const noexcept {
  if (!path.starts_with('/')) return nullptr;  // `*` of OPTIONS: no rule names it.
  const auto begin = paths_.begin();
  const auto prefix_begin = begin + host.prefix_begin;
  const auto exact = std::lower_bound(begin + host.exact_begin, prefix_begin, path,
                                      [](const Path& a, std::string_view b) { return a.text < b; });
  if (exact != prefix_begin && exact->text == path) return exact->route;

  // All that is sorted between a prefix of `path` and `path` itself begins with that prefix too. So
  // the last prefix that is not greater than `path` is the longest match, or leads to it by its
  // wider ones.
  const auto after = std::partition_point(
      prefix_begin, begin + host.end,
      [&](const Path& candidate) { return compare_with_slash(candidate.text, path) <= 0; });
  if (after == prefix_begin) return nullptr;
  const Path* candidate = &*(after - 1);
  const std::size_t common = common_with_slash(candidate->text, path);
  while (candidate->text.size() > common) {
    if (candidate->wider == kNone) return nullptr;
    candidate = &paths_[candidate->wider];
  }
  return candidate->route;
}

Match Table::match(std::string_view host, bool is_ip_literal,
                   std::string_view path) const noexcept {
  const Host* const found = find_host(host, is_ip_literal);
  if (found == nullptr) return {};
  return {found->host, find_route(*found, path)};
}

}  // namespace bd::route
