#pragma once
// One door as the supervisor sees it: sockets that outlive it, memory that outlives it, a process
// that may die.
//
//   serving ── five deaths by one generation, no older snapshot left ──> closed: listeners shut
//      ^                                                                    │ trial: a process
//      without listeners └──────── a snapshot that a trial acked, or a minute went by ────────┘
//   serving | closed ── drain() ──> draining ── exit ──> gone

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/predecessors.h"
#include "app/supervisor_policy.h"
#include "base/address.h"
#include "base/unique_fd.h"
#include "feed/control_channel.h"
#include "telemetry/stats.h"

namespace bd::app {

struct DoorSettings {
  std::string name;
  struct Listener {
    std::string name;
    SocketAddress address;
    auto operator<=>(const Listener&) const = default;
  };
  std::vector<Listener> listeners;
  unsigned workers = 1;
  std::string log_level = "info";
  std::uint64_t memory_budget = 0, memory_max = 0;  // supervisor_limits.h
  milliseconds drain{60000};                        ///< For a process that was replaced.
};

class DoorKeeper {
 public:
  /// A worker that has not turned its loop for so long is stuck, and the door with it.
  static constexpr std::chrono::seconds kHeartbeatMax{10};
  /// A door that was closed for a crash loop is opened again after this, if there is a snapshot for
  /// it.
  static constexpr std::chrono::seconds kClosedFor{60};
  static constexpr std::size_t kQuarantinedKept = 16;

  /// Binds the listeners and makes the stats; starts nothing. The error names the address.
  static std::expected<std::unique_ptr<DoorKeeper>, std::string> open(DoorSettings settings);
  /// Goes on with the sockets, snapshots and processes of an earlier program of this supervisor,
  /// which must be those of the same listeners. Their number of sockets is the number of workers.
  static std::expected<std::unique_ptr<DoorKeeper>, std::string> resume(DoorSettings settings,
                                                                        const StateDoor& state);
  /// What resume() needs. False if too many processes are still on their way out, or the door is.
  [[nodiscard]] bool save(StateDoor& out) const;
  ~DoorKeeper();
  DoorKeeper(const DoorKeeper&) = delete;
  DoorKeeper& operator=(const DoorKeeper&) = delete;

  [[nodiscard]] const DoorSettings& settings() const { return settings_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int channel() const { return channel_.get(); }  ///< -1: no process.
  [[nodiscard]] int stats_fd() const { return stats_fd_.get(); }

  /// Starts the process when it is due, ends it when it is stuck or over its time. Call often.
  void tick(TimePoint now);
  /// When tick() has something to do at the latest.
  [[nodiscard]] TimePoint next_tick(TimePoint now) const;
  /// True if the process that has ended is one of this door's.
  bool exited(TimePoint now, pid_t pid, int status);
  /// Takes the records of the door.
  void on_channel(TimePoint now);

  /// From the controller: an acked state. False if the descriptor is not sealed, or too large.
  bool keep_snapshot(UniqueFd memory, std::uint64_t generation);
  /// Generations that were condemned and not reported yet.
  [[nodiscard]] std::vector<std::uint64_t> take_condemned() { return std::move(condemned_); }
  [[nodiscard]] const std::set<std::uint64_t>& quarantined() const { return quarantined_; }

  /// True if the door lives and waits for a feed.
  [[nodiscard]] bool wants_feed(TimePoint now) const;
  /// A new feed: the door gets one end, the caller the other for the controller. Empty if the door
  /// is gone.
  [[nodiscard]] UniqueFd make_feed();
  /// The door has lost its feed, or refused it, and needs another one: later and later, if that
  /// goes on.
  void renew_feed(TimePoint now);
  /// The controller has ended. That is no fault of the feed: the next controller's comes at once,
  /// as no change reaches the door before.
  void controller_gone();

  /// While `on`, the doors of another supervisor serve the same sockets: a process that is started
  /// is patient, and the end leaves clients and sockets to them.
  void share(bool on) { shared_ = on; }
  /// True if a process of this program serves a complete table.
  [[nodiscard]] bool serves() const;

  void fail_probes();
  /// Others serve the same sockets: nothing more is accepted, the processes finish what they have
  /// within `limit`, and are gone.
  void retire(TimePoint now, milliseconds limit);
  /// No connection begins any more, the door drains, and is ended after `limit`. Then it is gone.
  /// While the sockets are shared, it is retired.
  void drain(TimePoint now, milliseconds limit);
  [[nodiscard]] bool draining() const { return phase_ == Phase::draining; }
  [[nodiscard]] bool gone() const { return draining() && pid_ < 0 && predecessors_.empty(); }
  /// All of its processes.
  void kill() const;
  void await_end() const;

  /// Empty if it serves a complete table, else why not.
  [[nodiscard]] std::string not_ready() const;

 private:
  enum class Phase : std::uint8_t { serving, closed, draining };
  struct Snapshot {
    UniqueFd memory;
    std::uint64_t generation = 0;
  };

  explicit DoorKeeper(DoorSettings settings) : settings_(std::move(settings)) {}
  bool listen(std::string& error);
  std::expected<void, std::string> make_stats();
  bool take_sockets(const StateDoor& state, std::string& error);
  void ended(TimePoint now, int status);
  void kill_process() const;
  void hand_to_new_process(TimePoint now);
  [[nodiscard]] bool others_serve() const { return shared_ || predecessors_.serve(); }
  void start(TimePoint now);
  void condemn(TimePoint now, std::uint64_t generation);
  void reopen(TimePoint now);
  void start_drain(TimePoint now);
  [[nodiscard]] const Snapshot* best_snapshot() const;
  void reset_stats(const Snapshot* snapshot);
  [[nodiscard]] bool is_stuck(TimePoint now) const;
  void send(feed::Message message, int fd = -1);

  DoorSettings settings_;
  std::vector<std::vector<UniqueFd>> sockets_;  // By listener, one per worker; empty: closed.
  UniqueFd stats_fd_;
  telemetry::DoorStats* stats_ = nullptr;
  std::deque<Snapshot> snapshots_;  // The newest first.
  Predecessors predecessors_;
  std::set<std::uint64_t> quarantined_;
  std::vector<std::uint64_t> condemned_;

  Phase phase_ = Phase::serving;
  pid_t pid_ = -1;
  UniqueFd channel_;
  bool started_ = false;   // The process said so.
  bool replaced_ = false;  // The process was ended to make room for a better one: no crash.
  bool failing_probes_ = false;
  bool shared_ = false;
  bool needs_feed_ = false;
  std::uint64_t feed_number_ = 0;  // Tells the loss of this feed from that of an earlier one.
  Backoff restarts_, feeds_;
  CrashCounter crashes_;
  TimePoint start_due_{}, started_at_{}, feed_due_{}, feed_made_at_{}, reopen_at_{}, kill_at_{};
  TimePoint watched_since_{}, ticked_at_{}, drain_due_{};
  milliseconds drain_limit_{};
};

}  // namespace bd::app
