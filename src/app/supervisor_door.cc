#include "app/supervisor_door.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "app/listen.h"
#include "app/spawn.h"
#include "base/log.h"

namespace bd::app {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartMax = 60s;  // A process that has not started by then hangs.
constexpr auto kTurnMax =
    3s;  // Our own loop turns every second; longer, and we were stopped ourselves.
constexpr auto kDrainGrace = 1s;  // A door ends itself; this is for one that does not.

std::string describe(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("exited with {}", WEXITSTATUS(status));
}

bool is_sealed(int fd) {
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  struct stat info{};
  return seals >= 0 && (seals & kSeals) == kSeals && ::fstat(fd, &info) == 0 && info.st_size > 0 &&
         static_cast<std::uint64_t>(info.st_size) <= model::kSnapshotBytesMax;
}

}  // namespace

std::expected<std::unique_ptr<DoorKeeper>, std::string> DoorKeeper::open(DoorSettings settings) {
  std::unique_ptr<DoorKeeper> out(new DoorKeeper(std::move(settings)));
  std::string error;
  if (!out->listen(error)) return std::unexpected(error);
  if (auto made = out->make_stats(); !made) return std::unexpected(made.error());
  return out;
}

std::expected<void, std::string> DoorKeeper::make_stats() {
  stats_fd_.reset(telemetry::create_stats_memfd("blastdoor-stats"));
  stats_ = stats_fd_ ? telemetry::map_stats(stats_fd_.get(), true) : nullptr;
  if (stats_ == nullptr)
    return std::unexpected(fmt::format("no memory for statistics: {}", std::strerror(errno)));
  stats_->memory_budget.store(settings_.memory_budget, std::memory_order_relaxed);
  return {};
}

DoorKeeper::~DoorKeeper() {
  if (stats_ != nullptr) ::munmap(stats_, sizeof *stats_);
}

bool DoorKeeper::listen(std::string& error) {
  for (const DoorSettings::Listener& listener : settings_.listeners) {
    auto sockets = listen_on(listener.address, settings_.workers);
    if (!sockets) {
      error = fmt::format("{}: {}", settings_.name, sockets.error());
      sockets_.clear();
      return false;
    }
    sockets_.push_back(*std::move(sockets));
  }
  return true;
}

void DoorKeeper::tick(TimePoint now) {
  // After a stop of the whole process tree every heartbeat looks old: give them a new chance.
  if (now - ticked_at_ > kTurnMax) watched_since_ = now;
  ticked_at_ = now;
  predecessors_.tick(now, *stats_);
  if (predecessors_.serve() && serves()) hand_to_new_process(now);
  if (phase_ == Phase::closed && now >= reopen_at_) {
    reopen_at_ = now + kClosedFor;
    // The controller sends nothing new, so what is here gets another chance.
    quarantined_.clear();
    if (best_snapshot() != nullptr) reopen(now);
  }
  if (phase_ == Phase::closed && !others_serve()) sockets_.clear();
  if (phase_ == Phase::draining && now >= drain_due_) start_drain(now);
  if (pid_ < 0) {
    if (phase_ != Phase::draining && now >= start_due_) start(now);
  } else if (phase_ == Phase::draining ? now >= kill_at_ : is_stuck(now)) {
    log::error(fmt::format("door {}: {}", settings_.name,
                           draining() ? "has not drained in time" : "does not move; ending it"));
    kill_process();
    kill_at_ = watched_since_ = now;
  }
}

TimePoint DoorKeeper::next_tick(TimePoint now) const {
  TimePoint out = predecessors_.next_tick(now);
  if (pid_ < 0 && phase_ != Phase::draining) out = std::min(out, start_due_);
  if (phase_ == Phase::draining) out = std::min(out, drain_due_);
  if (pid_ >= 0 && phase_ == Phase::draining) out = std::min(out, kill_at_);
  if (pid_ >= 0 && needs_feed_) out = std::min(out, feed_due_);
  return out;
}

bool DoorKeeper::is_stuck(TimePoint now) const {
  if (!started_) return now - std::max(started_at_, watched_since_) > kStartMax;
  for (unsigned i = 0; i < settings_.workers; ++i) {
    const std::uint64_t beat = stats_->workers[i].heartbeat_ms.load(std::memory_order_relaxed);
    const TimePoint last = std::max(watched_since_, TimePoint(milliseconds(beat)));
    if (now - last > kHeartbeatMax) return true;
  }
  return false;
}

const DoorKeeper::Snapshot* DoorKeeper::best_snapshot() const {
  const auto found = std::find_if(snapshots_.begin(), snapshots_.end(), [&](const Snapshot& item) {
    return !quarantined_.contains(item.generation);
  });
  return found == snapshots_.end() ? nullptr : &*found;
}

