#pragma once
// What the admin API and /metrics show: a read-only picture of the controller at one moment. The
// controller makes one per request; nothing here can change anything.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/exposure.h"
#include "model/finding.h"
#include "snapshot/snapshot.h"
#include "telemetry/stats.h"

namespace bd::admin {

struct DoorView {
  std::string exposure;
  const telemetry::DoorStats* stats = nullptr;  ///< Null until the supervisor handed it over.
  bool connected = false;                       ///< A feed is open.
  std::uint64_t acked_generation = 0;
  std::uint64_t quarantined_generation = 0;  ///< 0: none.
  std::string refusal;  ///< What the door said when it refused a change; empty: nothing.
};

/// A certificate that an exposure's door holds. Never its key.
struct CertificateView {
  std::string exposure;
  std::string name;                ///< "file NAME", "secret NAMESPACE/NAME"
  std::vector<std::string> names;  ///< The hosts that it is for.
  std::string key;                 ///< "ecdsa-p256"
  std::string issuer;
  std::int64_t not_before = 0, not_after = 0;  ///< Unix seconds.
  std::string sha256;
};

struct SourceView {
  std::string name;
  bool delivered = false;  ///< It has given a complete set at least once.
  bool healthy = false;
  std::string message;
  std::size_t ingresses = 0, services = 0, slices = 0;
};

/// One compiled state, newest first in View::generations (the last 32).
struct GenerationView {
  std::uint64_t generation = 0;
  std::int64_t at_ms = 0;  ///< Unix time, milliseconds.
  std::uint64_t compile_us = 0;
  std::string kind;  ///< "compile", "endpoints", "certificates", "disk"
  std::vector<std::string>
      changes;  ///< "internal-http: +2 -1 hosts, 3 upstreams", at most 32 lines.
};

struct View {
  std::vector<model::Exposure> exposures;              ///< All that are known.
  std::vector<std::string> enabled;                    ///< Those that are served here.
  std::shared_ptr<const snapshot::Snapshot> snapshot;  ///< Null before the first.
  std::vector<model::Finding> findings;  ///< Of reading, compiling, configuration and doors.
  std::vector<DoorView> doors;
  std::vector<CertificateView> certificates;
  std::vector<SourceView> sources;
  std::vector<GenerationView> generations;
  std::int64_t now_ms = 0;          ///< Unix time of this picture.
  std::int64_t last_change_ms = 0;  ///< Unix time of the last event of any source; 0: none yet.
  bool ready = false;   ///< Every source has delivered, or a snapshot from disk is served.
  std::string version;  ///< Of this program.
};

}  // namespace bd::admin
