#include "app/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "app/listen.h"
#include "app/spawn.h"
#include "app/supervisor_tree.h"
#include "base/log.h"

namespace bd::app {
namespace {

using namespace std::chrono_literals;

constexpr milliseconds kInterruptDrain = 1s;  // Ctrl-C: somebody waits at a terminal.

}  // namespace

unsigned Supervisor::workers() const {
  const unsigned wanted = options_.config.workers != 0 ? options_.config.workers
                                                       : std::min(model::kWorkersMax, limits_.cpus);
  return std::min<unsigned>(wanted, kEndedSlot);
}

const model::Exposure* Supervisor::allowed(std::string_view name) const {
  if (!options_.config.is_enabled(name)) return nullptr;
  for (const model::Exposure& exposure : options_.config.exposures) {
    if (exposure.name == name) return &exposure;
  }
  return nullptr;
}

DoorSettings Supervisor::settings_of(const model::Exposure& exposure) const {
  DoorSettings out;
  out.name = exposure.name;
  out.drain = milliseconds(0);
  for (const auto& listener : exposure.listeners) {
    out.listeners.push_back({listener.name, listener.bind});
    out.drain = std::max(out.drain, listener.timeouts.drain);
  }
  out.workers = workers();
  out.log_level = options_.config.log_level;
#ifndef BD_SANITIZED  // A sanitizer's shadow memory counts too.
  const auto& all = options_.config.exposures;
  const auto doors = std::count_if(all.begin(), all.end(), [&](const model::Exposure& item) {
    return options_.config.is_enabled(item.name);
  });
  out.memory_budget = door_memory_budget(limits_, static_cast<unsigned>(doors));
  out.memory_max = door_memory_max(limits_, static_cast<unsigned>(doors), out.workers);
#endif
  return out;
}

bool Supervisor::open_door(const model::Exposure& exposure) {
  return add_door(DoorKeeper::open(settings_of(exposure)));
}

bool Supervisor::add_door(std::expected<std::unique_ptr<DoorKeeper>, std::string> door) {
  if (!door) {
    log::error(door.error());
    return false;
  }
  introduce(**door);
  const std::string name = (*door)->settings().name;
  doors_[name] = *std::move(door);
  return true;
}

bool Supervisor::open_probes() {
  auto sockets = listen_on(options_.config.probes, 1);
  if (!sockets) {
    log::error(fmt::format("probes: {}", sockets.error()));
    return false;
  }
  probes_.emplace(std::move(sockets->front()));
  return true;
}

/// The controller binds these itself, and would die of a taken one again and again.
bool Supervisor::is_free(std::string_view what, const SocketAddress& address) {
  const auto sockets = listen_on(address, 1);
  if (!sockets) log::error(fmt::format("{}: {}", what, sockets.error()));
  return sockets.has_value();
}

bool Supervisor::open_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR2}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  return static_cast<bool>(signals_);
}

bool Supervisor::open() {
  if (!open_signals()) return false;
  if (options_.upgrade) return resume();
  const TakeOver taken = take_over();
  return taken == TakeOver::none ? open_doors() : taken == TakeOver::done;
}

bool Supervisor::open_doors() {
  bool good = open_probes();
  good = is_free("admin", options_.config.admin) && good;
  good = is_free("metrics", options_.config.metrics) && good;
  for (const model::Exposure& exposure : options_.config.exposures) {
    // All of them, so that every taken port is named at once.
    if (allowed(exposure.name) != nullptr) good = open_door(exposure) && good;
  }
  return good;
}

int Supervisor::run() {
  while (exit_code_ < 0) {
    tick();
    if (exit_code_ >= 0) break;
    wait();
  }
  return exit_code_;
}

void Supervisor::wait() {
  std::vector<pollfd> polled = {{signals_.get(), POLLIN, 0}};
  // poll() skips descriptors of -1: no process, no channel.
  polled.push_back({controller_.channel.get(), POLLIN, 0});
  for (const auto& [name, door] : doors_) polled.push_back({door->channel(), POLLIN, 0});
  polled.push_back({upgrade_.answer(), POLLIN, 0});
  if (taker_) polled.push_back({taker_->channel(), POLLIN, 0});
  if (giver_) giver_->add_to(polled);
  probes_->add_to(polled);
  TimePoint until = now_ + 1s;
  for (const auto& [name, door] : doors_) until = std::min(until, door->next_tick(now_));
  if (needs_controller()) until = std::min(until, controller_.due);
  if (controller_.pid >= 0) until = std::min(until, controller_.kill_at);
  if (stop_signal_ != 0 && !drained_) until = std::min(until, drain_at_);
  const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
  ::poll(polled.data(), polled.size(), static_cast<int>(std::max<std::int64_t>(0, left.count())));
}

