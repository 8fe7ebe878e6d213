#pragma once
// The numbers of one door, in memory that outlives it: a memfd made by the supervisor, written by
// the door's workers, read by the controller for /metrics. Fixed layout, no pointers, one
// cache-line-aligned block per worker; every counter has one writer, so an increment is a relaxed
// load and store.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bd::telemetry {

/// Monotonic counters; the order is the layout, kCounters below names them for Prometheus.
enum class Counter : std::uint16_t {
  connections,
  connections_refused,
  requests,
  responses_1xx,
  responses_2xx,
  responses_3xx,
  responses_4xx,
  responses_5xx,
  request_bytes,
  response_bytes,
  no_route,
  no_endpoints,
  refused_routes,
  redirects,
  health_probes,
  bad_requests,
  head_too_large,
  loops,
  timeouts_downstream,
  timeouts_upstream,
  upstream_connects,
  upstream_connect_failures,
  upstream_reused,
  upstream_bad_responses,
  upstream_resets,
  retries,
  denied_endpoints,
  forwarded_proto_mismatch,
  forwarded_for_ignored,
  client_aborts,
  limit_connections,
  limit_body,
  before_table,
  tls_connections,
  tls_failures,
  tls_misdirected,
  http2_connections,
  http2_abuse,
  websockets,
  proxy_headers,
  proxy_header_failures,
  upstream_tls_connects,
  upstream_tls_failures,
  upstream_tls_fallbacks,
  ejections,
  retries_denied,
  circuit_refusals,
  overload_refusals,
  overload_resets,
  overload_pauses,
  descriptors_used_up,
  allocation_failures,
  count_
};
inline constexpr std::size_t kCounterCount = static_cast<std::size_t>(Counter::count_);

struct CounterInfo {
  Counter counter;
  std::string_view name;  ///< Without the prefix `blastdoor_` and the suffix `_total`.
  std::string_view help;
};
[[nodiscard]] const std::array<CounterInfo, kCounterCount>& counters();

/// Upper bounds of the request duration histogram in seconds; the last bucket is +Inf.
inline constexpr std::array<double, 14> kDurationBounds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

struct alignas(64) WorkerStats {
  std::array<std::atomic<std::uint64_t>, kCounterCount> counters;
  std::array<std::atomic<std::uint64_t>, kDurationBounds.size() + 1> durations;
  std::atomic<std::uint64_t> duration_us_sum;
  std::atomic<std::uint64_t> open_connections;  ///< Gauge.
  std::atomic<std::uint64_t> active_requests;   ///< Gauge.
  std::atomic<std::uint64_t> idle_upstream;     ///< Gauge: pooled upstream connections.
  std::atomic<std::uint64_t>
      heartbeat_ms;  ///< Monotonic clock at the last loop turn, for the watchdog.

  /// Only the owning worker calls these.
  void add(Counter counter, std::uint64_t n = 1) noexcept {
    auto& cell = counters[static_cast<std::size_t>(counter)];
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  static void bump(std::atomic<std::uint64_t>& cell, std::int64_t by) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(by),
               std::memory_order_relaxed);
  }
  void observe_duration(std::uint64_t microseconds) noexcept;
};

inline constexpr std::uint64_t kStatsMagic =
    0x626c617374646f04;  ///< The last byte is the layout's version.
inline constexpr std::size_t kWorkerSlots = 8;

/// What DoorStats::sandbox says of one feature.
struct SandboxFeature {
  std::uint64_t bit;
  std::string_view name;
};
inline constexpr std::array<SandboxFeature, 3> kSandboxFeatures = {
    {{1, "seccomp"}, {2, "landlock"}, {4, "no_new_privs"}}};

struct DoorStats {
  std::uint64_t magic = kStatsMagic;
  std::atomic<std::uint64_t>
      receiving_generation;  ///< Set before a change is applied: whom to blame for a crash.
  std::atomic<std::uint64_t> applied_generation;  ///< Of the last complete table; 0: none yet.
  std::atomic<std::uint64_t> applied_at_ms;       ///< Wall clock, milliseconds since the epoch.
  std::atomic<std::uint64_t> routes;
  std::atomic<std::uint64_t> virtual_hosts;
  std::atomic<std::uint64_t> upstreams;
  std::atomic<std::uint64_t> restarts;  ///< Written by the supervisor.
  std::atomic<std::uint64_t> sandbox;   ///< Bits of kSandboxFeatures.
  std::atomic<std::uint64_t> draining;
  std::atomic<std::uint64_t> memory_budget;  ///< Bytes, by the supervisor; 0: none.
  std::atomic<std::uint64_t> memory;         ///< Bytes, when they were last counted.
  std::atomic<std::uint64_t> overload_step;  ///< proxy::OverloadStep.
  std::atomic<std::uint64_t>
      untrusted_forwarded_for_v4;  ///< Address of the first peer whose X-Forwarded-For was ignored.
  std::array<WorkerStats, kWorkerSlots> workers;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// A memfd of the right size, zeroed but for the magic. -1 and errno on failure.
[[nodiscard]] int create_stats_memfd(std::string_view name);
/// Maps it, shared; null if the size or magic is wrong. Never unmapped: it lives as long as the
/// process.
[[nodiscard]] DoorStats* map_stats(int fd, bool writable);

}  // namespace bd::telemetry
