// The supervisor and its controller: its start, and the records between the two.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "app/spawn.h"
#include "app/supervisor_tree.h"
#include "base/log.h"

namespace bd::app {

void Supervisor::start_controller() {
  feed::ChannelPair pair = feed::make_channel();
  Program program{"controller", "", {}, false, 0};
  program.options.channel = pair.child.get();
  program.options.parent = ::getpid();
  // The controller of the tree that we got the sockets from may hold its ports for a while.
  program.options.patient = taker_.has_value();
  program.options.rest = options_.controller_arguments;
  controller_.started_at = now_;
  controller_.pid = pair.child ? spawn(program) : -1;
  if (controller_.pid < 0) {
    log::error(fmt::format("controller: cannot start: {}", std::strerror(errno)));
    controller_.due = now_ + Backoff::kLast;
    return;
  }
  controller_.channel = std::move(pair.supervisor);
  controller_.kill_at = TimePoint::max();
  for (const auto& [name, door] : doors_) introduce(*door);
}

/// In good order: it writes to the disk what it has.
void Supervisor::end_controller() {
  if (controller_.pid < 0 || !controller_.channel) return;
  controller_.channel.reset();
  ::kill(controller_.pid, SIGTERM);
  controller_.kill_at = now_ + kControllerGrace;
}

/// What a controller must know of a door before its first feed.
void Supervisor::introduce(DoorKeeper& door) {
  tell(feed::Record::stats, door.settings().name, 0, door.stats_fd());
  for (const std::uint64_t generation : door.quarantined()) {
    tell(feed::Record::quarantine, door.settings().name, generation);
  }
}

void Supervisor::serve_controller() {
  feed::Received got;
  while (controller_.channel) {
    switch (feed::receive(controller_.channel.get(), got)) {
      case feed::ReceiveStatus::again:
        return;
      case feed::ReceiveStatus::dropped:
        log::warn("controller: a record that makes no sense");
        break;
      case feed::ReceiveStatus::closed:
        controller_.channel.reset();
        ::kill(controller_.pid, SIGKILL);
        break;
      case feed::ReceiveStatus::ok:
        take_record(got);
    }
  }
}

void Supervisor::take_record(feed::Received& got) {
  const feed::Message& message = got.message;
  const auto door = doors_.find(message.door_name());
  if (message.record == feed::Record::controller_ready) {
    controller_ready_ = true;
  } else if (message.record == feed::Record::want_door) {
    want_door(message);
  } else if (message.record == feed::Record::drop_door && door != doors_.end()) {
    door->second->drain(now_, model::Timeouts{}.drain);
  } else if (message.record == feed::Record::snapshot && door != doors_.end()) {
    if (!door->second->keep_snapshot(std::move(got.fd), message.generation)) {
      log::warn(fmt::format("controller: the snapshot of {} is not sealed", door->first));
    }
  }
}

void Supervisor::want_door(const feed::Message& message) {
  const std::string name(message.door_name());
  const model::Exposure* exposure = allowed(name);
  const auto existing = doors_.find(name);
  std::vector<DoorSettings::Listener> wanted, granted;
  for (std::size_t i = 0; const auto listener = message.listener(i); ++i) {
    wanted.push_back({std::string(listener->name), listener->address});
  }
  if (exposure != nullptr) granted = settings_of(*exposure).listeners;
  std::sort(wanted.begin(), wanted.end());
  std::sort(granted.begin(), granted.end());
  const bool good = exposure != nullptr && wanted.size() == message.listener_count &&
                    wanted == granted && stop_signal_ == 0;
  if (!good) {
    log::error(fmt::format("controller: the door {} is not one of this configuration", name));
    return tell(feed::Record::door_gone, name);
  }
  if (existing != doors_.end() && !existing->second->draining()) return;
  // One that still drains is in the way; the controller asks again when it hears that it is gone.
  if (existing != doors_.end() || doors_.size() >= model::kDoorsMax || !open_door(*exposure))
    tell(feed::Record::door_gone, name);
}

void Supervisor::tell(feed::Record record, std::string_view door, std::uint64_t generation,
                      int fd) {
  if (!controller_.channel) return;
  feed::Message message = feed::Message::make(record, door);
  message.generation = generation;
  if (feed::send(controller_.channel.get(), message, fd)) return;
  // It does not read: what it missed can't be made up for, so it starts afresh.
  log::error("controller: does not listen; ending it");
  controller_.channel.reset();
  ::kill(controller_.pid, SIGKILL);
}

}  // namespace bd::app
