#include <fmt/format.h>

#include <unordered_set>

#include "kube/decode.h"
#include "kube/names.h"
#include "model/limits.h"

namespace bd::kube {
namespace {

using text::Value;

std::string_view api_name(PathType type) {
  switch (type) {
    case PathType::exact:
      return "Exact";
    case PathType::prefix:
      return "Prefix";
    case PathType::implementation_specific:
      return "ImplementationSpecific";
  }
  return "";
}

/// Names of the v1beta1 API and where their content went.
constexpr std::initializer_list<std::pair<std::string_view, std::string_view>> kMovedInBackend = {
    {"serviceName", "service.name"}, {"servicePort", "service.port"}};

/// Reads spec. A path with a mistake is left out of its rule and put into `broken`; the rest lives
/// on.
class IngressDecoder {
 public:
  IngressDecoder(Reader& reader, Ingress& out) : reader_(reader), out_(out) {}

  void spec(const Field& spec) {
    reader_.check_keys(spec, {"ingressClassName", "defaultBackend", "rules", "tls"},
                       {{"backend", "defaultBackend"}});
    class_name(spec["ingressClassName"]);
    const Field backend_at = spec["defaultBackend"];
    if (!backend_at.absent()) {
      out_.default_backend = backend(backend_at);
      out_.broken_default = !out_.default_backend.has_value();
    }
    const Field rules = spec["rules"];
    const Value::Array* items = reader_.array(rules);
    for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) rule(rules[i], i);
    if (backend_at.absent() && (rules.absent() || (items != nullptr && items->empty()))) {
      reader_.refuse(spec, "nothing-to-serve", "There are neither rules nor a default backend.");
    }
    tls(spec["tls"]);
  }

 private:
  void class_name(const Field& at) {
    if (at.absent()) return;
    const std::string* name = reader_.string(at);
    out_.class_name = name != nullptr ? *name : "";  // Unreadable is not absent: absent goes on.
  }

  /// Called right after the mistake was said.
  void broken(const std::string& host, std::string path = "", PathType type = PathType::prefix) {
    out_.broken.push_back(
        {.host = host, .path = std::move(path), .type = type, .cause = reader_.last_refused()});
  }

  void rule(const Field& at, std::size_t index) {
    if (reader_.object(at) == nullptr) {
      if (at.absent()) reader_.refuse(at, "wrong-type", "Expected an object, found nothing.");
      return;
    }
    reader_.check_keys(at, {"host", "http"});
    const Field host_at = at["host"];
    const std::string* text = reader_.string(host_at);
    if (text == nullptr && !host_at.absent()) return;
    const std::string host = text != nullptr ? *text : "";
    const Field http = at["http"];
    if (http.absent()) return rule_without_http(at, host, index);
    reader_.check_keys(http, {"paths"});
    const Field paths_at = http["paths"];
    const bool readable = reader_.object(http) != nullptr;
    const Value::Array* paths = readable ? reader_.array(paths_at) : nullptr;
    if (paths == nullptr || paths->empty()) {
      if (readable && (paths != nullptr || paths_at.absent())) {
        reader_.refuse(paths_at, "rule-without-paths", "The rule has no paths.");
      }
      broken(host);
      return;
    }
    IngressRule rule{.host = host, .paths = {}, .index = index};
    for (std::size_t i = 0; i < paths->size(); ++i) path(paths_at[i], i, rule);
    // A rule with no paths would mean the default backend, which nobody asked for here.
    if (!rule.paths.empty()) out_.rules.push_back(std::move(rule));
  }

  void rule_without_http(const Field& at, const std::string& host, std::size_t index) {
    if (out_.default_backend) {
      out_.rules.push_back({.host = host, .paths = {}, .index = index});
      return;
    }
    if (!out_.broken_default) {
      reader_.refuse(at["http"], "rule-without-paths",
                     "The rule has no paths, and there is no default backend for its host.");
    }
    broken(host);
  }

  void path(const Field& at, std::size_t index, IngressRule& rule) {
    if (reader_.object(at) == nullptr) {
      if (at.absent()) reader_.refuse(at, "wrong-type", "Expected an object, found nothing.");
      broken(rule.host);
      return;
    }
    reader_.check_keys(at, {"path", "pathType", "backend"}, kMovedInBackend);
    IngressPath path;
    path.index = index;
    bool good = path_type(at["pathType"], path.type);
    std::string tombstone;
    good = path_text(at["path"], path, tombstone) && good;
    std::optional<Backend> to = required_backend(at["backend"]);
    if (!good || !to) {
      broken(rule.host, std::move(tombstone), path.type);
      return;
    }
    path.backend = std::move(*to);
    rule.paths.push_back(std::move(path));
  }

