#include "app/controller.h"

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <vector>

#include "admin/server.h"
#include "app/configuration.h"
#include "app/spawn.h"
#include "base/log.h"
#include "base/version.h"
#include "control/controller.h"
#include "feed/control_channel.h"
#include "net/stream.h"

namespace bd::app {
namespace {

using namespace std::chrono_literals;

constexpr auto kFinishMax = 1500ms;  // The supervisor waits for 2 s.

/// The picture that the admin API shows.
admin::View view_of(const control::Controller& controller) {
  admin::View view;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  view.now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  view.exposures = controller.config().exposures;
  for (const model::Exposure& exposure : view.exposures) {
    if (controller.config().is_enabled(exposure.name)) view.enabled.push_back(exposure.name);
  }
  view.snapshot = controller.snapshot();
  view.findings = controller.findings();
  for (const auto& [name, link] : controller.links()) {
    view.doors.push_back({name, link->stats(), link->is_connected(), link->acked_generation(),
                          link->quarantined_generation(), link->refusal()});
  }
  for (const auto& [exposure, certificates] : controller.certificates().all()) {
    for (const auto& [name, facts] : certificates) {
      view.certificates.push_back({exposure, name, facts->names, facts->key, facts->issuer,
                                   facts->not_before, facts->not_after, facts->sha256});
    }
  }
  const auto& sources = controller.store().objects().sources;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const control::Store::Health& health = controller.store().health()[i];
    view.sources.push_back({health.name, health.delivered, health.healthy, health.message,
                            sources[i].ingresses.size(), sources[i].services.size(),
                            sources[i].slices.size()});
  }
  for (const control::Generation& entry : controller.generations()) {
    view.generations.push_back(
        {entry.generation, entry.at_ms, entry.compile_us, entry.kind, entry.changes});
  }
  view.last_change_ms = controller.last_change_ms();
  view.ready = controller.is_ready();
  view.version = kVersion;
  return view;
}

/// The records of the supervisor, taken as they come.
class SupervisorChannel final : public rt::EventSink {
 public:
  SupervisorChannel(rt::Reactor& reactor, int fd) : reactor_(reactor), fd_(fd) {
    handle_.attach(reactor, fd);
    handle_.set_sink(this);
  }
  void use(control::Controller& controller) {
    controller_ = &controller;
    on_event();
  }
  void on_event() override {
    if (controller_ == nullptr) return;
    for (;;) {
      feed::Received received;
      switch (feed::receive(fd_, received)) {
        case feed::ReceiveStatus::closed:
          reactor_.stop();
          return;
        case feed::ReceiveStatus::dropped:
          break;
        case feed::ReceiveStatus::again:
          return;
        case feed::ReceiveStatus::ok:
          take(received);
      }
    }
  }
  void want_door(const model::Exposure& exposure) {
    feed::Message message = feed::Message::make(feed::Record::want_door, exposure.name);
    for (const model::Listener& listener : exposure.listeners) {
      if (!message.add_listener(listener.name, listener.bind)) {
        return log::error(fmt::format("{}: too many listeners, or a long name", exposure.name));
      }
    }
    send(message, -1);
  }
  void keep_snapshot(const std::string& door, int memory, std::uint64_t generation) {
    feed::Message message = feed::Message::make(feed::Record::snapshot, door);
    message.generation = generation;
    send(message, memory);
  }
  void ready() { send(feed::Message::make(feed::Record::controller_ready, ""), -1); }

 private:
  void take(feed::Received& received) {
    const std::string door(received.message.door_name());
    switch (received.message.record) {
      case feed::Record::feed_socket:
        controller_->attach_feed(door, std::move(received.fd));
        break;
      case feed::Record::stats:
        controller_->attach_stats(door, received.fd.get());
        break;
      case feed::Record::quarantine:
        controller_->quarantine(door, received.message.generation);
        break;
      case feed::Record::door_gone:
        log::error(fmt::format("the supervisor does not open the door {}", door));
        break;
      default:
        break;
    }
  }
  void send(const feed::Message& message, int fd) {
    if (!feed::send(fd_, message, fd)) log::error("the supervisor does not take records");
  }
  rt::Reactor& reactor_;
  int fd_;
  rt::Handle handle_;
  control::Controller* controller_ = nullptr;
};

/// Looks at the configuration file now and then; a change is loaded whole.
class ConfigurationWatch final : private rt::Timer {
 public:
  ConfigurationWatch(rt::Reactor& reactor, control::Controller& controller, Flags flags,
                     FileWatch watch)
      : reactor_(reactor),
        controller_(controller),
        flags_(std::move(flags)),
        file_(configuration_file(flags_)),
        watch_(std::move(watch)) {
    if (!file_.empty()) reactor_.timers().arm(*this, reactor_.now() + kEvery);
  }

