#pragma once
// `blastdoor echo`: a demo upstream that answers with what it received, as JSON.

#include "base/address.h"

#include <string>

namespace bd::app {

/// Serves until SIGTERM or SIGINT. `name` is told in every answer. Returns the exit code.
[[nodiscard]] int run_echo(const SocketAddress& listen, const std::string& name);

}  // namespace bd::app