  bool path_type(const Field& at, PathType& out) {
    out = PathType::prefix;
    const std::string* text = reader_.string(at);
    if (text == nullptr) {
      if (!at.absent()) return false;
      reader_.warn(at, "path-type-missing", "There is no pathType; the path is taken as a Prefix.",
                   "Add `pathType: Prefix`: an API server refuses the object without it.");
      return true;
    }
    for (const PathType type :
         {PathType::exact, PathType::prefix, PathType::implementation_specific}) {
      if (*text != api_name(type)) continue;
      out = type;
      return true;
    }
    const std::string near = did_you_mean(*text, {"Exact", "Prefix", "ImplementationSpecific"});
    if (near == api_name(PathType::exact)) out = PathType::exact;  // For the tombstone.
    reader_.refuse(at, "path-type-unknown", fmt::format("{} is no pathType.", backquoted(*text)),
                   near.empty() ? "Use Exact, Prefix or ImplementationSpecific."
                                : fmt::format("Did you mean `{}`?", near));
    return false;
  }

  /// `tombstone`: the path that answers 503 if this one can't be served; empty is the whole host.
  bool path_text(const Field& at, IngressPath& out, std::string& tombstone) {
    const std::string* text = reader_.string(at);
    if (text == nullptr && !at.absent()) return false;
    if (text == nullptr || text->empty()) {
      out.path = "/";
      if (out.type == PathType::implementation_specific) return true;
      reader_.refuse(at, "path-missing", fmt::format("{} needs a path.", api_name(out.type)),
                     "Write `path: /` for every path.");
      return false;
    }
    if (text->size() > model::kPathBytesMax) {
      reader_.refuse(at, "path-too-long",
                     fmt::format("The path has {} bytes; the most is {}.", text->size(),
                                 model::kPathBytesMax));
      return false;
    }
    if (!text->starts_with('/')) {
      tombstone = "/" + *text;
      reader_.refuse(at, "path-relative",
                     fmt::format("{} does not start with `/`.", backquoted(*text)),
                     fmt::format("Did you mean {}?", backquoted(tombstone)));
      return false;
    }
    tombstone = *text;
    out.path = *text;
    return true;
  }

  std::optional<Backend> required_backend(const Field& at) {
    if (!at.absent()) return backend(at);
    reader_.refuse(at, "backend-missing", "There is no backend.",
                   "Name one: `backend: {service: {name: web, port: {number: 80}}}`.");
    return std::nullopt;
  }

  std::optional<Backend> backend(const Field& at) {
    if (reader_.object(at) == nullptr) return std::nullopt;
    reader_.check_keys(at, {"service", "resource"}, kMovedInBackend);
    const Field service = at["service"];
    const Field resource_at = at["resource"];
    if (!service.absent() && !resource_at.absent()) {
      reader_.refuse(at, "backend-ambiguous", "There is both a service and a resource.",
                     "Keep one of them.");
      return std::nullopt;
    }
    if (!resource_at.absent()) return resource(resource_at);
    if (service.absent()) {
      reader_.refuse(service, "backend-missing", "The backend names no service.",
                     "Name one: `service: {name: web, port: {number: 80}}`.");
      return std::nullopt;
    }
    if (reader_.object(service) == nullptr) return std::nullopt;
    reader_.check_keys(service, {"name", "port"});
    Backend out;
    const bool named = service_name(service["name"], out.service);
    const bool ported = port(service["port"], out.port);
    if (!named || !ported) return std::nullopt;
    return out;
  }

  std::optional<Backend> resource(const Field& at) {
    if (reader_.object(at) == nullptr) return std::nullopt;
    const std::string* kind = reader_.string(at["kind"]);
    const std::string* name = reader_.string(at["name"]);
    Backend out;
    out.resource = fmt::format("{}/{}", kind != nullptr ? *kind : "", name != nullptr ? *name : "");
    return out;
  }

  bool service_name(const Field& at, std::string& out) {
    const std::string* name = reader_.string(at);
    if (name == nullptr) {
      if (at.absent())
        reader_.refuse(at, "service-name-missing", "The backend's service has no name.");
      return false;
    }
    if (!is_dns_label(*name)) {
      reader_.refuse(at, "name-invalid",
                     fmt::format("{} is no name of a Service.", backquoted(*name)),
                     "Names are a-z, 0-9 and `-`, at most 63 of them.");
      return false;
    }
    out = *name;
    return true;
  }

