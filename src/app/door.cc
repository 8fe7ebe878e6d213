#include "app/door.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "app/sandbox.h"
#include "app/spawn.h"
#include "app/supervisor_policy.h"
#include "base/log.h"
#include "feed/control_channel.h"
#include "feed/receiver.h"

namespace bd::app {
namespace {

constexpr int kUsage = 2;
constexpr std::size_t kReadBytes = 64 << 10;
/// How long an idle client of a door that was replaced may still send a request.
constexpr milliseconds kIdleGrace{5000};

/// Nothing in it if it is damaged: the feed will tell all.
snapshot::DecodedDoor read_snapshot(int fd, std::size_t bytes, const std::string& name) {
  std::string memory(bytes, '\0');
  if (::pread(fd, memory.data(), bytes, 0) != static_cast<ssize_t>(bytes)) {
    log::error("the snapshot cannot be read");
    return {};
  }
  auto decoded = snapshot::decode(memory);
  if (decoded && decoded->door->exposure.name == name) return *std::move(decoded);
  log::error(decoded ? "the snapshot is another door's"
                     : "the snapshot is damaged: " + decoded.error());
  return {};
}

class Door {
 public:
  Door(std::string name, const ChildOptions& options, telemetry::DoorStats& stats)
      : name_(std::move(name)),
        stats_(stats),
        channel_(options.channel),
        drained_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        receiver_(name_, &stats),
        memory_(proxy::read_own_memory()) {
    if (const char* host = std::getenv("BLASTDOOR_TEST_POISON_HOST")) poison_ = host;
  }

  /// Serves what the snapshot of `bytes` holds, if it is good, from the first connection on.
  void start(const ChildOptions& options, std::size_t bytes, ServerFactory start_server);
  /// Until it is drained, or the supervisor is gone. The exit code.
  int run();

 private:
  void report(feed::Record record, std::uint64_t generation = 0);
  /// False if the door is to end.
  bool take_record();
  void take_feed(UniqueFd fd, std::uint64_t number);
  void read_feed();
  void write_feed();
  void lose_feed();
  void apply(const std::shared_ptr<const snapshot::Door>& door, std::uint64_t generation);
  void die_of_poison(const snapshot::Door& door) const;
  void serve(const std::shared_ptr<const snapshot::Door>& door, std::uint64_t generation);
  void drain(const feed::Message& order);
  [[nodiscard]] int wait_ms() const;