 private:
  static constexpr auto kEvery = 100ms;  // One stat(); a change is taken at the second look.
  void on_timer() override {
    if (watch_.changed()) controller_.reconfigure(load_configuration(flags_), file_);
    reactor_.timers().arm(*this, reactor_.now() + kEvery);
  }
  rt::Reactor& reactor_;
  control::Controller& controller_;
  Flags flags_;
  std::string file_;
  FileWatch watch_;
};

/// One of the controller's own ports. A patient one is tried again, later and later, for as long as
/// another controller holds it.
class Port final : private rt::Timer {
 public:
  Port(rt::Reactor& reactor, const SocketAddress& address, admin::Server::Handler handler)
      : reactor_(reactor), address_(address), handler_(std::move(handler)) {}

  /// False, and logged, if it cannot be had and `patient` does not help.
  bool open(bool patient) {
    const auto error = listen();
    if (!error) return true;
    if (patient) {
      log::info(fmt::format("{}; trying again until the old controller is gone", *error));
      reactor_.timers().arm(*this, reactor_.now() + wait_);
    } else {
      log::error(*error);
    }
    return patient;
  }

 private:
  static constexpr std::chrono::milliseconds kFirst{50}, kLast{1000};
  std::optional<std::string> listen() {
    auto listener = admin::listen_on(address_);
    if (!listener) return listener.error();
    server_ = std::make_unique<admin::Server>(reactor_, std::move(*listener), std::move(handler_));
    return std::nullopt;
  }
  void on_timer() override {
    if (!listen()) return log::info(fmt::format("listens on {} now", address_.text()));
    wait_ = std::min(2 * wait_, kLast);
    reactor_.timers().arm(*this, reactor_.now() + wait_);
  }
  rt::Reactor& reactor_;
  SocketAddress address_;
  admin::Server::Handler handler_;
  std::chrono::milliseconds wait_ = kFirst;
  std::unique_ptr<admin::Server> server_;
};

}  // namespace

int run_controller(std::span<const std::string> words) {
  auto child = ChildOptions::parse(words);
  if (!child || child->channel < 0) return 2;
  if (!die_with_parent(child->parent)) return 1;
  name_process("bd controller");
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);  // The end of the channel is the order to end, in good order.
  const Flags flags = from_words(child->rest);
  FileWatch file(configuration_file(flags));  // First: an edit while it is read is seen then.
  const config::Loaded loaded = load_configuration(flags);
  log::init_queued("controller", log_level(loaded.config));
  if (!loaded.mistakes.empty()) {
    // The file was broken between the supervisor's look and ours; the supervisor tries again.
    for (const config::Mistake& mistake : loaded.mistakes) log::error(mistake.text());
    return 2;
  }
  rt::Reactor reactor;
  SupervisorChannel channel(reactor, child->channel);
  control::Controller controller(
      reactor, loaded.config, net::interface_addresses(),
      {[&](const std::string& door, int memory, std::uint64_t generation) {
         channel.keep_snapshot(door, memory, generation);
       },
       [&] { channel.ready(); }});
  for (const model::Exposure& exposure : loaded.config.exposures) {
    if (loaded.config.is_enabled(exposure.name)) channel.want_door(exposure);
  }
  channel.use(controller);
  Port api(reactor, loaded.config.admin, [&](const admin::Request& request) {
    return admin::admin_api(request, view_of(controller));
  });
  Port metrics(reactor, loaded.config.metrics, [&](const admin::Request& request) {
    return admin::metrics(request, view_of(controller));
  });
  if (!api.open(child->patient) || !metrics.open(child->patient)) return 1;
  controller.start();
  const ConfigurationWatch watch(reactor, controller, flags, std::move(file));
  reactor.run([] {}, 5000ms);
  // A restart without an API server begins with what the disk has. The supervisor waits for us, and
  // kills us if that takes too long.
  if (!controller.finish(kFinishMax)) log::warn("the disk does not take the newest states");
  log::finish();
  std::_Exit(0);  // Nothing else here is worth an orderly end.
}

}  // namespace bd::app