  bool port(const Field& at, ServicePortRef& out) {
    if (at.absent()) {
      reader_.refuse(at, "port-missing", "The backend's service has no port.",
                     "Add `port: {number: 80}` or `port: {name: http}`.");
      return false;
    }
    if (const std::int64_t* bare = at.value().integer()) {
      reader_.refuse(at, "wrong-type", "Expected an object, found an integer.",
                     fmt::format("Write `port: {{number: {}}}`.", *bare));
      return false;
    }
    if (reader_.object(at) == nullptr) return false;
    reader_.check_keys(at, {"number", "name"});
    const Field number = at["number"];
    const Field name = at["name"];
    if (!number.absent() && !name.absent()) {
      reader_.refuse(at, "port-ambiguous", "There is both a port number and a port name.",
                     "Keep one of them.");
      return false;
    }
    if (!number.absent()) {
      const std::optional<std::uint16_t> read = read_port(number, reader_);
      out.number = read.value_or(0);
      return read.has_value();
    }
    return port_name(at, name, out.name);
  }

  bool port_name(const Field& port, const Field& at, std::string& out) {
    if (at.absent()) {
      reader_.refuse(port, "port-missing", "The port has neither number nor name.",
                     "Add `number: 80` or `name: http`.");
      return false;
    }
    const std::string* name = reader_.string(at);
    if (name == nullptr) return false;
    if (!is_dns_label(*name)) {
      reader_.refuse(at, "name-invalid", fmt::format("{} is no name of a port.", backquoted(*name)),
                     "Names are a-z, 0-9 and `-`; a number goes into `number`.");
      return false;
    }
    out = *name;
    return true;
  }

  void tls(const Field& at) {
    const Value::Array* items = reader_.array(at);
    for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
      const Field entry = at[i];
      if (reader_.object(entry) == nullptr) continue;
      reader_.check_keys(entry, {"hosts", "secretName"});
      IngressTls& out = out_.tls.emplace_back();
      if (const std::string* secret = reader_.string(entry["secretName"])) out.secret = *secret;
      const Field hosts = entry["hosts"];
      const Value::Array* names = reader_.array(hosts);
      for (std::size_t n = 0; names != nullptr && n < names->size(); ++n) {
        if (const std::string* host = reader_.string(hosts[n])) out.hosts.push_back(*host);
      }
    }
  }

  Reader& reader_;
  Ingress& out_;
};

}  // namespace

void decode_ingress(const Field& root, Reader& reader, Ingress& out) {
  reader.check_keys(root, {"apiVersion", "kind", "metadata", "spec", "status"});
  const Field spec = root["spec"];
  if (spec.absent()) {
    reader.refuse(spec, "nothing-to-serve", "There are neither rules nor a default backend.");
    return;
  }
  if (reader.object(spec) != nullptr) IngressDecoder(reader, out).spec(spec);
}

void break_ingress(const Field& root, const Reader& reader, Ingress& out) {
  const Field spec = root["spec"];
  if (const Field name = spec["ingressClassName"]; !name.absent()) {
    const std::string* text = name.value().string();
    out.class_name = text != nullptr ? *text : "";
  }
  out.broken_default = !spec["defaultBackend"].absent() || !spec["backend"].absent();
  const Field rules = spec["rules"];
  const Value::Array* items = rules.absent() ? nullptr : rules.value().array();
  if (items == nullptr) return;
  std::unordered_set<std::string> seen;
  for (const Value& rule : *items) {
    if (!rule.is(Value::Kind::object)) continue;
    const Value* host = rule.find("host");
    const bool any = host == nullptr || host->is(Value::Kind::null);
    if (!any && host->string() == nullptr) continue;
    if (!seen.insert(any ? "" : *host->string()).second) continue;
    out.broken.push_back({.host = any ? "" : *host->string(),
                          .path = "",
                          .type = PathType::prefix,
                          .cause = reader.last_refused()});
  }
}

std::size_t count_paths(const Field& root) {
  const Value* rules = root.value().at({"spec", "rules"});
  if (rules == nullptr || rules->array() == nullptr) return 0;
  std::size_t count = 0;
  for (const Value& rule : *rules->array()) {
    const Value* paths = rule.at({"http", "paths"});
    count += paths != nullptr && paths->array() != nullptr
                 ? std::max<std::size_t>(paths->array()->size(), 1)
                 : 1;
  }
  return count;
}

}  // namespace bd::kube
