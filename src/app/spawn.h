#pragma once
// How a child starts: fork and exec of this very binary, descriptors and facts as words of its
// command line.
//
//   blastdoor controller          --channel=5 --parent=1 [the flags of `run`]
//   blastdoor door internal-http  --channel=7 --parent=1 --stats=8 --snapshot=9 --workers=2
//   --log=info --listen=main:10,11

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "proxy/server.h"

namespace bd::app {

/// What a child is told. -1, 0 and empty mean absent.
struct ChildOptions {
  int channel = -1;       ///< SOCK_SEQPACKET to the supervisor (feed/control_channel.h).
  pid_t parent = 0;       ///< The supervisor's process id, for die_with_parent().
  int stats = -1;         ///< Doors: the stats memfd.
  int snapshot = -1;      ///< Doors: the sealed memfd of the snapshot to start from.
  unsigned workers = 0;   ///< Doors.
  std::string log_level;  ///< Doors; the controller reads the configuration itself.
  /// Doors; none: a trial that serves nobody.
  std::vector<proxy::ListenSockets> sockets;
  /// Others still serve on the same sockets. A door accepts nothing before it has a table; a
  /// controller waits until its ports are free.
  bool patient = false;
  std::vector<std::string> rest;  ///< Controller: the flags of `run`.

  [[nodiscard]] std::vector<std::string> words() const;
  [[nodiscard]] std::vector<int> descriptors() const;  ///< All that are named above.
  /// The inverse of words(): leading `--key=value` words that it knows; everything from the first
  /// other word on is `rest`. `channel` and `parent` must be there; the error says what is wrong.
  static std::expected<ChildOptions, std::string> parse(std::span<const std::string> words);
};

struct Program {
  std::string role;  ///< "controller", "door"
  std::string name;  ///< The exposure, or empty.
  ChildOptions options;
  /// Doors get no variable but those of tests and sanitizers: the environment may hold secrets.
  bool bare_environment = false;
  std::uint64_t memory_max = 0;  ///< RLIMIT_DATA in bytes; 0: none.
};

/// Starts `/proc/self/exe role name words…`, with `options.descriptors()` and the standard ones
/// open, SIGINT ignored (Ctrl-C is the supervisor's business) and all signals unblocked. It dies
/// with this process. -1 and errno on failure. Only for processes with one thread.
[[nodiscard]] pid_t spawn(const Program& program);

/// Asks the kernel for SIGKILL when the supervisor dies. False if `parent` is gone already: exit
/// then. Call again after a change of user, which clears it.
[[nodiscard]] bool die_with_parent(pid_t parent);

/// What `top` shows: at most 15 characters.
void name_process(const std::string& name);

}  // namespace bd::app
