#include "proxy/respond.h"

#include <fmt/format.h>

#include <ctime>

#include "http/field.h"

namespace bd::proxy {
namespace {

using decide::Cause;

/// IMF-fixdate (RFC 9110 §5.6.7), in English whatever the locale.
std::string http_date() {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[utc.tm_wday], utc.tm_mday,
                     months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string body_of(const OwnAnswer& answer, const decide::CauseInfo& cause) {
  if (answer.cause == Cause::healthy) return "ok\n";
  std::string out = fmt::format("{} {}: {}", cause.status, cause.name, cause.what);
  if (answer.id != nullptr) out += fmt::format(" Request {}.", answer.id->view());
  out += '\n';
  return out;
}

/// grpc-status for what HTTP would say with `status`: the codes of gRPC's own table for proxies
/// (grpc/doc/http-grpc-status-mapping.md), but for time-outs, which have a code of their own.
int grpc_status(Cause cause, int status) {
  constexpr int ok = 0, deadline_exceeded = 4, permission_denied = 7, resource_exhausted = 8,
                unimplemented = 12, internal = 13, unavailable = 14;
  if (cause == Cause::healthy) return ok;
  switch (status) {
    case 403:
      return permission_denied;
    case 404:
    case 405:
      return unimplemented;
    case 413:
    case 431:
      return resource_exhausted;
    case 504:
      return deadline_exceeded;
    case 421:
    case 502:
    case 503:
      return unavailable;
    default:
      return internal;
  }
}

}  // namespace

bool is_grpc(const http::Fields& fields) {
  const http::Field* type = http::find(fields, http::FieldName::content_type);
  constexpr std::string_view grpc = "application/grpc";
  return type != nullptr && type->value.starts_with(grpc) &&
         (type->value.size() == grpc.size() || type->value[grpc.size()] == '+' ||
          type->value[grpc.size()] == ';');
}

OwnResponse own_response(const OwnAnswer& answer) {
  const decide::CauseInfo& cause = decide::info(answer.cause);
  OwnResponse out;
  const std::string body = body_of(answer, cause);
  out.status = answer.grpc ? 200 : cause.status;
  out.fields.add("Date", http_date());
  if (answer.grpc) {
    out.fields.add("Content-Type", "application/grpc");
    out.fields.add("Grpc-Status", std::to_string(grpc_status(answer.cause, cause.status)));
    out.fields.add("Grpc-Message", std::string_view(body).substr(0, body.size() - 1));
  } else {
    out.fields.add("Content-Type", "text/plain; charset=utf-8");
    out.fields.add("Content-Length", std::to_string(body.size()));
    out.fields.add("Cache-Control", "no-store");
    if (!answer.head_only) out.body = body;
  }
  out.fields.add("X-Blastdoor-Cause", cause.name);
  if (answer.id != nullptr) out.fields.add("X-Request-Id", answer.id->view());
  if (!answer.location.empty()) out.fields.add("Location", answer.location);
  if (!answer.finding.empty()) out.fields.add("X-Blastdoor-Finding", answer.finding);
  if (cause.status == 503 && !answer.grpc) out.fields.add("Retry-After", "1");
  if (cause.status == 405) {
    out.fields.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  }
  return out;
}

std::string respond(const OwnAnswer& answer) {
  OwnResponse response = own_response(answer);
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, http::reason_phrase(response.status));
  for (const http::Field& field : response.fields.fields()) {
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  if (answer.close) {
    out += "Connection: close\r\n";
  } else if (answer.http10_client) {
    out += "Connection: keep-alive\r\n";
  }
  return out.append("\r\n").append(response.body);
}

}  // namespace bd::proxy
