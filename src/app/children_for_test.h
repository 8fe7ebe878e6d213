#pragma once
// Children for the supervisor's tests: a controller that follows a script, a door whose server says
// what it serves.

#include <functional>
#include <string>
#include <vector>

#include "app/supervisor_policy.h"
#include "base/address.h"

namespace bd::app {

/// Names the folder of the script: "state" is read, "heard" and "controller" (its process id) are
/// written. "state" is a generation, hosts, and words that begin with `!`:
///   !drop=NAME  !want=NAME@ADDRESS  asks the supervisor, once per generation
///   !nonsense   feeds external-http a host of a listener that it does not have
inline constexpr const char* kScriptVariable = "BLASTDOOR_TEST_SCRIPT";
inline constexpr const char* kRefused = "refused";

int run_test_controller(const std::vector<std::string>& words);
int run_test_door(const std::vector<std::string>& words);

/// An address of 127.0.0.1 where nobody listens.
SocketAddress free_address();
/// Connects, sends, reads to the end; "refused", or what came within two seconds.
std::string ask(const SocketAddress& address, const std::string& request = "");
/// Asks again and again, for ten seconds at most.
bool eventually(const std::function<bool()>& condition);
bool is_gone(pid_t pid);
std::string read_whole(const std::string& path);
/// Whole or not at all, for a reader.
void write_whole(const std::string& path, const std::string& text);

}  // namespace bd::app
