#include "decide/rewrite.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"
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
  const std::size_t at = out.size();
  const std::size_t size = at + name.size() + value.size() + 4;
  out.resize_and_overwrite(size, [&](char* to, std::size_t) {
    to = std::copy(name.begin(), name.end(), to + at);
    *to++ = ':';
    *to++ = ' ';
    to = std::copy(value.begin(), value.end(), to);
    *to++ = '\r';
    *to++ = '\n';
    return size;
  });
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

/// What of the client's message goes on, then what the listener knows. Left out: framing, Host.
///
/// X-Forwarded-For names the client, and the balancer that vouches for it. What stood left of the
/// balancer's own entry was the client's claim.
template <class Emit>
void each_request_field(const RequestRewrite& rewrite, Emit&& emit) {
  const Decision& decision = rewrite.decision;
  for (const http::Field& field : *rewrite.request.fields) {
    const Fate fate = fate_of_request_field(field.id);
    const bool vouched = decision.peer_trusted && !http::is_look_alike(field);
    if (fate == Fate::keep || (fate == Fate::keep_if_trusted && vouched)) {
      emit(field.name, field.value);
    }
  }
  std::string text = decision.client.text();
  if (decision.client != rewrite.request.peer.ip) {
    text.append(", ").append(rewrite.request.peer.ip.text());
  }
  const model::Listener& facts = rewrite.listener.facts;
  emit("X-Forwarded-For", text);
  emit("X-Forwarded-Proto", model::name(facts.public_scheme));
  text.clear();
  append_number(text, facts.public_port);
  emit("X-Forwarded-Port", text);
  if (!decision.authority.host.empty()) {
    text.clear();
    append_host(text, decision.authority);
    emit("X-Forwarded-Host", text);
  }
  if (!rewrite.request.client_certificate.empty()) {
    emit("X-Forwarded-Client-Cert", rewrite.request.client_certificate);
  }
  emit("X-Request-Id", rewrite.id.view());
  emit("X-Blastdoor-Hop", "1");
}

template <class Emit>
void each_response_field(const ResponseRewrite& response, Emit&& emit) {
  for (const http::Field& field : *response.fields) {
    const bool kept_length = field.id == FieldName::content_length && response.bodiless &&
                             response.status != 204 && response.status >= 200;
    if (!is_dropped_from_response(field.id) || kept_length) emit(field.name, field.value);
  }
  if (!response.set_cookie.empty()) emit("Set-Cookie", response.set_cookie);
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

void append_request_head(std::string& out, const RequestRewrite& rewrite) {
  const Decision& decision = rewrite.decision;
  out.append(rewrite.method).append(" ").append(decision.path).append(decision.query);
  out.append(" HTTP/1.1\r\nHost: ");
  append_host(out, decision.authority);
  out.append("\r\n");
  const bool own_key = !rewrite.websocket_key.empty();
  each_request_field(rewrite, [&](std::string_view name, std::string_view value) {
    if (!own_key || !ascii::equal_fold(name, "sec-websocket-key")) append_field(out, name, value);
  });
  if (own_key) append_field(out, "Sec-WebSocket-Key", rewrite.websocket_key);
  if (rewrite.websocket) out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  append_framing(out, rewrite.framing);
  out.append("\r\n");
}

void append_request_fields(http::FieldList& out, const RequestRewrite& rewrite) {
  const Decision& decision = rewrite.decision;
  std::string text;
  out.add(":method", rewrite.method);
  out.add(":scheme", model::name(rewrite.listener.facts.public_scheme));
  append_host(text, decision.authority);
  if (!text.empty()) out.add(":authority", text);
  text = decision.path;
  out.add(":path", text += decision.query);
  bool takes_trailers = false;
  for (const http::Field& field : *rewrite.request.fields) {
    takes_trailers |= field.id == FieldName::te && ascii::equal_fold(field.value, "trailers");
  }
  each_request_field(rewrite,
                     [&](std::string_view name, std::string_view value) { out.add(name, value); });
  if (takes_trailers) out.add("te", "trailers");
  // Trailers pass to HTTP/2 upstreams, and some see only those that were announced.
  const http::Field* trailer = http::find(*rewrite.request.fields, FieldName::trailer);
  if (trailer != nullptr) out.add("trailer", trailer->value);
  if (rewrite.framing.kind == BodyFraming::Kind::length) {
    text.clear();
    append_number(text, rewrite.framing.length);
    out.add("content-length", text);
  }
}

void append_response_head(std::string& out, const ResponseRewrite& response) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(response.status));
  out.append(" ").append(response.reason.empty() ? http::reason_phrase(response.status)
                                                 : response.reason);
  out.append("\r\n");
  each_response_field(response, [&](std::string_view name, std::string_view value) {
    append_field(out, name, value);
  });
  if (!response.bodiless) append_framing(out, response.framing);
  if (response.websocket) {
    out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  } else if (response.close) {
    out.append("Connection: close\r\n");
  } else if (response.http10_client) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

void append_response_fields(http::FieldList& out, const ResponseRewrite& response) {
  each_response_field(response, [&](std::string_view name, std::string_view value) {
    // The stream itself is the upgrade's answer (RFC 8441 §5).
    if (!response.websocket || !ascii::equal_fold(name, "sec-websocket-accept")) {
      out.add(name, value);
    }
  });
  if (!response.bodiless && response.framing.kind == BodyFraming::Kind::length) {
    std::string text;
    append_number(text, response.framing.length);
    out.add("content-length", text);
  }
}

bool passes_in_trailer(const http::Field& field) {
  constexpr std::string_view refused[] = {
      "age",           "authorization", "cache-control",   "content-encoding", "content-range",
      "content-type",  "cookie",        "expires",         "if-match",         "if-modified-since",
      "if-none-match", "if-range",      "max-forwards",    "pragma",           "range",
      "set-cookie",    "vary",          "www-authenticate"};
  if (fate_of_request_field(field.id) != Fate::keep || is_dropped_from_response(field.id)) {
    return false;
  }
  return std::none_of(std::begin(refused), std::end(refused),
                      [&](std::string_view name) { return ascii::equal_fold(field.name, name); });
}

}  // namespace bd::decide
