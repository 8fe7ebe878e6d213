#pragma once
// The door process: one exposure's client bytes, in a sandbox, with what the feed told it and
// nothing else.

#include <memory>
#include <span>
#include <string>

#include "proxy/server.h"

namespace bd::app {

using ServerFactory = std::unique_ptr<proxy::Server> (*)(proxy::ServerOptions);

/// The whole life of `blastdoor door NAME --channel=N …`; `words` are those after `door`, as the
/// supervisor wrote them (app/spawn.h). Returns the exit code: 0 after a drain, 2 for words that
/// only a supervisor can write.
[[nodiscard]] int run_door(std::span<const std::string> words,
                           ServerFactory start_server = &proxy::Server::start);

}  // namespace bd::app
