#pragma once
// The supervisor's parts, for its own files: supervisor.cc has its life, supervisor_controller.cc
// the talk with the controller, supervisor_upgrade.cc its replacement in its own process,
// supervisor_handover.cc that by another one.

#include <expected>
#include <map>
#include <memory>
#include <optional>

#include "app/handover.h"
#include "app/supervisor.h"
#include "app/supervisor_door.h"
#include "app/supervisor_limits.h"
#include "app/supervisor_probes.h"
#include "app/upgrade.h"

namespace bd::app {

inline constexpr std::chrono::seconds kControllerGrace{2};

class Supervisor {
 public:
  explicit Supervisor(const SupervisorOptions& options)
      : options_(options), limits_(read_host_limits()), upgrade_(options.command) {}
  /// False, and logged, if an address cannot be bound, or what is taken over is not ours.
  bool open();
  int run();

 private:
  struct Controller {
    pid_t pid = -1;  // Without a channel: on its way out.
    UniqueFd channel;
    Backoff restarts;
    TimePoint started_at{}, due{}, kill_at = TimePoint::max();
  };

  [[nodiscard]] unsigned workers() const;
  [[nodiscard]] const model::Exposure* allowed(std::string_view name) const;
  [[nodiscard]] DoorSettings settings_of(const model::Exposure& exposure) const;
  bool open_signals();
  bool open_doors();
  bool open_door(const model::Exposure& exposure);
  bool add_door(std::expected<std::unique_ptr<DoorKeeper>, std::string> door);
  bool open_probes();
  static bool is_free(std::string_view what, const SocketAddress& address);

  void wait();
  void tick();
  void take_signals();
  void reap();
  void child_exited(pid_t pid, int status);
  void begin_shutdown(int signal);
  void finish_shutdown();
  [[nodiscard]] bool all_gone() const { return doors_.empty() && controller_.pid < 0; }
  void kill_all();
  [[nodiscard]] bool needs_controller() const {
    return controller_.pid < 0 && stop_signal_ == 0 && !handed_over_;
  }

  void start_controller();
  void end_controller();
  void introduce(DoorKeeper& door);
  void serve_controller();
  void take_record(feed::Received& got);
  void want_door(const feed::Message& message);
  void tell(feed::Record record, std::string_view door, std::uint64_t generation = 0, int fd = -1);
  [[nodiscard]] std::string not_ready() const;

  // supervisor_upgrade.cc
  bool resume();
  void begin_upgrade();
  void finish_upgrade();
  bool save(State& out) const;
  bool adopt_doors(const State& state, std::string_view what);

  // supervisor_handover.cc
  enum class TakeOver : std::uint8_t { none, done, failed };
  TakeOver take_over();
  void tick_handover();
  void follow_giver();
  void serve_newcomers();
  std::string offer(State& out) const;
  void hand_over();
  void stop_handover();

  const SupervisorOptions& options_;
  HostLimits limits_;
  std::map<std::string, std::unique_ptr<DoorKeeper>, std::less<>> doors_;
  std::optional<ProbeServer> probes_;
  Upgrade upgrade_;
  std::optional<HandoverTaker> taker_;  // Of a process that got its sockets from another one.
  std::optional<HandoverGiver> giver_;
  bool shared_ = false;       // The one that we got the sockets from serves them too.
  bool handed_over_ = false;  // Another one has the sockets: idle until the end.
  bool name_was_taken_ = false;
  TimePoint name_due_{};
  Controller controller_;
  UniqueFd signals_;
  TimePoint now_ = Clock::now();
  bool controller_ready_ = false;  // Once is enough: the doors keep what they have.

  int stop_signal_ = 0;  // Not 0: shutting down, from
  TimePoint drain_at_{};
  milliseconds drain_limit_{};
  bool drained_ = false;
  int code_at_end_ = 0;  // After a drain.
  int exit_code_ = -1;
};

}  // namespace bd::app
