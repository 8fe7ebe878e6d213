#include "decide/decide.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "http/target.h"
#include "model/limits.h"

namespace bd::decide {
namespace {

using http::FieldName;
using http::Method;

constexpr std::array<CauseInfo, static_cast<std::size_t>(Cause::count_)> kCauses = {{
    {"none", 200, "", "", ""},
    {"starting", 503, "door", "The door has no complete route table yet.",
     "Wait; if it lasts, look at /readyz and the controller's log."},
    {"draining", 503, "door", "The door is shutting down; only health probes see this.",
     "Nothing: the balancer stops sending."},
    {"healthy", 200, "door", "The answer to a load balancer's health probe.", "Nothing."},
    {"no-route", 404, "client", "No route of this exposure serves this host and path.",
     "Check host, path and port; `blastdoor routes` lists what is served."},
    {"refused", 503, "site",
     "An Ingress asks for this host and path but was refused; X-Blastdoor-Finding names the "
     "finding.",
     "Read /api/v1/findings or run `blastdoor check`."},
    {"no-endpoints", 503, "site", "The route's upstream has no ready endpoint.",
     "Check that the Service's pods are ready."},
    {"loop", 508, "site", "The request has already passed a door.",
     "Remove the upstream that points back at a Blastdoor."},
    {"method-refused", 405, "client", "CONNECT, TRACE, TRACK and PRI are never forwarded.",
     "Use another method."},
    {"bad-target", 400, "client", "The request target is not a path in an accepted form.",
     "Send a path without encoded slashes, backslashes, NUL or controls."},
    {"bad-host", 400, "client", "Host is missing, malformed, or differs from the absolute URI.",
     "Send one valid Host."},
    {"redirect", 308, "site", "Plain http is redirected to https here.", "Follow the Location."},
    {"bad-request", 400, "client", "The request is malformed, or its framing is in doubt.",
     "Send a strictly valid HTTP/1.1 request."},
    {"uri-too-long", 414, "client", "The request line is above limits.requestLineMax.",
     "Shorten the URI, or raise the limit."},
    {"head-too-large", 431, "client", "The request head is above a limit.",
     "Send fewer or smaller fields, or raise limits.requestHeadMax or requestFieldsMax."},
    {"body-too-large", 413, "client", "The request body is above limits.requestBodyMax.",
     "Send less, or raise the limit."},
    {"unsupported", 501, "client", "The request uses a transfer coding that is not supported.",
     "Use chunked, or a Content-Length."},
    {"version", 505, "client", "The HTTP version is neither 1.0 nor 1.1.", "Use HTTP/1.1."},
    {"expectation", 417, "client", "Expect holds something other than 100-continue.", "Remove it."},
    {"client-timeout", 408, "client", "The request did not arrive in time.",
     "Send faster, or raise timeouts.requestHead or bodyIdle."},
    {"connect-failed", 502, "upstream", "No connection to an endpoint could be made.",
     "Check that the pods listen on the Service's target port."},
    {"upstream-timeout", 504, "upstream", "The upstream did not answer in time.",
     "Look at the application, or raise timeouts.responseHead."},
    {"upstream-closed", 502, "upstream",
     "The upstream closed the connection before a complete response head.",
     "Look at the application's log."},
    {"bad-response", 502, "upstream",
     "The upstream's response is malformed, or its framing is in doubt.",
     "Mend the application's response."},
    {"response-too-large", 502, "upstream",
     "The upstream's response head is above limits.responseHeadMax; an ALB would refuse it.",
     "Send fewer or smaller response fields."},
    {"bad-upgrade", 400, "client", "The WebSocket handshake is malformed (RFC 6455 §4.2.1).",
     "Send GET over HTTP/1.1 with one Sec-WebSocket-Key and version 13."},
    {"misdirected", 421, "client",
     "This connection's TLS session was negotiated for another host, whose certificate or policy "
     "differs.",
     "Open a connection for this host; clients do so by themselves."},
    {"upstream-tls-failed", 502, "upstream",
     "The TLS handshake with the endpoint failed, or its certificate could not be verified.",
     "Check blastdoor.io/upstream-tls, -ca and -server-name, and the endpoint's certificate."},
    {"circuit-connections", 503, "upstream",
     "The upstream has as many connections as blastdoor.io/max-connections allows.",
     "Look why the application is slow; scale it, or raise the limit."},
    {"circuit-pending", 503, "upstream",
     "As many requests wait for a connection to the upstream as blastdoor.io/max-pending allows.",
     "Look why the application takes no connections; scale it, or raise the limit."},
    {"circuit-requests", 503, "upstream",
     "The upstream has as many requests in flight as blastdoor.io/max-requests allows.",
     "Look why the application is slow; scale it, or raise the limit."},
    {"overloaded", 503, "door", "The door has nearly used up its memory budget.",
     "Try again in a second; if it lasts, raise the memory limit or add replicas."},
}};

void resolve_client(const Listener& listener, const Request& request, Decision& out) {
  const IpAddress& peer = request.peer.ip;
  out.client = peer;
  const auto& trusted = listener.facts.trusted_peers;
  out.peer_trusted =
      std::any_of(trusted.begin(), trusted.end(), [&](const Cidr& c) { return c.contains(peer); });
  const http::Field* last = nullptr;
  std::size_t hops = 0;
  std::size_t bytes = 0;
  for (const http::Field& field : *request.fields) {
    // A balancer passes a client's X_Forwarded_For on, and it may stand behind its own
    // X-Forwarded-For.
    if (field.id == FieldName::x_forwarded_for && !http::is_look_alike(field)) {
      last = &field;
      hops += 1 + static_cast<std::size_t>(std::count(field.value.begin(), field.value.end(), ','));
      bytes += field.value.size();
    }
    if (field.id == FieldName::x_forwarded_proto &&
        !ascii::equal_fold(field.value, model::name(listener.facts.public_scheme))) {
      out.forwarded_proto_mismatch = true;
    }
  }
  if (last == nullptr) return;
  if (!out.peer_trusted) {
    out.forwarded_for_ignored = true;
    return;
  }
  if (IpAddress client; last_forwarded_for(last->value, client)) out.client = client;
  // An ALB refuses it too (463): nobody is that far away.
  if (hops > model::kForwardedForMax || bytes > model::kForwardedForBytesMax) {
    out.cause = Cause::bad_request;
  }
}

bool is_health_probe(const Listener& listener, const Request& request, const Decision& decision) {
  if (request.method != Method::get && request.method != Method::head) return false;
  if (decision.path != listener.facts.health_path) return false;
  if (http::find(*request.fields, FieldName::x_forwarded_for) != nullptr) return false;
  return listener.facts.trusted_peers.empty() || decision.peer_trusted;
}

std::string redirect_location(const Decision& decision, std::uint16_t port) {
  std::string out = "https://";
  out += decision.authority.host;
  if (port != 443) out += ":" + std::to_string(port);
  out += decision.path;
  out += decision.query;
  return out;
}

void follow_route(const model::Route& route, Decision& out) {
  out.route = &route;
  if (const auto* forward = std::get_if<model::Forward>(&route.action)) {
    out.upstream = forward->upstream;
  } else if (const auto* redirect = std::get_if<model::Redirect>(&route.action)) {
    // Without a host there is nowhere to send the client to.
    out.cause = out.authority.host.empty() ? Cause::no_route : Cause::redirect;
    if (out.cause == Cause::redirect) out.location = redirect_location(out, redirect->port);
  } else {
    out.cause = Cause::refused;
    out.refused_cause = std::get<model::Refuse>(route.action).cause;
  }
}

/// A PRI that an upstream takes for the preface of HTTP/2 would change the protocol of a connection
/// that others use after it.
bool is_refused(Method method) {
  return method == Method::connect || method == Method::trace || method == Method::pri;
}

}  // namespace

const CauseInfo& info(Cause cause) {
  return kCauses[static_cast<std::size_t>(cause)];
}

bool last_forwarded_for(std::string_view value, IpAddress& out) {
  const std::size_t comma = value.rfind(',');
  std::string_view entry =
      ascii::trim(comma == std::string_view::npos ? value : value.substr(comma + 1));
  if (const auto ip = IpAddress::parse(entry)) {
    out = *ip;
    return true;
  }
  if (const auto with_port = SocketAddress::parse(entry); with_port && entry.front() != ':') {
    out = with_port->ip;
    return true;
  }
  return false;
}

Decision decide(const Listener& listener, const Request& request, const DoorState& state) {
  Decision out;
  resolve_client(listener, request, out);
  if (out.cause != Cause::none) return out;
  if (is_refused(request.method)) {
    out.cause = Cause::method_refused;
    return out;
  }
  auto target = http::Target::parse(request.method, request.target);
  if (!target || target->path == "*") {
    out.cause = Cause::bad_target;
    return out;
  }
  if (!request.host.empty() || target->authority) {
    auto authority = http::effective_authority(*target, request.host);
    if (!authority) {
      out.cause = Cause::bad_host;
      return out;
    }
    out.authority = std::move(*authority);
  }
  out.path = std::move(target->path);
  out.query = std::move(target->query);
  // A probe of another door, or of this one through a loop, is still only a probe.
  if (is_health_probe(listener, request, out)) {
    out.cause = listener.table == nullptr ? Cause::starting
                : state.draining          ? Cause::draining
                                          : Cause::healthy;
    return out;
  }
  if (state.overloaded) {
    out.cause = Cause::overloaded;
    return out;
  }
  if (http::find(*request.fields, FieldName::x_blastdoor_hop) != nullptr) {
    out.cause = Cause::loop;
    return out;
  }
  if (listener.table == nullptr) {
    out.cause = Cause::starting;
    return out;
  }
  std::string storage;
  const std::string_view path = http::merge_slashes(out.path, storage);
  const auto match = listener.table->match(out.authority.host, out.authority.is_ip_literal, path);
  if (match.route == nullptr) {
    out.cause = Cause::no_route;
  } else {
    follow_route(*match.route, out);
  }
  return out;
}

}  // namespace bd::decide