void DoorKeeper::reset_stats(const Snapshot* snapshot) {
  constexpr auto relaxed = std::memory_order_relaxed;
  stats_->receiving_generation.store(snapshot == nullptr ? 0 : snapshot->generation, relaxed);
  if (snapshot == nullptr) stats_->applied_generation.store(0, relaxed);
  stats_->sandbox.store(0, relaxed);
  for (unsigned i = 0; i < settings_.workers; ++i) {
    stats_->workers[i].heartbeat_ms.store(0, relaxed);
  }
}

void DoorKeeper::start(TimePoint now) {
  feed::ChannelPair pair = feed::make_channel();
  // A trial starts from nothing: it is there to see whether what the controller has kills it.
  const Snapshot* snapshot = phase_ == Phase::closed ? nullptr : best_snapshot();
  reset_stats(snapshot);
  Program program{"door", settings_.name, {}, true, settings_.memory_max};
  program.options.channel = pair.child.get();
  program.options.parent = ::getpid();
  program.options.stats = stats_fd_.get();
  program.options.snapshot = snapshot == nullptr ? -1 : snapshot->memory.get();
  program.options.workers = settings_.workers;
  program.options.log_level = settings_.log_level;
  program.options.patient = others_serve();
  for (std::size_t i = 0; phase_ != Phase::closed && i < sockets_.size(); ++i) {
    proxy::ListenSockets listener{settings_.listeners[i].name, {}};
    for (const UniqueFd& fd : sockets_[i]) listener.fds.push_back(fd.get());
    program.options.sockets.push_back(std::move(listener));
  }
  started_at_ = watched_since_ = now;
  started_ = replaced_ = false;
  pid_ = pair.child ? spawn(program) : -1;
  if (pid_ < 0) {
    log::error(fmt::format("door {}: cannot start: {}", settings_.name, std::strerror(errno)));
    start_due_ = now + restarts_.after_death(now, now) + Backoff::kFirst;
    return;
  }
  channel_ = std::move(pair.supervisor);
  needs_feed_ = true;
  feed_due_ = now;
  if (failing_probes_) send(feed::Message::make(feed::Record::fail_probes, settings_.name));
}

bool DoorKeeper::exited(TimePoint now, pid_t pid, int status) {
  if (pid == pid_) {
    ended(now, status);
    return true;
  }
  return predecessors_.exited(pid, *stats_);
}

void DoorKeeper::ended(TimePoint now, int status) {
  pid_ = -1;
  channel_.reset();
  start_due_ = now;
  if (draining() || replaced_) return;
  const std::uint64_t generation = stats_->receiving_generation.load(std::memory_order_relaxed);
  stats_->restarts.fetch_add(1, std::memory_order_relaxed);
  log::error(
      fmt::format("door {}: {}, at generation {}", settings_.name, describe(status), generation));
  start_due_ = now + restarts_.after_death(started_at_, now);
  if (crashes_.condemns(generation, now)) condemn(now, generation);
}

void DoorKeeper::condemn(TimePoint now, std::uint64_t generation) {
  if (generation != 0) {
    if (quarantined_.size() == kQuarantinedKept) quarantined_.erase(quarantined_.begin());
    quarantined_.insert(generation);
    condemned_.push_back(generation);
    // The controller holds that table back now, so whatever comes next need not wait.
    restarts_.reset();
    start_due_ = now;
  }
  const Snapshot* fallback = best_snapshot();
  log::error(fmt::format("door {}: generation {} has killed it {} times: {}", settings_.name,
                         generation, model::kCrashesToQuarantine,
                         fallback != nullptr
                             ? fmt::format("going back to generation {}", fallback->generation)
                             : std::string("nothing older is left, its listeners close")));
  if (phase_ == Phase::closed || fallback != nullptr) return;
  // Clients are refused at once now, and go elsewhere; with listeners open they would hang.
  phase_ = Phase::closed;
  // An earlier program's door serves on, and a better table may come: the sockets stay.
  if (!others_serve()) sockets_.clear();
  reopen_at_ = now + kClosedFor;
}

void DoorKeeper::reopen(TimePoint now) {
  std::string error;
  if (sockets_.empty() && !listen(error)) {
    log::error(error);
    return;
  }
  log::info(fmt::format("door {}: open again", settings_.name));
  phase_ = Phase::serving;
  restarts_.reset();
  start_due_ = now;
  if (pid_ >= 0) {
    replaced_ = true;
    kill_process();
  }
}

