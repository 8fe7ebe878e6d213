// The door's part of an upgrade in place: what it leaves, and how it goes on from that.

#include <algorithm>

#include "app/listen.h"
#include "app/supervisor_door.h"
#include "base/log.h"

namespace bd::app {
namespace {

bool listens_on(int fd, const SocketAddress& address) {
  return is_listening(fd) && (address.port == 0 || local_address(fd) == address);
}

const StateListener* find(const StateDoor& state, const DoorSettings::Listener& wanted) {
  for (std::size_t i = 0; i < state.listener_count; ++i) {
    const StateListener& have = state.listeners[i];
    if (get_text(have.name) == wanted.name && get_text(have.address) == wanted.address.text()) {
      return &have;
    }
  }
  return nullptr;
}

}  // namespace

std::expected<std::unique_ptr<DoorKeeper>, std::string> DoorKeeper::resume(DoorSettings settings,
                                                                           const StateDoor& state) {
  std::unique_ptr<DoorKeeper> out(new DoorKeeper(std::move(settings)));
  std::string error;
  if (!out->take_sockets(state, error)) return std::unexpected(error);
  if (auto made = out->make_stats(); !made) return std::unexpected(made.error());
  out->predecessors_.adopt(state, *out->stats_);
  for (std::size_t i = state.snapshot_count; i-- > 0;) {
    const StateSnapshot& snapshot = state.snapshots[i];
    // One that is not sealed is not kept, and the feed brings another.
    static_cast<void>(out->keep_snapshot(UniqueFd(snapshot.memory), snapshot.generation));
  }
  return out;
}

bool DoorKeeper::take_sockets(const StateDoor& state, std::string& error) {
  bool good = state.listener_count == settings_.listeners.size();
  for (const DoorSettings::Listener& wanted : settings_.listeners) {
    const StateListener* have = find(state, wanted);
    good = good && have != nullptr;
    if (!good) break;
    std::vector<UniqueFd> sockets;
    for (std::uint32_t i = 0; i < have->count; ++i) {
      if (!listens_on(have->sockets[i], wanted.address)) good = false;
      sockets.emplace_back(have->sockets[i]);
    }
    if (!sockets.empty()) sockets_.push_back(std::move(sockets));
  }
  if (!good) {
    error = fmt::format("{}: its listeners are not those of the running one", settings_.name);
    return false;
  }
  // They had been closed after crashes. This program may do better.
  if (sockets_.empty()) return listen(error);
  const auto size = sockets_.front().size();
  const bool even = sockets_.size() == settings_.listeners.size() &&
                    std::all_of(sockets_.begin(), sockets_.end(),
                                [&](const auto& set) { return set.size() == size; });
  if (!even || size > kEndedSlot) {
    error = fmt::format("{}: its sockets are not one per worker", settings_.name);
    return false;
  }
  if (size != settings_.workers) {
    log::warn(fmt::format("door {}: keeps its {} workers until it is started anew", settings_.name,
                          size));
    settings_.workers = static_cast<unsigned>(size);
  }
  return true;
}

bool DoorKeeper::save(StateDoor& out) const {
  if (draining() || predecessors_.size() + 1 > out.processes.size()) return false;
  if (!put_text(out.name, settings_.name)) return false;
  for (std::size_t i = 0; i < settings_.listeners.size(); ++i) {
    StateListener& listener = out.listeners[out.listener_count++];
    if (!put_text(listener.name, settings_.listeners[i].name) ||
        !put_text(listener.address, settings_.listeners[i].address.text())) {
      return false;
    }
    if (i >= sockets_.size()) continue;  // Closed after crashes.
    for (const UniqueFd& fd : sockets_[i]) listener.sockets[listener.count++] = fd.get();
  }
  StateProcess& own = out.processes[out.process_count++];
  own = {pid_, channel_.get(), stats_fd_.get(), phase_ == Phase::closed ? 1u : 0u, 0};
  predecessors_.save(out);
  for (const Snapshot& snapshot : snapshots_) {
    out.snapshots[out.snapshot_count++] = {snapshot.memory.get(), 0, snapshot.generation};
  }
  return true;
}

bool DoorKeeper::serves() const {
  return phase_ == Phase::serving && pid_ >= 0 && started_ &&
         stats_->applied_generation.load(std::memory_order_acquire) != 0;
}

void DoorKeeper::hand_to_new_process(TimePoint now) {
  log::info(fmt::format("door {}: process {} serves now, and its predecessor finishes",
                        settings_.name, pid_));
  predecessors_.retire(settings_.name, now, settings_.drain);
}

}  // namespace bd::app
