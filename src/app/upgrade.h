#pragma once
// Upgrade in place: the supervisor becomes the program that stands at its path now, in the same
// process. A child runs that program first: it has to take the state, or nothing happens.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/supervisor_policy.h"
#include "app/upgrade_state.h"
#include "base/unique_fd.h"

namespace bd::app {

/// How a program is told that it replaces another: BD_UPGRADE=STATE, or STATE,ANSWER if it is only
/// to say whether it could. Not BLASTDOOR_…, which is configuration.
struct UpgradeOrder {
  int state = -1;
  int answer = -1;  ///< A pipe for confirm(); -1: go on for good.
};
/// From the environment, from which it is removed: children are not to see it.
[[nodiscard]] std::optional<UpgradeOrder> take_upgrade_order();
/// Says that the state is good. The answer to an order with `answer`.
void confirm(const UpgradeOrder& order);

/// The program and the words that this process was started with: where an upgrade looks.
struct CommandLine {
  std::string path;  ///< Absolute, links not followed: what stands there may change.
  std::vector<std::string> words;
  static CommandLine own();
};

class Upgrade {
 public:
  /// A program that has not answered by then is not going to.
  static constexpr std::chrono::seconds kCheckMax{10};
  enum class Outcome : std::uint8_t { pending, good, bad };

  explicit Upgrade(CommandLine command) : command_(std::move(command)) {}
  [[nodiscard]] const std::string& path() const { return command_.path; }
  [[nodiscard]] bool is_checking() const { return static_cast<bool>(answer_); }
  /// Readable when there is an answer; -1: not checking.
  [[nodiscard]] int answer() const { return answer_.get(); }
  [[nodiscard]] TimePoint deadline() const { return deadline_; }

  /// Starts the program as a child that tries the state. False and errno on failure.
  [[nodiscard]] bool check(const State& state, TimePoint now);
  [[nodiscard]] Outcome outcome(TimePoint now);
  /// True if `pid` was the child.
  bool exited(pid_t pid);
  void stop();
  /// Becomes the program. Returns, with errno, only if that fails: nothing has changed then.
  void replace(const State& state) const;

 private:
  CommandLine command_;
  pid_t child_ = -1;
  UniqueFd answer_;
  TimePoint deadline_{};
  std::string heard_;
};

}  // namespace bd::app
