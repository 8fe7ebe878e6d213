#pragma once
// Every bound the data plane obeys, each with its reason. A limit that is not here does not exist.
// docs/reference/limits.md is generated from this file.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bd::model {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

// Bytes always carry one of these, times their own suffix; a bare number is a count.
inline constexpr std::size_t operator""_B(unsigned long long n) { return n; }
inline constexpr std::size_t operator""_KiB(unsigned long long n) { return n << 10; }
inline constexpr std::size_t operator""_MiB(unsigned long long n) { return n << 20; }

/// Bounds that an exposure may set, per listener (key `limits`).
struct Limits {
  std::size_t request_line_max = 16_KiB;   // What an ALB passes.
  std::size_t request_head_max = 64_KiB;   // What an ALB passes, all fields together.
  std::uint32_t request_fields_max = 100;  // HAProxy's bound; browsers send some 20.
  std::size_t response_head_max = 32_KiB;  // Above it an ALB answers 502 and does not say why.
  std::uint64_t request_body_max = 0_B;    // 0: no limit, as an ALB has none.
  std::uint32_t connections_max = 16384;   // Per door; with bounded buffers it bounds memory.
  bool operator==(const Limits&) const = default;
};

/// Time bounds that an exposure may set, per listener (key `timeouts`).
struct Timeouts {
  milliseconds request_head = 10s;    // From the first byte of a head to its end: slowloris.
  milliseconds idle = 75s;            // Between requests; above an ALB's 60 s, or clients see 502.
  milliseconds body_idle = 30s;       // No progress of a body, either way.
  milliseconds connect = 2s;          // TCP connect to an endpoint.
  milliseconds response_head = 55s;   // Below an ALB's 60 s, so that our 504 names the reason.
  milliseconds total = 0s;            // A request as a whole, to the end of its response; 0: no limit, downloads and streams last.
  milliseconds upstream_idle = 4s;    // Pooled connections; below Node's keep-alive of 5 s.
  milliseconds drain_delay = 15s;     // After SIGTERM: probes fail, requests are still served.
  milliseconds drain = 60s;           // Then at most this long for what is in flight.
  bool operator==(const Timeouts&) const = default;
};