void DoorKeeper::on_channel(TimePoint now) {
  feed::Received got;
  while (true) {
    const feed::ReceiveStatus status = feed::receive(channel_.get(), got);
    if (status == feed::ReceiveStatus::again) return;
    if (status == feed::ReceiveStatus::closed) {
      // It is dying, or as good as dead: nobody can talk to it any more.
      channel_.reset();
      return kill_process();
    }
    if (status == feed::ReceiveStatus::dropped) continue;
    if (got.message.record == feed::Record::door_started) {
      started_ = true;
      watched_since_ = now;
      log::info(fmt::format("door {}: started as process {}", settings_.name, pid_));
    } else if (got.message.record == feed::Record::feed_lost) {
      if (got.message.generation == feed_number_) renew_feed(now);
    }
  }
}

bool DoorKeeper::keep_snapshot(UniqueFd memory, std::uint64_t generation) {
  if (!memory || !is_sealed(memory.get())) return false;
  std::erase_if(snapshots_, [&](const Snapshot& item) { return item.generation == generation; });
  snapshots_.push_front({std::move(memory), generation});
  if (snapshots_.size() > kSnapshotsKept) snapshots_.pop_back();
  if (phase_ == Phase::closed && best_snapshot() != nullptr) reopen(Clock::now());
  return true;
}

bool DoorKeeper::wants_feed(TimePoint now) const {
  return channel_ && needs_feed_ && now >= feed_due_ && phase_ != Phase::draining;
}

UniqueFd DoorKeeper::make_feed() {
  feed::ChannelPair pair = feed::make_feed_sockets();
  feed::Message message = feed::Message::make(feed::Record::door_feed, settings_.name);
  message.generation = ++feed_number_;
  needs_feed_ = false;
  feed_made_at_ = Clock::now();
  if (!pair.child || !channel_ || !feed::send(channel_.get(), message, pair.child.get())) return {};
  return std::move(pair.supervisor);
}

void DoorKeeper::renew_feed(TimePoint now) {
  if (needs_feed_) return;
  needs_feed_ = true;
  feed_due_ = now + feeds_.after_death(feed_made_at_, now);
}

void DoorKeeper::controller_gone() {
  needs_feed_ = true;
  feed_due_ = TimePoint{};
  feeds_.reset();  // The door may have told of the loss before us, and waited for it.
}

void DoorKeeper::fail_probes() {
  failing_probes_ = true;
  send(feed::Message::make(feed::Record::fail_probes, settings_.name));
  predecessors_.fail_probes(settings_.name);
}

void DoorKeeper::retire(TimePoint now, milliseconds limit) {
  if (draining()) return;
  phase_ = Phase::draining;
  // The filter of a drain would hold for those who serve now.
  sockets_.clear();
  drain_due_ = TimePoint::max();
  kill_at_ = now + limit + kDrainGrace;
  stats_->draining.store(1, std::memory_order_relaxed);
  feed::Message message = feed::Message::make(feed::Record::retire, settings_.name);
  message.milliseconds = static_cast<std::uint32_t>(limit.count());
  send(message);
  predecessors_.retire(settings_.name, now, limit);
}

void DoorKeeper::drain(TimePoint now, milliseconds limit) {
  if (draining()) return;
  if (shared_) return retire(now, limit);
  phase_ = Phase::draining;
  for (const auto& listener : sockets_) {
    for (const UniqueFd& fd : listener) unlisten(fd.get());
  }
  drain_due_ = now + kHandshakeMax;
  drain_limit_ = limit;
  kill_at_ = drain_due_ + limit + kDrainGrace;
  stats_->draining.store(1, std::memory_order_relaxed);
}

/// By now every connection that had begun is with the door.
void DoorKeeper::start_drain(TimePoint now) {
  drain_due_ = TimePoint::max();
  // Ours first: then the door, when it has emptied its accept queues, holds the last descriptors.
  sockets_.clear();
  feed::Message message = feed::Message::make(feed::Record::drain, settings_.name);
  message.milliseconds = static_cast<std::uint32_t>(drain_limit_.count());
  send(message);
  kill_at_ = now + drain_limit_ + kDrainGrace;
  predecessors_.drain(settings_.name, now, drain_limit_);
}

void DoorKeeper::kill_process() const {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

void DoorKeeper::kill() const {
  kill_process();
  predecessors_.kill();
}

void DoorKeeper::await_end() const {
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  predecessors_.await_end();
}

void DoorKeeper::send(feed::Message message, int fd) {
  // A door that does not read is found by its heartbeat.
  if (channel_) static_cast<void>(feed::send(channel_.get(), message, fd));
}

std::string DoorKeeper::not_ready() const {
  if (phase_ == Phase::closed) return settings_.name + " is closed after crashes";
  if (phase_ == Phase::draining) return settings_.name + " is draining";
  if (!predecessors_.serve() && stats_->applied_generation.load(std::memory_order_relaxed) == 0) {
    return settings_.name + " has no table yet";
  }
  return {};
}

}  // namespace bd::app