/// One turn. Everything looks at its own descriptor without waiting, so nothing is missed or mixed
/// up.
void Supervisor::tick() {
  now_ = Clock::now();
  take_signals();
  if (exit_code_ >= 0) return;
  if (upgrade_.is_checking()) finish_upgrade();
  for (const auto& [name, door] : doors_) {
    if (door->channel() >= 0) door->on_channel(now_);
    door->tick(now_);
  }
  if (needs_controller() && now_ >= controller_.due) start_controller();
  if (controller_.pid >= 0 && now_ >= controller_.kill_at) ::kill(controller_.pid, SIGKILL);
  serve_controller();
  for (const auto& [name, door] : doors_) {
    for (const std::uint64_t generation : door->take_condemned()) {
      tell(feed::Record::quarantine, name, generation);
    }
    if (!controller_.channel || !door->wants_feed(now_)) continue;
    const UniqueFd end = door->make_feed();
    if (end) tell(feed::Record::feed_socket, name, 0, end.get());
  }
  for (auto at = doors_.begin(); at != doors_.end();) {
    if (!at->second->gone()) {
      ++at;
      continue;
    }
    log::info(fmt::format("door {}: gone", at->first));
    tell(feed::Record::door_gone, at->first);
    at = doors_.erase(at);
  }
  tick_handover();
  if (stop_signal_ != 0) finish_shutdown();
  probes_->serve(now_, not_ready());
}

void Supervisor::take_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGTERM || signal == SIGINT) begin_shutdown(signal);
    if (signal == SIGUSR2) begin_upgrade();
  }
  reap();
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) child_exited(pid, status);
}

void Supervisor::child_exited(pid_t pid, int status) {
  for (const auto& [name, door] : doors_) {
    if (door->exited(now_, pid, status)) return;
  }
  if (upgrade_.exited(pid)) return;
  if (pid != controller_.pid) return;  // As PID 1, somebody else's orphan.
  const bool expected = controller_.kill_at != TimePoint::max();
  controller_.pid = -1;
  controller_.channel.reset();
  if (stop_signal_ != 0 || expected) return;
  log::error(fmt::format("controller: {} {}; the doors go on",
                         WIFSIGNALED(status) ? "killed by signal" : "exited with",
                         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
  controller_.due = now_ + controller_.restarts.after_death(controller_.started_at, now_);
  for (const auto& [name, door] : doors_) door->controller_gone();
}

void Supervisor::begin_shutdown(int signal) {
  if (stop_signal_ != 0) {
    kill_all();
    exit_code_ = 128 + signal;
    return;
  }
  stop_signal_ = signal;
  upgrade_.stop();
  // Where others serve the same sockets, none of ours is worth waiting for.
  const bool others_serve = shared_ || handed_over_;
  milliseconds delay{0};
  drain_limit_ = kInterruptDrain;
  if (signal == SIGTERM) {
    drain_limit_ = milliseconds(0);
    for (const model::Exposure& exposure : options_.config.exposures) {
      for (const auto& listener : exposure.listeners) {
        if (!others_serve) delay = std::max(delay, listener.timeouts.drain_delay);
        drain_limit_ = std::max(drain_limit_, listener.timeouts.drain);
      }
    }
  }
  drain_at_ = now_ + delay;
  log::info(fmt::format("stopping: probes fail for {} ms, then {} ms to drain", delay.count(),
                        drain_limit_.count()));
  if (others_serve) return;
  for (const auto& [name, door] : doors_) door->fail_probes();
}

void Supervisor::finish_shutdown() {
  if (!drained_ && now_ >= drain_at_) {
    drained_ = true;
    stop_handover();
    for (const auto& [name, door] : doors_) door->drain(now_, drain_limit_);
    // The controller goes last: until here doors may still be told about endpoints.
  }
  if (!drained_ || !doors_.empty()) return;
  end_controller();
  if (all_gone()) exit_code_ = code_at_end_;
}

void Supervisor::kill_all() {
  for (const auto& [name, door] : doors_) door->kill();
  if (controller_.pid > 0) ::kill(controller_.pid, SIGKILL);
  // Until they are gone their ports are taken, and whoever starts us again does so at once.
  for (const auto& [name, door] : doors_) {
    door->await_end();
  }
  if (controller_.pid > 0) ::waitpid(controller_.pid, nullptr, 0);
}

std::string Supervisor::not_ready() const {
  if (stop_signal_ != 0) return "stopping";
  for (const auto& [name, door] : doors_) {
    if (std::string reason = door->not_ready(); !reason.empty()) return reason;
  }
  if (!controller_ready_) return "the sources have not been read yet";
  return shared_ ? "the hand-over is under way" : "";
}

int run_supervisor(const SupervisorOptions& options) {
  name_process("blastdoor");
  Supervisor supervisor(options);
  if (!supervisor.open()) return 1;
  if (options.upgrade && options.upgrade->answer >= 0) {
    confirm(*options.upgrade);
    return 0;
  }
  return supervisor.run();
}

}  // namespace bd::app