// Fixed bounds, process wide.
inline constexpr std::size_t kRelayBuffer = 16_KiB;          // One hot read buffer; held only while data moves.
inline constexpr std::size_t kSpliceMin = 16_KiB;            // Left of a body with a length, between plain connections: the kernel passes it on; less is one read and one write anyway.
inline constexpr std::size_t kPipeBytes = 256_KiB;           // Room of a pipe for that; a body moves so much at once.
inline constexpr std::uint32_t kPipesMax = 64;               // Per worker, of two descriptors, and an eighth of those of upstreams; without one, bytes are copied.
inline constexpr std::size_t kLocalBodyDrainMax = 64_KiB;    // Request body read past one of our own answers.
inline constexpr std::size_t kBodyRateMin = 240_B;           // A second, of a request body, once it may go; less is a client that holds on to us.
inline constexpr std::size_t kChunkExtensionMax = 256_B;     // Per message; ignored and never forwarded.
inline constexpr std::size_t kTrailerMax = 8_KiB;            // Trailer section, dropped.
inline constexpr std::uint32_t kForwardedForMax = 30;        // Addresses; an ALB answers 463 above it.
inline constexpr std::size_t kForwardedForBytesMax = 1_KiB;  // The same bound in bytes.
inline constexpr std::uint32_t kResponseFieldsMax = 1000;    // Of one response head; its bytes are what is bounded.
inline constexpr std::uint32_t kInterimResponsesMax = 16;    // 1xx before a final response.
inline constexpr std::uint32_t kStreamsMax = 100;            // Per HTTP/2 connection: RFC 9113 §6.5.2 asks for at least that.
inline constexpr std::size_t kStreamWindow = 64_KiB;         // Of a body that its upstream does not take: held per stream.
inline constexpr std::size_t kStreamOutboundMax = 32_KiB;    // Of a body that an HTTP/2 peer does not take: held per stream.
inline constexpr std::uint32_t kIdlePerEndpointMax = 512;    // Pooled idle connections per endpoint and worker: 16 clients of 32 streams.
inline constexpr std::uint32_t kEndpointWeightMax = 256;     // A machine that is worth more is several.
inline constexpr std::uint32_t kAttemptsMax = 3;             // At endpoints, for a request of which nothing was sent.
inline constexpr std::uint32_t kRetryPercent = 20;           // Of what is in flight, and of what was answered, may be sent a second time.
inline constexpr std::uint32_t kRetriesMin = 3;              // At once per upstream and worker, however little is in flight.
inline constexpr std::uint32_t kRetriesSavedMax = 1000;      // Earned by answers and not used: what an endpoint's crash may take at once.
inline constexpr std::uint32_t kFailuresToEject = 5;         // In a row: refused, reset, no answer in time, 502, 503 or 504.
inline constexpr milliseconds kFailureWindow = 10s;          // The first and the last of them are no further apart.
inline constexpr milliseconds kEjection = 30s;               // Times how often it has happened.
inline constexpr milliseconds kEjectionMax = 300s;           // The longest; and after that long in good health it starts anew.
inline constexpr std::uint32_t kEjectedPercentMax = 50;      // Of an upstream's endpoints: if more fail, the fault is elsewhere.
inline constexpr milliseconds kSlowStart = 10s;              // From a tenth of its share to all of it, when it joins others or comes back.
inline constexpr milliseconds kUnacknowledged = 5s;          // Bytes sent to an endpoint that nobody confirms: its host is gone.
inline constexpr milliseconds kSharedIdle = 60s;             // A pooled HTTP/2 connection without a stream.
inline constexpr milliseconds kPlainMemory = 60s;            // `prefer`: how long an endpoint without TLS is not asked again.
inline constexpr milliseconds kTunnelIdle = 300s;            // A WebSocket that is silent both ways; its ends send pings far more often.
inline constexpr milliseconds kTunnelLinger = 5s;            // After one end of a WebSocket is done: the other's last words.
inline constexpr std::uint32_t kOverloadShedPercent = 80;    // Of the memory budget: from here on no connection is kept.
inline constexpr std::uint32_t kOverloadRefusePercent = 90;  // From here on requests get 503 and Retry-After.
inline constexpr std::uint32_t kOverloadStopPercent = 95;    // From here on nothing is accepted, and the largest streams are reset.
inline constexpr std::uint32_t kOverloadSlackPercent = 5;    // A step ends so much below where it begins, or it would flap.
inline constexpr milliseconds kOverloadLook = 25ms;          // A door that works counts its memory so often; meanwhile a flood may take as much again.
inline constexpr milliseconds kOverloadTrim = 1s;            // While overloaded, what was freed goes back to the kernel so often.
inline constexpr milliseconds kOverloadPatience = 1s;        // So long requests are refused; then what stalls and holds the most is reset too.
inline constexpr std::uint32_t kOverloadCensus = 1024;       // Descriptors whose sockets are looked at at once: about 0.25 ms.
inline constexpr std::uint32_t kOverloadResetsMax = 32;      // Connections that one worker resets at once; then it counts again.
inline constexpr std::size_t kOverloadHeldMin = 64_KiB;      // Who holds less is an exchange like any other, and is not reset.
inline constexpr std::size_t kSocketUnsentMax = 128_KiB;     // Under a budget: what a slow reader leaves unsent in the kernel.
inline constexpr std::size_t kSocketReceiveMin = 64_KiB;     // Under a budget: receive buffers are 1/256 of it, at least this,
inline constexpr std::size_t kSocketReceiveMax = 1_MiB;      // and at most this: enough for 1 GiB/s within a data centre.
inline constexpr milliseconds kAcceptPause = 100ms;          // After accepting failed for want of descriptors or memory.
inline constexpr std::uint32_t kWorkersMax = 4;              // Per door; there are four doors on a node.
inline constexpr std::uint32_t kListenersPerDoorMax = 16;    // The supervisor's tables have a fixed size.
inline constexpr std::uint32_t kDoorsMax = 32;               // The same tables.
inline constexpr std::size_t kFeedFrameMax = 16_MiB;         // One feed message.
inline constexpr std::size_t kSnapshotBytesMax = 256_MiB;    // One door's sealed memfd; two are kept.
inline constexpr std::size_t kManifestFileMax = 16_MiB;      // One manifest file.
inline constexpr std::size_t kManifestDepthMax = 64;         // Nesting of YAML and JSON.
inline constexpr std::size_t kManifestFilesMax = 10'000;     // Of one folder: more is a mistaken path.
inline constexpr std::size_t kManifestFolderDepthMax = 16;   // Folders within folders.
inline constexpr std::size_t kKubeAnswerMax = 16_MiB;        // One page of a list, or one event of a watch.
inline constexpr std::uint32_t kKubePageMax = 500;           // Objects per page of a list, as client-go asks.
inline constexpr std::size_t kKubeObjectsMax = 200'000;      // Of one kind: above what Kubernetes is tested with.
inline constexpr std::size_t kObjectBytesMax = 2_MiB;        // One Kubernetes object; etcd stops at 1.5 MiB.
inline constexpr std::size_t kPathBytesMax = 4_KiB;          // One path of one rule.
inline constexpr std::size_t kAnnotationBytesMax = 4_KiB;    // One annotation value that we read.
inline constexpr std::uint32_t kRulesPerObjectMax = 10000;   // host+path pairs of one Ingress.
inline constexpr std::uint32_t kFindingsPerObjectMax = 100;  // One broken object must not fill the list.
inline constexpr std::uint32_t kListDepthMax = 4;            // `v1 List` inside `v1 List`; tools write one.
inline constexpr std::uint32_t kEndpointsPerUpstreamMax = 10000;  // One list stays far below a feed frame.
inline constexpr std::size_t kCertificateChainMax = 64_KiB;  // Leaf and intermediates; ten of them are 20 KiB.
inline constexpr std::size_t kCertificateKeyMax = 16_KiB;    // RSA of 16384 bits is 13 KiB as PEM.
inline constexpr std::size_t kCaBundleMax = 512_KiB;         // Twice what Debian's system bundle has.
inline constexpr std::uint32_t kCertificatesPerDoorMax = 20'000;  // With the key, 4 KiB each: 80 MiB of the snapshot.
inline constexpr std::size_t kCertificateNameMax = 512_B;    // A served list of all names fits a feed frame.
inline constexpr std::uint32_t kTlsHostsMax = 1000;          // Hosts of a listener with a TLS policy of their own.
inline constexpr std::size_t kTicketKeyBytes = 80_B;         // 16 name, 32 AES-256, 32 HMAC.
inline constexpr std::uint32_t kTicketKeysMax = 3;           // The one that encrypts and two before it.
inline constexpr milliseconds kTicketKeyRotation = 43'200s;  // 12 h; with two old keys a session resumes for a day.
inline constexpr std::uint32_t kCrashesToQuarantine = 5;     // Within one minute: the snapshot is put aside.

static_assert(kOverloadShedPercent < kOverloadRefusePercent && kOverloadRefusePercent < kOverloadStopPercent);
static_assert(Limits{}.request_line_max <= Limits{}.request_head_max);
static_assert(Limits{}.response_head_max <= 32_KiB, "an ALB refuses more");
static_assert(kCertificatesPerDoorMax * (kCertificateNameMax + 4) < kFeedFrameMax);
static_assert(Timeouts{}.idle > 60s && Timeouts{}.response_head < 60s, "an ALB's idle timeout is 60 s");
static_assert(Timeouts{}.upstream_idle < 5s, "Node.js closes after 5 s");

}  // namespace bd::model
