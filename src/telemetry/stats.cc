#include "telemetry/stats.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <string>

namespace bd::telemetry {

namespace {

using enum Counter;

constexpr std::array<CounterInfo, kCounterCount> kCounters = {{
    {connections, "connections", "Client connections accepted."},
    {connections_refused, "connections_refused",
     "Connections reset because accept_from does not name the peer."},
    {requests, "requests", "Requests whose head was complete and well formed."},
    {responses_1xx, "responses_1xx", "Interim responses sent to clients."},
    {responses_2xx, "responses_2xx", "Responses of class 2xx sent to clients."},
    {responses_3xx, "responses_3xx", "Responses of class 3xx sent to clients."},
    {responses_4xx, "responses_4xx", "Responses of class 4xx sent to clients."},
    {responses_5xx, "responses_5xx", "Responses of class 5xx sent to clients."},
    {request_bytes, "request_bytes", "Bytes read from clients."},
    {response_bytes, "response_bytes", "Bytes written to clients."},
    {no_route, "no_route", "Requests that no route serves: 404."},
    {no_endpoints, "no_endpoints", "Requests whose upstream has no usable endpoint: 503."},
    {refused_routes, "refused_routes", "Requests that met a tombstone: 503."},
    {redirects, "redirects", "Requests answered with a redirect to https."},
    {health_probes, "health_probes", "Load balancer probes answered."},
    {bad_requests, "bad_requests", "Requests refused as malformed or ambiguous."},
    {head_too_large, "head_too_large", "Requests above a limit of the head: 414 and 431."},
    {loops, "loops", "Requests that already passed a door: 508."},
    {timeouts_downstream, "timeouts_downstream", "Clients that were too slow."},
    {timeouts_upstream, "timeouts_upstream", "Upstreams that were too slow: 504."},
    {upstream_connects, "upstream_connects", "Connections opened to endpoints."},
    {upstream_connect_failures, "upstream_connect_failures",
     "Connections to endpoints that failed."},
    {upstream_reused, "upstream_reused", "Requests sent on a pooled connection."},
    {upstream_bad_responses, "upstream_bad_responses",
     "Responses refused as malformed or ambiguous: 502."},
    {upstream_resets, "upstream_resets", "Upstream connections that broke during an exchange."},
    {retries, "retries", "Requests tried again on another connection."},
    {denied_endpoints, "denied_endpoints",
     "Connects refused because the address is never an endpoint."},
    {forwarded_proto_mismatch, "forwarded_proto_mismatch",
     "Requests whose X-Forwarded-Proto differed from the listener's scheme."},
    {forwarded_for_ignored, "forwarded_for_ignored",
     "Requests with an X-Forwarded-For from a peer that is not trusted."},
    {client_aborts, "client_aborts", "Clients that went away before their response was complete."},
    {limit_connections, "limit_connections",
     "Connections closed at once because connectionsMax was reached."},
    {limit_body, "limit_body", "Request bodies above requestBodyMax: 413."},
    {before_table, "before_table", "Requests before the first complete table: 503."},
    {tls_connections, "tls_connections", "TLS handshakes with clients that were completed."},
    {tls_failures, "tls_failures", "TLS handshakes with clients that failed."},
    {tls_misdirected, "tls_misdirected",
     "Requests for a host whose TLS policy differs from what was negotiated: 421."},
    {http2_connections, "http2_connections", "Client connections that speak HTTP/2."},
    {http2_abuse, "http2_abuse", "HTTP/2 connections ended because a budget was spent."},
    {websockets, "websockets", "WebSocket tunnels opened."},
    {proxy_headers, "proxy_headers", "Connections with a PROXY protocol header."},
    {proxy_header_failures, "proxy_header_failures",
     "Connections closed for want of a valid PROXY protocol header, or for one from a stranger."},
    {upstream_tls_connects, "upstream_tls_connects", "TLS handshakes with endpoints."},
    {upstream_tls_failures, "upstream_tls_failures",
     "TLS handshakes with endpoints that failed, verification included."},
    {upstream_tls_fallbacks, "upstream_tls_fallbacks",
     "Connections to endpoints that went on without TLS (`prefer`)."},
    {ejections, "ejections", "Endpoints that one worker left out for a while after failures."},
    {retries_denied, "retries_denied",
     "Requests that were not tried again because the budget of retries was used up."},
    {circuit_refusals, "circuit_refusals",
     "Requests answered with 503 because of a circuit limit of their upstream."},
    {overload_refusals, "overload_refusals",
     "Requests refused because the door's memory budget was nearly used up: 503."},
    {overload_resets, "overload_resets",
     "Client connections reset because they held the most of a memory budget that was used up."},
    {overload_pauses, "overload_pauses",
     "Times that a listening socket was left alone because the memory budget was used up."},
    {descriptors_used_up, "descriptors_used_up",
     "Times that accepting failed for want of descriptors or memory, and paused."},
    {allocation_failures, "allocation_failures",
     "Exchanges and connections that failed because memory could not be had."},
}};

}  // namespace

const std::array<CounterInfo, kCounterCount>& counters() {
  return kCounters;
}

void WorkerStats::observe_duration(std::uint64_t microseconds) noexcept {
  const double seconds = static_cast<double>(microseconds) / 1e6;
  const auto bucket = std::lower_bound(kDurationBounds.begin(), kDurationBounds.end(), seconds);
  bump(durations[static_cast<std::size_t>(bucket - kDurationBounds.begin())], 1);
  bump(duration_us_sum, static_cast<std::int64_t>(microseconds));
}

int create_stats_memfd(std::string_view name) {
  const int fd = memfd_create(std::string(name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -1;
  if (ftruncate(fd, sizeof(DoorStats)) != 0) {
    close(fd);
    return -1;
  }
  const std::uint64_t magic = kStatsMagic;
  if (pwrite(fd, &magic, sizeof magic, offsetof(DoorStats, magic)) != sizeof magic) {
    close(fd);
    return -1;
  }
  fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return fd;
}

DoorStats* map_stats(int fd, bool writable) {
  struct stat info{};
  if (fstat(fd, &info) != 0 || info.st_size != static_cast<off_t>(sizeof(DoorStats)))
    return nullptr;
  void* memory = mmap(nullptr, sizeof(DoorStats), writable ? PROT_READ | PROT_WRITE : PROT_READ,
                      MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* stats = static_cast<DoorStats*>(memory);
  return stats->magic == kStatsMagic ? stats : nullptr;
}

}  // namespace bd::telemetry
