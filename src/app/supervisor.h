#pragma once
// The supervisor: PID 1 of a Blastdoor. It owns the listening sockets, starts and restarts the
// controller and the doors, answers the probes and parses nothing: it compares bytes with constants
// and checks ranges.

#include <optional>
#include <string>
#include <vector>

#include "app/upgrade.h"
#include "config/config.h"

namespace bd::app {

struct SupervisorOptions {
  config::Config config;  ///< Without mistakes; it bounds which doors and addresses the controller
                          ///< may ask for.
  /// Words that follow `blastdoor controller --channel=N --parent=PID`: the flags of `run`, so that
  /// the controller reads the same configuration.
  std::vector<std::string> controller_arguments;
  CommandLine command{};                     ///< What SIGUSR2 starts anew.
  std::optional<UpgradeOrder> upgrade = {};  ///< This process was another program before.
};

/// SIGUSR2 upgrades in place: run_supervisor() does not return then, the program at `command` goes
/// on. With `upgrade` it is that program, or says only whether it could be.
/// Runs until SIGTERM or SIGINT. Returns the exit code: 0 after a drain, 1 if an address cannot be
/// bound (the log names it), 128 + signal after a second signal. The process has no other threads.
[[nodiscard]] int run_supervisor(const SupervisorOptions& options);

}  // namespace bd::app
