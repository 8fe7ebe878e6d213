#pragma once
// The controller process: the way of a change (control/), shown by the admin API and /metrics
// (admin/), tied to the supervisor by its channel.

#include <span>
#include <string>

namespace bd::app {

/// The whole life of `blastdoor controller --channel=N --parent=PID [flags of run]`; `words` are
/// those after `controller`. Returns the exit code.
[[nodiscard]] int run_controller(std::span<const std::string> words);

}  // namespace bd::app
