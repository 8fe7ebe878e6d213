#include "admin/pages.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "route/text_form.h"
#include "text/json_writer.h"

namespace bd::admin {
namespace {

using text::JsonWriter;

std::uint64_t load(const std::atomic<std::uint64_t>& cell) {
  return cell.load(std::memory_order_relaxed);
}

void count(JsonWriter& json, std::string_view name, std::uint64_t value) {
  json.member(name, static_cast<std::int64_t>(value));
}

void flag(JsonWriter& json, std::string_view name, bool value) {
  json.key(name).boolean(value);
}

void strings(JsonWriter& json, std::string_view name, const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.string(value);
  json.end_array();
}

void blocks(JsonWriter& json, std::string_view name, const std::vector<Cidr>& values) {
  json.key(name).begin_array();
  for (const Cidr& value : values) json.string(value.text());
  json.end_array();
}

Response page(JsonWriter& json) {
  return {200, "application/json", json.take()};
}

std::string time_text(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[32];
  if (::gmtime_r(&time, &parts) == nullptr) return {};
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

void write_policy(JsonWriter& json, const model::TlsPolicy& policy) {
  json.member("minVersion", model::name(policy.min_version));
  json.member("clientCertificate", model::name(policy.client));
  json.member("clientCa", policy.client_ca);
}

/// `served`: the names of the certificates that SNI chooses from.
void write_tls(JsonWriter& json, const model::Tls& tls, const std::vector<std::string>& served) {
  json.key("tls").begin_object().member("mode", model::name(tls.mode));
  write_policy(json, tls.policy);
  strings(json, "certificates", served);
  json.key("hosts").begin_array();
  for (const auto& [host, policy] : tls.hosts) {
    json.begin_object().member("host", host);
    write_policy(json, policy);
    json.end_object();
  }
  json.end_array().end_object();
}

void write_certificates(JsonWriter& json, const View& view, const std::string& exposure) {
  json.key("certificates").begin_array();
  for (const CertificateView& certificate : view.certificates) {
    if (certificate.exposure != exposure) continue;
    json.begin_object().member("name", certificate.name);
    strings(json, "names", certificate.names);
    json.member("key", certificate.key).member("issuer", certificate.issuer);
    json.member("notBefore", time_text(certificate.not_before));
    json.member("notAfter", time_text(certificate.not_after));
    json.member("sha256", certificate.sha256).end_object();
  }
  json.end_array();
}

/// What the door serves at a listener; nothing before the first snapshot.
std::vector<std::string> served_at(const View& view, const std::string& exposure,
                                   const std::string& listener) {
  if (view.snapshot == nullptr) return {};
  const auto door = view.snapshot->doors.find(exposure);
  if (door == view.snapshot->doors.end()) return {};
  const auto served = door->second->served_certificates.find(listener);
  return served == door->second->served_certificates.end() ? std::vector<std::string>{}
                                                           : served->second;
}

void write_listener(JsonWriter& json, const model::Listener& listener,
                    const std::vector<std::string>& served) {
  json.begin_object().member("name", listener.name).member("address", listener.bind.text());
  json.member("publicScheme", model::name(listener.public_scheme));
  count(json, "publicPort", listener.public_port);
  json.member("healthPath", listener.health_path);
  blocks(json, "acceptFrom", listener.accept_from);
  blocks(json, "trustedPeers", listener.trusted_peers);
  blocks(json, "proxyProtocolFrom", listener.proxy_protocol_from);
  write_tls(json, listener.tls, served);
  json.end_object();
}

std::vector<std::string> allowed(const model::Allow& allow) {
  std::vector<std::string> out;
  if (allow.wildcard) out.emplace_back("wildcard");
  if (allow.empty_host) out.emplace_back("empty_host");
  if (allow.default_backend) out.emplace_back("default_backend");
  return out;
}

std::vector<std::string> sandbox_features(std::uint64_t bits) {
  std::vector<std::string> out;
  for (const telemetry::SandboxFeature& feature : telemetry::kSandboxFeatures) {
    if ((bits & feature.bit) != 0) out.emplace_back(feature.name);
  }
  return out;
}

void write_door(JsonWriter& json, const DoorView& door) {
  static const telemetry::DoorStats no_stats{};
  const telemetry::DoorStats& stats = door.stats == nullptr ? no_stats : *door.stats;
  json.begin_object();
  flag(json, "connected", door.connected);
  count(json, "appliedGeneration", load(stats.applied_generation));
  count(json, "ackedGeneration", door.acked_generation);
  count(json, "restarts", load(stats.restarts));
  count(json, "routes", load(stats.routes));
  count(json, "virtualHosts", load(stats.virtual_hosts));
  strings(json, "sandbox", sandbox_features(load(stats.sandbox)));
  flag(json, "draining", load(stats.draining) != 0);
  count(json, "quarantinedGeneration", door.quarantined_generation);
  json.member("refusal", door.refusal).end_object();
}

void write_exposure(JsonWriter& json, const View& view, const model::Exposure& exposure) {
  json.begin_object().member("name", exposure.name).member("side", model::name(exposure.side));
  flag(json, "enabled",
       std::find(view.enabled.begin(), view.enabled.end(), exposure.name) != view.enabled.end());
  json.key("listeners").begin_array();
  for (const model::Listener& listener : exposure.listeners) {
    write_listener(json, listener, served_at(view, exposure.name, listener.name));
  }
  json.end_array();
  write_certificates(json, view, exposure.name);
  json.member("secrets", exposure.referenced_secrets ? "referenced" : "none");
  json.member("selector", exposure.selector.text());
  flag(json, "anyClass", exposure.any_class);
  strings(json, "ingressClasses", exposure.ingress_classes);
  strings(json, "allow", allowed(exposure.allow));
  json.member("hosts", exposure.hosts == model::HostOwnership::owned ? "owned" : "shared");
  json.key("redirectTwin");
  exposure.redirect_twin ? json.string(*exposure.redirect_twin) : json.null();
  json.key("door");
  const auto door =
      std::find_if(view.doors.begin(), view.doors.end(),
                   [&](const DoorView& candidate) { return candidate.exposure == exposure.name; });
  if (door == view.doors.end()) {
    json.null();
  } else {
    write_door(json, *door);
  }
  json.end_object();
}

/// What the doors serve, as one value that both forms are printed from.
std::vector<route::ExposureRoutes> served_routes(const View& view, const Query& query) {
  std::vector<route::ExposureRoutes> out;
  if (view.snapshot == nullptr) return out;
  for (const auto& [name, door] : view.snapshot->doors) {
    if (!query.admits("exposure", name)) continue;
    std::map<std::string, std::vector<model::VirtualHost>> hosts;
    for (const model::Listener& listener : door->exposure.listeners) hosts[listener.name];
    for (const auto& [key, host] : door->hosts) hosts[key.listener].push_back(*host);
    route::ExposureRoutes& exposure = out.emplace_back();
    exposure.exposure = name;
    for (const auto& [key, upstream] : door->upstreams) exposure.upstreams.push_back(upstream);
    for (auto& [listener, list] : hosts) exposure.listeners.push_back({listener, std::move(list)});
  }
  return route::canonical(std::move(out));
}

void write_route(JsonWriter& json, const model::Route& route) {
  json.begin_object().member("path", route.path.path);
  json.member("type", route.path.kind == model::PathPattern::Kind::exact ? "exact" : "prefix");
  if (const auto* forward = std::get_if<model::Forward>(&route.action)) {
    json.member("action", "forward").member("upstream", forward->upstream);
  } else if (const auto* redirect = std::get_if<model::Redirect>(&route.action)) {
    json.member("action", "redirect");
    count(json, "port", redirect->port);
  } else {
    json.member("action", "refuse").member("cause", std::get<model::Refuse>(route.action).cause);
  }
  json.member("origin", route.origin).end_object();
}

void write_routes(JsonWriter& json, const route::ExposureRoutes& exposure) {
  json.begin_object().member("exposure", exposure.exposure).key("listeners").begin_array();
  for (const route::ListenerRoutes& listener : exposure.listeners) {
    json.begin_object().member("listener", listener.listener).key("hosts").begin_array();
    for (const model::VirtualHost& host : listener.hosts) {
      json.begin_object().member("host", host.host.text()).key("routes").begin_array();
      for (const model::Route& route : host.routes) write_route(json, route);
      json.end_array().end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
}

void write_finding(JsonWriter& json, const model::Finding& finding) {
  json.begin_object()
      .member("severity", model::name(finding.severity))
      .member("code", finding.code);
  const model::ObjectRef& object = finding.object;
  json.key("object").begin_object().member("kind", object.kind).member("namespace", object.ns);
  json.member("name", object.name).member("source", object.source).member("file", object.file);
  json.member("line", object.line).end_object();
  json.member("field", finding.field).member("what", finding.what).member("hint", finding.hint);
  strings(json, "exposures", finding.exposures);
  json.end_object();
}

bool is_wanted(const model::Finding& finding, const Query& query) {
  const std::string* exposure = query.find("exposure");
  if (exposure != nullptr && std::find(finding.exposures.begin(), finding.exposures.end(),
                                       *exposure) == finding.exposures.end()) {
    return false;
  }
  return query.admits("severity", model::name(finding.severity)) &&
         query.admits("namespace", finding.object.ns) && query.admits("name", finding.object.name);
}

bool is_severity(std::string_view word) {
  using enum model::Severity;
  for (const model::Severity severity : {served, info, warning, refused}) {
    if (word == model::name(severity)) return true;
  }
  return false;
}

}  // namespace

Response exposures_page(const View& view, const Query& query) {
  JsonWriter json;
  json.begin_object().key("exposures").begin_array();
  for (const model::Exposure& exposure : view.exposures) {
    if (query.admits("exposure", exposure.name)) write_exposure(json, view, exposure);
  }
  json.end_array().end_object();
  return page(json);
}

Response routes_page(const View& view, const Query& query) {
  const std::string* format = query.find("format");
  if (format != nullptr && *format != "json" && *format != "text") {
    return problem(400, "`format` is json or text");
  }
  const std::vector<route::ExposureRoutes> routes = served_routes(view, query);
  if (format != nullptr && *format == "text")
    return {200, "text/plain; charset=utf-8", route::print(routes)};
  JsonWriter json;
  json.begin_object();
  count(json, "generation", view.snapshot == nullptr ? 0 : view.snapshot->generation);
  json.key("exposures").begin_array();
  for (const route::ExposureRoutes& exposure : routes) write_routes(json, exposure);
  json.end_array().end_object();
  return page(json);
}

Response upstreams_page(const View& view, const Query& query) {
  JsonWriter json;
  json.begin_object().key("upstreams").begin_array();
  static const std::map<std::string, std::shared_ptr<const snapshot::Door>> none;
  for (const auto& [name, door] : view.snapshot == nullptr ? none : view.snapshot->doors) {
    if (!query.admits("exposure", name)) continue;
    for (const auto& [key, unused] : door->upstreams) {
      json.begin_object()
          .member("exposure", name)
          .member("key", key)
          .key("endpoints")
          .begin_array();
      if (const auto list = door->endpoints.find(key); list != door->endpoints.end()) {
        for (const model::Endpoint& endpoint : list->second) json.string(endpoint.address.text());
      }
      json.end_array().end_object();
    }
  }
  json.end_array().end_object();
  return page(json);
}

Response findings_page(const View& view, const Query& query) {
  const std::string* severity = query.find("severity");
  if (severity != nullptr && !is_severity(*severity)) {
    return problem(400, "`severity` is served, info, warning or refused");
  }
  JsonWriter json;
  json.begin_object().key("findings").begin_array();
  for (const model::Finding& finding : view.findings) {
    if (is_wanted(finding, query)) write_finding(json, finding);
  }
  json.end_array().end_object();
  return page(json);
}

Response generations_page(const View& view, const Query&) {
  JsonWriter json;
  json.begin_object().key("generations").begin_array();
  for (const GenerationView& generation : view.generations) {
    json.begin_object();
    count(json, "generation", generation.generation);
    json.member("atMs", generation.at_ms);
    count(json, "compileMicroseconds", generation.compile_us);
    json.member("kind", generation.kind);
    strings(json, "changes", generation.changes);
    json.end_object();
  }
  json.end_array();
  flag(json, "ready", view.ready);
  json.member("lastChangeMs", view.last_change_ms).key("sources").begin_array();
  for (const SourceView& source : view.sources) {
    json.begin_object().member("name", source.name);
    flag(json, "delivered", source.delivered);
    flag(json, "healthy", source.healthy);
    json.member("message", source.message);
    count(json, "ingresses", source.ingresses);
    count(json, "services", source.services);
    count(json, "slices", source.slices);
    json.end_object();
  }
  json.end_array().end_object();
  return page(json);
}

}  // namespace bd::admin
