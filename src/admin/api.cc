#include "admin/api.h"

#include <algorithm>
#include <array>

#include "admin/pages.h"
#include "base/address.h"
#include "base/ascii.h"
#include "http/authority.h"
#include "text/json_writer.h"

namespace bd::admin {
namespace {

struct Page {
  std::string_view path;
  std::vector<std::string_view> parameters;
  Response (*show)(const View&, const Query&);
};

const std::vector<Page>& pages() {
  static const std::vector<Page> table = {
      {"/api/v1/exposures", {"exposure"}, exposures_page},
      {"/api/v1/routes", {"exposure", "format"}, routes_page},
      {"/api/v1/upstreams", {"exposure"}, upstreams_page},
      {"/api/v1/findings", {"exposure", "severity", "namespace", "name"}, findings_page},
      {"/api/v1/generations", {}, generations_page},
  };
  return table;
}

/// A web page that makes its own name resolve to 127.0.0.1 reaches this port with that name in
/// Host.
bool is_local_name(std::string_view host) {
  const auto authority = http::Authority::parse(host);
  if (!authority) return false;
  if (!authority->is_ip_literal) return authority->host == "localhost";
  const auto ip = IpAddress::parse(authority->host);
  return ip && ip->is_loopback();
}

int hex(char c) {
  if (ascii::is_digit(c)) return c - '0';
  const char low = ascii::lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/// An escape that is none stays as it is: it then names nothing, and the answer says so.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

/// A filter for an exposure that does not exist would look like an exposure that serves nothing.
std::string unknown_exposure(const View& view, const Query& query) {
  const std::string* wanted = query.find("exposure");
  if (wanted == nullptr) return {};
  std::vector<std::string_view> names;
  for (const model::Exposure& exposure : view.exposures) {
    if (exposure.name == *wanted) return {};
    names.push_back(exposure.name);
  }
  return fmt::format("there is no exposure `{}`; there are: {}", *wanted, fmt::join(names, ", "));
}

}  // namespace

std::expected<Query, std::string> Query::parse(std::string_view text,
                                               std::span<const std::string_view> known) {
  Query out;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    if (part.empty()) continue;
    const std::size_t equals = std::min(part.find('='), part.size());
    std::string name = percent_decoded(part.substr(0, equals));
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return std::unexpected(
          fmt::format("there is no parameter `{}` here; there are: {}", name,
                      known.empty() ? "none" : fmt::to_string(fmt::join(known, ", "))));
    }
    if (out.find(name) != nullptr) return std::unexpected(fmt::format("`{}` is given twice", name));
    out.values_.emplace_back(std::move(name),
                             percent_decoded(part.substr(std::min(equals + 1, part.size()))));
  }
  return out;
}

const std::string* Query::find(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return &value;
  }
  return nullptr;
}

bool Query::admits(std::string_view name, std::string_view value) const {
  const std::string* wanted = find(name);
  return wanted == nullptr || *wanted == value;
}

Response problem(int status, std::string_view what) {
  text::JsonWriter json;
  json.begin_object().member("error", what).end_object();
  return {status, "application/json", json.take()};
}

bool is_read(std::string_view method) {
  return method == "GET" || method == "HEAD";
}

Response method_refused() {
  return problem(405, "nothing can be changed here: use GET or HEAD");
}

Response not_found(std::span<const std::string_view> paths) {
  text::JsonWriter json;
  json.begin_object().member("error", "there is no such page").key("paths").begin_array();
  for (const std::string_view path : paths) json.string(path);
  json.end_array().end_object();
  return {404, "application/json", json.take()};
}

Response admin_api(const Request& request, const View& view) {
  if (!is_local_name(request.host)) {
    return problem(403,
                   "Host must be localhost or a loopback address: this API answers to no other "
                   "name, so that no "
                   "web page can read it through a name of its own");
  }
  if (!is_read(request.method)) return method_refused();
  const std::string_view path = request.target.substr(0, request.target.find('?'));
  const auto& table = pages();
  const auto page =
      std::find_if(table.begin(), table.end(), [&](const Page& p) { return p.path == path; });
  if (page == table.end()) {
    std::vector<std::string_view> paths;
    for (const Page& known : table) paths.push_back(known.path);
    return not_found(paths);
  }
  const std::string_view rest = request.target.substr(path.size());
  const auto query = Query::parse(rest.empty() ? rest : rest.substr(1), page->parameters);
  if (!query) return problem(400, query.error());
  if (const std::string what = unknown_exposure(view, *query); !what.empty())
    return problem(404, what);
  return page->show(view, *query);
}

}  // namespace bd::admin