  std::string name_;
  telemetry::DoorStats& stats_;
  UniqueFd channel_, feed_, drained_;
  std::uint64_t feed_number_ = 0;
  feed::Receiver receiver_;
  proxy::MemoryReader memory_;  // Opened before the sandbox.
  std::shared_ptr<const snapshot::Door> applied_;
  std::optional<std::string> poison_;
  std::optional<TimePoint> end_at_;
  proxy::ServerOptions options_;
  ServerFactory start_server_ = nullptr;
  bool failing_probes_ = false;
  std::unique_ptr<proxy::Server> server_;  // Last: its threads end before what they use.
};

void Door::start(const ChildOptions& options, std::size_t bytes, ServerFactory start_server) {
  const auto decoded =
      bytes > 0 ? read_snapshot(options.snapshot, bytes, name_) : snapshot::DecodedDoor{};
  if (decoded.door) die_of_poison(*decoded.door);
  options_ = {name_, options.workers, options.sockets, &stats_, nullptr, 0, memory_};
  start_server_ = start_server;
  // A patient one leaves the clients to others for as long as it could only answer 503.
  if (decoded.door || !options.patient) serve(decoded.door, decoded.generation);
  receiver_.start_from(decoded.door);
  stats_.applied_generation.store(decoded.generation, std::memory_order_release);
  if (decoded.door) log::info(fmt::format("serves generation {} again", decoded.generation));
}

void Door::serve(const std::shared_ptr<const snapshot::Door>& door, std::uint64_t generation) {
  proxy::ServerOptions options = options_;
  options.door = door;
  options.generation = generation;
  server_ = start_server_(std::move(options));
  applied_ = door;
  if (failing_probes_) server_->fail_probes();
  report(feed::Record::door_started);
}

void Door::report(feed::Record record, std::uint64_t generation) {
  feed::Message message = feed::Message::make(record, name_);
  message.generation = generation;
  // A supervisor that is gone takes this process along.
  static_cast<void>(feed::send(channel_.get(), message));
}

void Door::apply(const std::shared_ptr<const snapshot::Door>& door, std::uint64_t generation) {
  stats_.receiving_generation.store(generation, std::memory_order_relaxed);
  die_of_poison(*door);
  // A generation that changes nothing for this door costs its workers nothing.
  if (!server_) {
    serve(door, generation);
  } else if (door != applied_) {
    server_->apply(door, generation);
  }
  applied_ = door;
  stats_.applied_generation.store(generation, std::memory_order_release);
}

/// For tests of a table that kills its door.
void Door::die_of_poison(const snapshot::Door& door) const {
  if (!poison_) return;
  for (const auto& [key, host] : door.hosts) {
    if (key.host.text() == *poison_) std::abort();
  }
}

int Door::wait_ms() const {
  if (!end_at_) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*end_at_ - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

int Door::run() {
  while (true) {
    const short feed_events = receiver_.outbound().empty() ? POLLIN : POLLIN | POLLOUT;
    std::array<pollfd, 3> polled = {
        {{channel_.get(), POLLIN, 0}, {drained_.get(), POLLIN, 0}, {feed_.get(), feed_events, 0}}};
    const int ready = ::poll(polled.data(), polled.size(), wait_ms());
    if (ready < 0 && errno != EINTR) return 1;
    if (end_at_ && Clock::now() >= *end_at_) return 0;
    if (ready <= 0) continue;
    if (polled[1].revents != 0) {
      report(feed::Record::door_drained);
      return 0;
    }
    if (polled[2].revents != 0) read_feed();
    if (polled[0].revents != 0 && !take_record()) return 1;
  }
}

bool Door::take_record() {
  feed::Received got;
  const feed::ReceiveStatus status = feed::receive(channel_.get(), got);
  if (status != feed::ReceiveStatus::ok) return status != feed::ReceiveStatus::closed;
  if (got.message.record == feed::Record::door_feed && got.fd) {
    take_feed(std::move(got.fd), got.message.generation);
  } else if (got.message.record == feed::Record::fail_probes) {
    failing_probes_ = true;
    if (server_) server_->fail_probes();
  } else if (got.message.record == feed::Record::drain ||
             got.message.record == feed::Record::retire) {
    drain(got.message);
  }
  return true;
}

void Door::take_feed(UniqueFd fd, std::uint64_t number) {
  feed_ = std::move(fd);
  feed_number_ = number;
  receiver_.connected();
}

void Door::read_feed() {
  std::array<char, kReadBytes> buffer;
  const ssize_t got = ::recv(feed_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return write_feed();
  if (got <= 0) return lose_feed();
  const bool good = receiver_.receive({buffer.data(), static_cast<std::size_t>(got)});
  if (const auto update = receiver_.take_update()) {
    apply(update->door, update->generation);
    receiver_.acknowledge(*update);
  }
  write_feed();
  if (!good) {
    log::error("the feed makes no sense; asking for another one");
    lose_feed();
  }
}

void Door::write_feed() {
  const std::string_view bytes = receiver_.outbound();
  if (bytes.empty()) return;
  const ssize_t sent = ::send(feed_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) receiver_.sent(static_cast<std::size_t>(sent));
}

/// What is served stays served.
void Door::lose_feed() {
  feed_.reset();
  receiver_.connected();
  report(feed::Record::feed_lost, feed_number_);
}

void Door::drain(const feed::Message& order) {
  if (end_at_) return;
  const milliseconds limit(order.milliseconds);
  end_at_ = Clock::now() + limit;
  const auto done = [fd = drained_.get()] {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(fd, &one, sizeof one));
  };
  if (!server_) return done();
  if (order.record == feed::Record::drain) return server_->drain(done);
  server_->retire(std::min(kIdleGrace, limit / 2), done);
  // If whoever serves now dies, clients must be refused: nobody would take what waits here.
  for (const auto& listener : std::exchange(options_.sockets, {})) {
    for (const int fd : listener.fds) ::close(fd);
  }
}

log::Level level_of(std::string_view name) {
  if (name == "debug") return log::Level::debug;
  if (name == "warn") return log::Level::warn;
  if (name == "error") return log::Level::error;
  return log::Level::info;
}

/// What opens files the first time is done once before the sandbox: the time zone, OpenSSL's
/// configuration.
void warm_up() {
  ::tzset();
  static_cast<void>(snapshot::decode(snapshot::encode({}, 1)));
}

}  // namespace

int run_door(std::span<const std::string> words, ServerFactory start_server) {
  const std::string name = words.empty() ? "" : words.front();
  const auto options = ChildOptions::parse(words.empty() ? words : words.subspan(1));
  log::init(fmt::format("door {}", name), level_of(options ? options->log_level : ""));
  if (!options || options->stats < 0 || options->workers == 0 ||
      options->workers > telemetry::kWorkerSlots) {
    log::error(options ? "this is started by `blastdoor run` only" : options.error());
    return kUsage;
  }
  name_process(name);
  std::signal(SIGPIPE, SIG_IGN);
  telemetry::DoorStats* stats = telemetry::map_stats(options->stats, true);
  struct stat info{};
  if (options->snapshot >= 0) ::fstat(options->snapshot, &info);
  if (stats == nullptr) {
    log::error("the stats memory makes no sense");
    return kUsage;
  }
  warm_up();
  Door door(name, *options, *stats);
  give_up_root();
  if (!die_with_parent(options->parent)) return 1;
  stats->sandbox.store(enter_sandbox().bits, std::memory_order_relaxed);
  // From here on bytes of others are read, and threads are started.
  door.start(*options, static_cast<std::size_t>(info.st_size), start_server);
  return door.run();
}

}  // namespace bd::app
