#pragma once
// The processes of one door that an earlier program of the supervisor started: they serve until the
// new one does, then finish what they have. What they count is not lost.

#include <sys/types.h>

#include <string>
#include <vector>

#include "app/supervisor_policy.h"
#include "app/upgrade_state.h"
#include "base/unique_fd.h"
#include "feed/control_channel.h"
#include "telemetry/stats.h"

namespace bd::app {

/// Slots of a door's statistics that no worker has: what ended processes had counted, and what
/// those that still run have. The supervisor writes both.
inline constexpr std::size_t kEndedSlot = telemetry::kWorkerSlots - 2;
inline constexpr std::size_t kLeavingSlot = telemetry::kWorkerSlots - 1;

class Predecessors {
 public:
  /// A door that was told to end is killed this long after its limit.
  static constexpr std::chrono::seconds kGrace{1};

  /// Takes over what `state` names; `stats` are the new door's and get what the old ones counted.
  void adopt(const StateDoor& state, telemetry::DoorStats& stats);
  /// Appends them to a state that begins with the door's own process.
  void save(StateDoor& out) const;

  [[nodiscard]] bool empty() const { return all_.empty(); }
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  /// True if one of them still accepts connections.
  [[nodiscard]] bool serve() const;

  /// Those that serve are told to: the new door does now.
  void retire(const std::string& door, TimePoint now, milliseconds limit) {
    end(feed::Record::retire, door, now, limit);
  }
  /// Those that serve drain with the door.
  void drain(const std::string& door, TimePoint now, milliseconds limit) {
    end(feed::Record::drain, door, now, limit);
  }
  void fail_probes(const std::string& door) const;
  void kill() const;
  /// True if `pid` was one of them.
  bool exited(pid_t pid, telemetry::DoorStats& stats);
  /// Ends those that are late, and counts. Call often.
  void tick(TimePoint now, telemetry::DoorStats& stats);
  [[nodiscard]] TimePoint next_tick(TimePoint now) const;
  /// Waits for the end of all: after kill().
  void await_end() const;

 private:
  struct Process {
    pid_t pid = -1;
    UniqueFd channel, stats_fd;
    telemetry::DoorStats* stats = nullptr;  // Mapped until it has ended.
    bool retired = false;
    TimePoint kill_at{};
  };
  void end(feed::Record record, const std::string& door, TimePoint now, milliseconds limit);

  std::vector<Process> all_;
};

}  // namespace bd::app
