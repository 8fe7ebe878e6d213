#pragma once
// What a peer may do, but never does that often. Every number and its reason stands here.
//
// A well-behaved client may be fast without bound: what it does more of because it works more, it
// earns by that work (streams that it opens, frames that we send it). What it does for no reason is
// paid from a bucket that time fills again. An empty bucket ends the connection with GOAWAY
// (ENHANCE_YOUR_CALM). Only the server role has budgets; a client only bounds memory.

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "http2/frame_scanner.h"
#include "http2/options.h"

namespace bd::http2 {

/// Holds up to `burst`, gains `per_second`. Earned tokens may lift it above `burst`, up to kCap.
class TokenBucket {
 public:
  struct Rate {
    double burst;
    double per_second;
  };
  explicit TokenBucket(Rate rate) : rate_(rate), tokens_(rate.burst) {}

  /// False if there was none left.
  [[nodiscard]] bool take(TimePoint now);
  void earn(double tokens) { tokens_ = std::min(tokens_ + tokens, kCap); }

 private:
  // Work that was done long ago must not pay for a flood today.
  static constexpr double kCap = 20'000;
  Rate rate_;
  double tokens_;
  TimePoint filled_{};
};

/// Streams that die before their response: CVE-2023-44487 (the peer resets), CVE-2025-8671 (it
/// makes us reset). 200 at once is a browser that leaves a page with two full connections; 20/s for
/// ever is a client whose every call times out. nghttp2's own bound is 1000 and 33/s.
inline constexpr TokenBucket::Rate kPrematureDeaths{200, 20};

/// One kind of frame: the bucket, and what it earns per stream that the peer opens and per DATA or
/// HEADERS frame that we send.
struct ChatterRate {
  TokenBucket::Rate rate;
  double per_stream;
  double per_frame_sent;
};

/// gRPC measures its bandwidth with one PING per round trip while data comes in, so data earns.
inline constexpr ChatterRate kPing{{100, 10}, 1, 1};
/// Each is answered and may walk over all streams. Real clients send one or two in a lifetime.
inline constexpr ChatterRate kSettings{{20, 1}, 0, 0};
/// Ignored by us (RFC 9113 §5.3.2); browsers of before 2022 send a few per stream.
inline constexpr ChatterRate kPriority{{100, 10}, 4, 0};
/// One per stream is a cancellation, which is judged as such; more hit streams that are gone.
inline constexpr ChatterRate kReset{{100, 10}, 1, 0};
/// Envoy's rule is 5 + 2 (streams + 10 DATA frames sent).
inline constexpr ChatterRate kWindowUpdate{{100, 10}, 2, 20};
/// No body and no end: never needed. Some libraries flush with one.
inline constexpr ChatterRate kEmptyData{{10, 1}, 0, 0};
/// Trailers are one per stream; the rest races with our resets and our GOAWAY.
inline constexpr ChatterRate kLateHeaders{{200, 10}, 1, 0};
/// Extensions and grease (RFC 8701): browsers send one per connection, some per stream.
inline constexpr ChatterRate kUnknown{{100, 10}, 2, 0};

/// CONTINUATION frames of one section (CVE-2024-27316): nghttp2's default, and what the largest
/// allowed section needs in frames of 16 KiB.
[[nodiscard]] constexpr std::uint32_t continuations_max(std::size_t head_max) {
  return 8 + static_cast<std::uint32_t>(head_max >> 14);
}

/// SETTINGS and PING acknowledgements that wait to be sent, in either role.
inline constexpr std::size_t kAcksQueuedMax = 256;

/// All budgets of one connection of the server role.
class Budgets {
 public:
  /// Counts a frame of the peer. Returns which budget it exhausted, or null. `draining`: we said
  /// that no more streams are served.
  [[nodiscard]] const char* receive(const FrameHead& frame, bool draining, TimePoint now);
  /// DATA that was nothing but padding.
  [[nodiscard]] const char* padding_only(TimePoint now);
  /// A stream died before its response and not by our own will.
  [[nodiscard]] const char* premature_death(TimePoint now);
  /// We sent DATA or HEADERS.
  void sent();

 private:
  struct Chatter {
    explicit Chatter(const ChatterRate& chatter) : rate(chatter), bucket(chatter.rate) {}
    ChatterRate rate;
    TokenBucket bucket;
  };
  [[nodiscard]] const char* receive_headers(const FrameHead& frame, bool draining, TimePoint now);
  template <class Visit>
  void each(Visit visit);

  Chatter ping_{kPing};
  Chatter settings_{kSettings};
  Chatter priority_{kPriority};
  Chatter reset_{kReset};
  Chatter window_update_{kWindowUpdate};
  Chatter empty_data_{kEmptyData};
  Chatter late_headers_{kLateHeaders};
  Chatter unknown_{kUnknown};
  TokenBucket premature_deaths_{kPrematureDeaths};
  std::uint32_t last_stream_ = 0;
};

}  // namespace bd::http2
