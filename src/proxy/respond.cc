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

}  // namespace

std::string respond(const OwnAnswer& answer) {
  const decide::CauseInfo& cause = decide::info(answer.cause);
  const std::string body = body_of(answer, cause);
  std::string out = fmt::format(
      "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
      "{}\r\n",
      cause.status, http::reason_phrase(cause.status), http_date(), body.size());
  out += fmt::format("Cache-Control: no-store\r\nX-Blastdoor-Cause: {}\r\n", cause.name);
  if (answer.id != nullptr) out += fmt::format("X-Request-Id: {}\r\n", answer.id->view());
  if (!answer.location.empty()) out += fmt::format("Location: {}\r\n", answer.location);
  if (!answer.finding.empty()) out += fmt::format("X-Blastdoor-Finding: {}\r\n", answer.finding);
  if (cause.status == 503) out += "Retry-After: 1\r\n";
  if (cause.status == 405) out += "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
  if (answer.close) {
    out += "Connection: close\r\n";
  } else if (answer.http10_client) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (!answer.head_only) out += body;
  return out;
}

}  // namespace bd::proxy
