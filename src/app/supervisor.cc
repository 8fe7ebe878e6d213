#include "app/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>

#include "app/listen.h"
#include "app/spawn.h"
#include "app/supervisor_door.h"
#include "app/supervisor_limits.h"
#include "app/supervisor_probes.h"
#include "base/log.h"

namespace bd::app {
namespace {

using namespace std::chrono_literals;

constexpr milliseconds kInterruptDrain = 1s;  // Ctrl-C: somebody waits at a terminal.
constexpr auto kControllerGrace = 2s;

class Supervisor {
 public:
  explicit Supervisor(const SupervisorOptions& options)
      : options_(options), limits_(read_host_limits()) {}
  /// False, and logged, if an address cannot be bound.
  bool open();
  int run();

 private:
  struct Controller {
    pid_t pid = -1;
    UniqueFd channel;
    Backoff restarts;
    TimePoint started_at{}, due{};
  };

  [[nodiscard]] unsigned workers() const;
  [[nodiscard]] const model::Exposure* allowed(std::string_view name) const;
  [[nodiscard]] DoorSettings settings_of(const model::Exposure& exposure) const;
  bool open_door(const model::Exposure& exposure);
  bool open_probes();
  static bool is_free(std::string_view what, const SocketAddress& address);

  void wait();
  void tick();
  void take_signals();
  void reap();
  void child_exited(pid_t pid, int status);
  void begin_shutdown(int signal);
  void drain_doors();
  void finish_shutdown();
  [[nodiscard]] bool all_gone() const { return doors_.empty() && controller_.pid < 0; }
  void kill_all();

  void start_controller();
  void introduce(DoorKeeper& door);
  void serve_controller();
  void take_record(feed::Received& got);
  void want_door(const feed::Message& message);
  void tell(feed::Record record, std::string_view door, std::uint64_t generation = 0, int fd = -1);
  [[nodiscard]] std::string not_ready() const;

  const SupervisorOptions& options_;
  HostLimits limits_;
  std::map<std::string, std::unique_ptr<DoorKeeper>, std::less<>> doors_;
  std::optional<ProbeServer> probes_;
  Controller controller_;
  UniqueFd signals_;
  TimePoint now_ = Clock::now();
  bool controller_ready_ = false;  // Once is enough: the doors keep what they have.

  int stop_signal_ = 0;  // Not 0: shutting down, from
  TimePoint drain_at_{}, controller_kill_at_{};
  milliseconds drain_limit_{};
  bool drained_ = false;
  int exit_code_ = -1;
};

unsigned Supervisor::workers() const {
  const unsigned wanted = options_.config.workers != 0 ? options_.config.workers
                                                       : std::min(model::kWorkersMax, limits_.cpus);
  return std::min<unsigned>(wanted, telemetry::kWorkerSlots);
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
  for (const auto& listener : exposure.listeners) {
    out.listeners.push_back({listener.name, listener.bind});
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
  auto door = DoorKeeper::open(settings_of(exposure));
  if (!door) {
    log::error(door.error());
    return false;
  }
  introduce(**door);
  doors_[exposure.name] = *std::move(door);
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

bool Supervisor::open() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGHUP}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  bool good = signals_ && open_probes();
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
  probes_->add_to(polled);
  TimePoint until = now_ + 1s;
  for (const auto& [name, door] : doors_) until = std::min(until, door->next_tick(now_));
  if (controller_.pid < 0 && stop_signal_ == 0) until = std::min(until, controller_.due);
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
  for (const auto& [name, door] : doors_) {
    if (door->channel() >= 0) door->on_channel(now_);
    door->tick(now_);
  }
  if (stop_signal_ == 0 && controller_.pid < 0 && now_ >= controller_.due) start_controller();
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
  if (stop_signal_ != 0) finish_shutdown();
  probes_->serve(now_, not_ready());
}

void Supervisor::take_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGTERM || signal == SIGINT) begin_shutdown(signal);
  }
  reap();
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) child_exited(pid, status);
}

void Supervisor::child_exited(pid_t pid, int status) {
  for (const auto& [name, door] : doors_) {
    if (door->pid() == pid) return door->exited(now_, status);
  }
  if (pid != controller_.pid) return;  // As PID 1, somebody else's orphan.
  controller_.pid = -1;
  controller_.channel.reset();
  if (stop_signal_ != 0) return;
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
  milliseconds delay{0};
  drain_limit_ = kInterruptDrain;
  if (signal == SIGTERM) {
    drain_limit_ = milliseconds(0);
    for (const model::Exposure& exposure : options_.config.exposures) {
      for (const auto& listener : exposure.listeners) {
        delay = std::max(delay, listener.timeouts.drain_delay);
        drain_limit_ = std::max(drain_limit_, listener.timeouts.drain);
      }
    }
  }
  drain_at_ = now_ + delay;
  log::info(fmt::format("stopping: probes fail for {} ms, then {} ms to drain", delay.count(),
                        drain_limit_.count()));
  for (const auto& [name, door] : doors_) door->fail_probes();
}

void Supervisor::finish_shutdown() {
  if (!drained_ && now_ >= drain_at_) {
    drained_ = true;
    for (const auto& [name, door] : doors_) door->drain(now_, drain_limit_);
    // The controller goes last: until here doors may still be told about endpoints.
  }
  if (!drained_ || !doors_.empty()) return;
  if (controller_.pid >= 0 && controller_.channel) {
    controller_.channel.reset();
    ::kill(controller_.pid, SIGTERM);
    controller_kill_at_ = now_ + kControllerGrace;
  } else if (controller_.pid >= 0 && now_ >= controller_kill_at_) {
    ::kill(controller_.pid, SIGKILL);
  }
  if (all_gone()) exit_code_ = 0;
}

void Supervisor::kill_all() {
  for (const auto& [name, door] : doors_) door->kill();
  if (controller_.pid > 0) ::kill(controller_.pid, SIGKILL);
  // Until they are gone their ports are taken, and whoever starts us again does so at once.
  for (const auto& [name, door] : doors_) {
    if (door->pid() > 0) ::waitpid(door->pid(), nullptr, 0);
  }
  if (controller_.pid > 0) ::waitpid(controller_.pid, nullptr, 0);
}

void Supervisor::start_controller() {
  feed::ChannelPair pair = feed::make_channel();
  Program program{"controller", "", {}, false, 0};
  program.options.channel = pair.child.get();
  program.options.parent = ::getpid();
  program.options.rest = options_.controller_arguments;
  controller_.started_at = now_;
  controller_.pid = pair.child ? spawn(program) : -1;
  if (controller_.pid < 0) {
    log::error(fmt::format("controller: cannot start: {}", std::strerror(errno)));
    controller_.due = now_ + Backoff::kLast;
    return;
  }
  controller_.channel = std::move(pair.supervisor);
  for (const auto& [name, door] : doors_) introduce(*door);
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

std::string Supervisor::not_ready() const {
  if (stop_signal_ != 0) return "stopping";
  for (const auto& [name, door] : doors_) {
    if (std::string reason = door->not_ready(); !reason.empty()) return reason;
  }
  return controller_ready_ ? "" : "the sources have not been read yet";
}

}  // namespace

int run_supervisor(const SupervisorOptions& options) {
  name_process("blastdoor");
  Supervisor supervisor(options);
  if (!supervisor.open()) return 1;
  return supervisor.run();
}

}  // namespace bd::app
