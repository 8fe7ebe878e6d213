// The supervisor's replacement by another process tree of the same network namespace, and how it
// replaces one.

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "app/listen.h"
#include "app/supervisor_tree.h"
#include "base/log.h"

namespace bd::app {

/// Asks whoever serves under the name for its sockets.
Supervisor::TakeOver Supervisor::take_over() {
  const std::string& name = options_.config.handover;
  if (name.empty()) return TakeOver::none;
  const auto state = std::make_unique<State>();
  for (const model::Exposure& exposure : options_.config.exposures) {
    if (allowed(exposure.name) == nullptr) continue;
    StateDoor& door = state->doors[state->door_count++];
    bool fits = put_text(door.name, exposure.name);
    for (const DoorSettings::Listener& listener : settings_of(exposure).listeners) {
      StateListener& out = door.listeners[door.listener_count++];
      fits = put_text(out.name, listener.name) && put_text(out.address, listener.address.text()) &&
             fits;
    }
    if (fits) continue;
    log::error(fmt::format("hand-over: a name of {} is too long", exposure.name));
    return TakeOver::none;
  }
  taker_.emplace(name);
  std::string why;
  const HandoverTaker::Answer answer = taker_->ask(*state, why);
  if (answer != HandoverTaker::Answer::taken) {
    taker_.reset();
    if (answer == HandoverTaker::Answer::nobody) {
      log::info(fmt::format("hand-over: nobody serves as {} yet", name));
    } else {
      log::error(fmt::format("hand-over: refused: {}; going on without", why));
    }
    return TakeOver::none;
  }
  log::info(fmt::format("hand-over: has the sockets of the running {}, and its doors start", name));
  shared_ = true;
  bool good = adopt_doors(*state, "hand-over");
  if (!is_listening(state->probes)) {
    log::error("hand-over: the socket for the probes does not listen");
    good = false;
  }
  for (const auto& [exposure, door] : doors_) door->share(true);
  probes_.emplace(UniqueFd(state->probes));
  return good ? TakeOver::done : TakeOver::failed;
}

void Supervisor::tick_handover() {
  if (options_.config.handover.empty()) return;
  if (shared_) {
    if (stop_signal_ == 0) follow_giver();
  } else {
    serve_newcomers();
  }
}

void Supervisor::follow_giver() {
  const bool ready =
      controller_ready_ && std::all_of(doors_.begin(), doors_.end(),
                                       [](const auto& entry) { return entry.second->serves(); });
  std::string why;
  switch (taker_->tick(now_, ready, why)) {
    case HandoverTaker::Outcome::waiting:
      return;
    case HandoverTaker::Outcome::yours:
      shared_ = false;
      for (const auto& [name, door] : doors_) door->share(false);
      return log::info("hand-over: done, the sockets are this one's alone");
    case HandoverTaker::Outcome::lost:
      log::error(fmt::format("hand-over: failed: {}; leaving the sockets to it", why));
      code_at_end_ = 1;
      begin_shutdown(SIGTERM);
  }
}

void Supervisor::serve_newcomers() {
  if (!giver_) giver_.emplace(options_.config.handover);
  if (!giver_->is_open() && !handed_over_ && !drained_ && now_ >= name_due_) {
    name_due_ = now_ + std::chrono::seconds(1);
    if (!giver_->open() && !std::exchange(name_was_taken_, true)) {
      log::error(fmt::format("hand-over: cannot take the name {}: {}; trying again every second",
                             options_.config.handover, std::strerror(errno)));
    }
  }
  giver_->tick(now_, [this](State& out) { return offer(out); });
  probes_->pause(giver_->is_shared());
  if (giver_->is_ready()) hand_over();
  if (stop_signal_ != 0 || !giver_->is_orphaned(now_)) return;
  log::error("hand-over: the one that took over is gone; ending, to be started again");
  code_at_end_ = 1;
  begin_shutdown(SIGTERM);
}

std::string Supervisor::offer(State& out) const {
  if (upgrade_.is_checking()) return "an upgrade in place is under way";
  return save(out) ? "" : "earlier processes of its doors still finish what they have";
}

/// From here on the newcomer serves. What our doors have begun they finish.
void Supervisor::hand_over() {
  log::info(fmt::format("hand-over: the sockets are the new one's; {}",
                        stop_signal_ == 0 ? "idle from here on, until SIGTERM" : "ending"));
  handed_over_ = true;
  drain_at_ = now_;
  end_controller();
  for (const auto& [name, door] : doors_) door->retire(now_, door->settings().drain);
  probes_->leave();
  giver_->give();
}

/// At the end: a newcomer that has the sockets keeps them, and will serve; any other is refused.
void Supervisor::stop_handover() {
  if (shared_) {
    probes_->leave();
    taker_.reset();
  }
  if (!giver_ || handed_over_) return;
  if (giver_->is_shared()) {
    log::warn("hand-over: the new one is not ready, and this one has to end: clients wait");
    return hand_over();
  }
  giver_->close();
}

}  // namespace bd::app
