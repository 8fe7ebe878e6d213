#include "app/predecessors.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>

namespace bd::app {
namespace {

using telemetry::DoorStats;
using telemetry::WorkerStats;
using Cell = std::atomic<std::uint64_t>;

// The supervisor adds up whatever a worker counts, without knowing what it is.
static_assert(sizeof(WorkerStats) % sizeof(Cell) == 0);
constexpr std::size_t kCells = sizeof(WorkerStats) / sizeof(Cell);

Cell* cells(WorkerStats& worker) {
  return reinterpret_cast<Cell*>(&worker);
}

/// Cell by cell, so that nobody who reads meanwhile sees a counter fall.
void copy(WorkerStats& out, WorkerStats& from) {
  for (std::size_t i = 0; i < kCells; ++i) {
    cells(out)[i].store(cells(from)[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
}

void add(WorkerStats& out, WorkerStats& from) {
  for (std::size_t i = 0; i < kCells; ++i) {
    Cell& cell = cells(out)[i];
    cell.store(
        cell.load(std::memory_order_relaxed) + cells(from)[i].load(std::memory_order_relaxed),
        std::memory_order_relaxed);
  }
}

/// What its own workers counted: its other slots belong to supervisors.
void add_workers(WorkerStats& out, DoorStats& from) {
  for (std::size_t i = 0; i < kEndedSlot; ++i) add(out, from.workers[i]);
}

/// A process that has ended holds nothing, whatever it had said last.
void add_ended(WorkerStats& out, DoorStats& from) {
  for (WorkerStats& worker : from.workers) {
    worker.open_connections.store(0, std::memory_order_relaxed);
    worker.active_requests.store(0, std::memory_order_relaxed);
    worker.idle_upstream.store(0, std::memory_order_relaxed);
  }
  add_workers(out, from);
}

/// Nothing of what it says matters any more, but it must not wait for room to say it.
void forget_records(UniqueFd& channel) {
  feed::Received ignored;
  while (channel) {
    switch (feed::receive(channel.get(), ignored)) {
      case feed::ReceiveStatus::again:
        return;
      case feed::ReceiveStatus::closed:
        return channel.reset();
      case feed::ReceiveStatus::ok:
      case feed::ReceiveStatus::dropped:
        break;
    }
  }
}

/// Never the -1 that means everybody.
void end_now(pid_t pid) {
  if (pid > 0) ::kill(pid, SIGKILL);
}

}  // namespace

void Predecessors::adopt(const StateDoor& state, DoorStats& stats) {
  for (std::size_t i = 0; i < state.process_count; ++i) {
    const StateProcess& from = state.processes[i];
    Process process;
    process.pid = from.pid;
    process.channel.reset(from.channel);
    process.stats_fd.reset(from.stats);
    // Of another layout: then it counts no more, which a counter may.
    process.stats = from.stats < 0 ? nullptr : telemetry::map_stats(from.stats, true);
    process.retired = from.retired != 0;
    process.kill_at = TimePoint(milliseconds(from.kill_at_ms));
    if (i == 0 && process.stats != nullptr) {
      add(stats.workers[kEndedSlot], process.stats->workers[kEndedSlot]);
      stats.restarts.store(process.stats->restarts.load(std::memory_order_relaxed),
                           std::memory_order_relaxed);
    }
    all_.push_back(std::move(process));
  }
  exited(-1, stats);  // Between two lives there is a table of statistics, and no process.
}

void Predecessors::save(StateDoor& out) const {
  for (const Process& process : all_) {
    const auto kill_at =
        std::chrono::duration_cast<milliseconds>(process.kill_at.time_since_epoch());
    out.processes[out.process_count++] = {process.pid, process.channel.get(),
                                          process.stats_fd.get(), process.retired ? 1u : 0u,
                                          kill_at.count()};
  }
}

bool Predecessors::serve() const {
  return std::any_of(all_.begin(), all_.end(), [](const Process& one) { return !one.retired; });
}

void Predecessors::end(feed::Record record, const std::string& door, TimePoint now,
                       milliseconds limit) {
  feed::Message message = feed::Message::make(record, door);
  message.milliseconds = static_cast<std::uint32_t>(limit.count());
  for (Process& process : all_) {
    if (process.retired) continue;
    process.retired = true;
    process.kill_at = now + limit + kGrace;
    static_cast<void>(feed::send(process.channel.get(), message));
  }
}

void Predecessors::fail_probes(const std::string& door) const {
  const feed::Message message = feed::Message::make(feed::Record::fail_probes, door);
  for (const Process& process : all_) {
    static_cast<void>(feed::send(process.channel.get(), message));
  }
}

void Predecessors::kill() const {
  for (const Process& process : all_) end_now(process.pid);
}

void Predecessors::await_end() const {
  for (const Process& process : all_) ::waitpid(process.pid, nullptr, 0);
}

bool Predecessors::exited(pid_t pid, DoorStats& stats) {
  const auto ended = std::find_if(all_.begin(), all_.end(),
                                  [&](const Process& process) { return process.pid == pid; });
  if (ended == all_.end()) return false;
  if (ended->stats != nullptr) {
    add_ended(stats.workers[kEndedSlot], *ended->stats);
    ::munmap(ended->stats, sizeof *ended->stats);
  }
  all_.erase(ended);
  tick(Clock::now(), stats);
  return true;
}

void Predecessors::tick(TimePoint now, DoorStats& stats) {
  WorkerStats sum{};
  for (Process& process : all_) {
    if (process.stats != nullptr) add_workers(sum, *process.stats);
    if (process.retired && now >= process.kill_at) end_now(process.pid);
    forget_records(process.channel);
  }
  copy(stats.workers[kLeavingSlot], sum);
}

TimePoint Predecessors::next_tick(TimePoint now) const {
  TimePoint out = now + std::chrono::seconds(1);
  for (const Process& process : all_) {
    if (process.retired) out = std::min(out, process.kill_at);
  }
  return out;
}

}  // namespace bd::app
