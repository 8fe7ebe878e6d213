// The supervisor's replacement in its own process.

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "app/supervisor_tree.h"
#include "base/log.h"

namespace bd::app {

void Supervisor::begin_upgrade() {
  const bool hands_over = handed_over_ || shared_ || (giver_ && giver_->is_busy());
  if (stop_signal_ != 0 || upgrade_.is_checking() || hands_over) {
    return log::warn("no upgrade: another one, a hand-over, or the end, is under way");
  }
  const auto state = std::make_unique<State>();
  if (!save(*state)) {
    return log::error("no upgrade: the doors of earlier ones still finish what they have");
  }
  if (!upgrade_.check(*state, now_)) {
    return log::error(fmt::format("no upgrade: {}", std::strerror(errno)));
  }
  log::info(fmt::format("upgrade: asking {} whether it can go on from here", upgrade_.path()));
}

void Supervisor::finish_upgrade() {
  const Upgrade::Outcome outcome = upgrade_.outcome(now_);
  if (outcome == Upgrade::Outcome::pending) return;
  upgrade_.stop();
  if (outcome == Upgrade::Outcome::bad) {
    return log::error(
        fmt::format("no upgrade: {} does not take our state; all goes on", upgrade_.path()));
  }
  const auto state = std::make_unique<State>();  // Of now: a door may have died meanwhile.
  if (!save(*state)) return log::error("no upgrade: a door is on its way out");
  log::info(fmt::format("upgrade: becoming {}", upgrade_.path()));
  upgrade_.replace(*state);
  log::error(fmt::format("no upgrade: {}: {}", upgrade_.path(), std::strerror(errno)));
}

bool Supervisor::save(State& out) const {
  for (const auto& [name, door] : doors_) {
    if (!door->save(out.doors[out.door_count++])) return false;
  }
  out.probes = probes_->listener();
  out.controller = controller_.pid;
  out.controller_ready = controller_ready_ ? 1 : 0;
  return true;
}

/// The doors that are configured go on with what `state` has for each.
bool Supervisor::adopt_doors(const State& state, std::string_view what) {
  bool good = true;
  std::size_t known = 0;
  for (const model::Exposure& exposure : options_.config.exposures) {
    if (allowed(exposure.name) == nullptr) continue;
    const StateDoor* found = nullptr;
    for (std::size_t i = 0; i < state.door_count; ++i) {
      if (get_text(state.doors[i].name) == exposure.name) found = &state.doors[i];
    }
    if (found == nullptr) {
      log::error(fmt::format("{}: {} is a new exposure", what, exposure.name));
    }
    good = found != nullptr && add_door(DoorKeeper::resume(settings_of(exposure), *found)) && good;
    ++known;
  }
  if (known != state.door_count) {
    log::error(fmt::format("{}: other exposures are served than are configured now", what));
    good = false;
  }
  return good;
}

/// In a check everything is done but to start and to end processes.
bool Supervisor::resume() {
  const auto state = read_state(options_.upgrade->state);
  ::close(options_.upgrade->state);
  if (!state) {
    log::error(fmt::format("upgrade: {}", state.error()));
    return false;
  }
  keep_over_exec(descriptors(**state), false);
  const bool good = adopt_doors(**state, "upgrade");
  probes_.emplace(UniqueFd((*state)->probes));
  controller_.pid = (*state)->controller;
  // It saw the end of its channel when the program changed, and writes what it has to the disk. The
  // next one needs its ports.
  if (controller_.pid >= 0) controller_.kill_at = now_ + kControllerGrace;
  controller_ready_ = (*state)->controller_ready != 0;
  return good;
}

}  // namespace bd::app
