#include "decide/rewrite.h"

#include <fmt/format.h>

#include "model/limits.h"

namespace bd::decide {
namespace {

using http::FieldName;

enum class Fate : std::uint8_t { keep, drop, keep_if_trusted };

/// What of a request is passed on. Framing, hop-by-hop fields (RFC 9110 §7.6.1) and every field
/// that claims who the client is, or what it asked another proxy for, are dropped: ours follow. A
/// field that Connection nominates is *not* dropped for that: a client could take away what the
/// balancer added.
Fate fate_of_request_field(FieldName name) {
  switch (name) {
    case FieldName::host:
    case FieldName::connection:
    case FieldName::keep_alive:
    case FieldName::proxy_connection:
    case FieldName::te:
    case FieldName::trailer:
    case FieldName::transfer_encoding:
    case FieldName::upgrade:
    case FieldName::content_length:
    case FieldName::expect:
    case FieldName::http2_settings:
    case FieldName::proxy_authorization:
    case FieldName::proxy_authenticate:
    case FieldName::x_forwarded_for:
    case FieldName::x_forwarded_proto:
    case FieldName::x_forwarded_port:
    case FieldName::x_forwarded_host:
    case FieldName::x_forwarded_prefix:
    case FieldName::x_forwarded_server:
    case FieldName::x_forwarded_scheme:
    case FieldName::x_forwarded_ssl:
    case FieldName::x_forwarded_other:
    case FieldName::forwarded:
    case FieldName::x_real_ip:
    case FieldName::x_original_url:
    case FieldName::x_original_host:
    case FieldName::x_rewrite_url:
    case FieldName::x_request_id:
    case FieldName::x_client_ip:
    case FieldName::true_client_ip:
    case FieldName::front_end_https:
    case FieldName::other_identity:
    case FieldName::x_blastdoor_hop:
    case FieldName::x_blastdoor_other:
      return Fate::drop;
    case FieldName::x_amzn_trace_id:
    case FieldName::x_amzn_other:
      return Fate::keep_if_trusted;
    case FieldName::other:
    case FieldName::sec_websocket_key:
    case FieldName::sec_websocket_version:
    case FieldName::sec_websocket_accept:
    case FieldName::date:
    case FieldName::server:
    case FieldName::content_type:
    case FieldName::location:
    case FieldName::retry_after:
      return Fate::keep;
  }
  return Fate::drop;
}

bool is_dropped_from_response(FieldName name) {
  switch (name) {
    case FieldName::connection:
    case FieldName::keep_alive:
    case FieldName::proxy_connection:
    case FieldName::te:
    case FieldName::trailer:
    case FieldName::transfer_encoding:
    case FieldName::upgrade:
    case FieldName::content_length:
    case FieldName::http2_settings:
    case FieldName::x_blastdoor_hop:
    case FieldName::x_blastdoor_other:
      return true;
    default:
      return false;
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_number(std::string& out, std::uint64_t number) {
  const fmt::format_int text(number);
  out.append(text.data(), text.size());
}

void append_framing(std::string& out, BodyFraming framing) {
  if (framing.kind == BodyFraming::Kind::length) {
    out.append("Content-Length: ");
    append_number(out, framing.length);
    out.append("\r\n");
  } else if (framing.kind == BodyFraming::Kind::chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
}

void append_host(std::string& out, const http::Authority& authority) {
  out.append(authority.host);
  if (authority.port) {
    out.push_back(':');
    append_number(out, *authority.port);
  }
}

/// The client, and the balancer that vouches for it. What stood left of the balancer's own entry
/// was the client's claim.
void append_forwarded(std::string& out, const Listener& listener, const Request& request,
                      const Decision& decision) {
  out.append("X-Forwarded-For: ").append(decision.client.text());
  if (decision.client != request.peer.ip) out.append(", ").append(request.peer.ip.text());
  out.append("\r\nX-Forwarded-Proto: ").append(model::name(listener.facts.public_scheme));
  out.append("\r\nX-Forwarded-Port: ");
  append_number(out, listener.facts.public_port);
  if (!decision.authority.host.empty()) {
    out.append("\r\nX-Forwarded-Host: ");
    append_host(out, decision.authority);
  }
  out.append("\r\n");
}

}  // namespace

RequestId RequestId::make(std::uint64_t a, std::uint64_t b) noexcept {
  constexpr char digits[] = "0123456789abcdef";
  RequestId out;
  for (unsigned i = 0; i < 16; ++i) {
    out.text[i] = digits[(a >> (4 * i)) & 15];
    out.text[16 + i] = digits[(b >> (4 * i)) & 15];
  }
  return out;
}

void append_request_head(std::string& out, const Listener& listener, const Request& request,
                         std::string_view method, const Decision& decision, BodyFraming framing,
                         const RequestId& id) {
  out.append(method)
      .append(" ")
      .append(decision.path)
      .append(decision.query)
      .append(" HTTP/1.1\r\nHost: ");
  append_host(out, decision.authority);
  out.append("\r\n");
  for (const http::Field& field : *request.fields) {
    const Fate fate = fate_of_request_field(field.id);
    const bool vouched = decision.peer_trusted && !http::is_look_alike(field);
    if (fate == Fate::keep || (fate == Fate::keep_if_trusted && vouched)) {
      append_field(out, field.name, field.value);
    }
  }
  append_forwarded(out, listener, request, decision);
  append_field(out, "X-Request-Id", id.view());
  append_field(out, "X-Blastdoor-Hop", "1");
  append_framing(out, framing);
  out.append("\r\n");
}

void append_response_head(std::string& out, const ResponseRewrite& response) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(response.status));
  out.append(" ").append(response.reason.empty() ? http::reason_phrase(response.status)
                                                 : response.reason);
  out.append("\r\n");
  for (const http::Field& field : *response.fields) {
    const bool kept_length = field.id == FieldName::content_length && response.keep_content_length;
    if (!is_dropped_from_response(field.id) || kept_length)
      append_field(out, field.name, field.value);
  }
  append_framing(out, response.framing);
  if (response.close) {
    out.append("Connection: close\r\n");
  } else if (response.http10_client) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

}  // namespace bd::decide
