#pragma once
// The way of a change: sources -> objects -> hold-off -> passes -> snapshot -> feeds ->
// acknowledgements.
//
// Everything here runs on one reactor's thread. Sources post to it; the supervisor's records and
// the feeds' sockets are handles of it. Nothing on it waits for a disk once it has started: states
// are written by a thread of their own (docs/adr/0013), and so is the log (base/log.h); the files
// of certificates are read by another one.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "control/certificates.h"
#include "control/last_good.h"
#include "control/link.h"
#include "control/state_writer.h"
#include "control/store.h"
#include "control/ticket_keys.h"
#include "control/tls_watch.h"
#include "rt/reactor.h"
#include "snapshot/snapshot.h"
#include "source/source.h"

namespace bd::control {

/// One state that differed from the one before: what the admin API lists.
struct Generation {
  std::uint64_t generation = 0;
  std::int64_t at_ms = 0;  ///< Unix time.
  std::uint64_t compile_us = 0;
  std::string kind;  ///< "compile", "endpoints", "certificates", "disk"
  std::vector<std::string> changes;
};

class Controller final : private rt::Timer {
 public:
  /// How it reaches the supervisor.
  struct Hooks {
    std::function<void(const std::string& door, int memfd, std::uint64_t generation)> keep_snapshot;
    std::function<void()> ready;
  };
  Controller(rt::Reactor& reactor, config::Config config, std::vector<IpAddress> node_addresses,
             Hooks hooks);
  /// The reactor must not run any more.
  ~Controller();

  /// Serves what the disk keeps, and starts the sources.
  void start();
  /// Waits until the disk has all that was acknowledged. False: not within `limit`.
  [[nodiscard]] bool finish(std::chrono::milliseconds limit) { return writer_.finish(limit); }
  void attach_feed(const std::string& door, UniqueFd socket);
  void attach_stats(const std::string& door, int memfd);
  void quarantine(const std::string& door, std::uint64_t generation);
  /// New configuration while running: live keys take effect, keys that need a restart become a
  /// finding; mistakes keep the old one and become findings. It is in force when the certificates
  /// that it names were read.
  void reconfigure(const config::Loaded& loaded, const std::string& file);

  [[nodiscard]] const config::Config& config() const noexcept { return config_; }
  [[nodiscard]] const Store& store() const noexcept { return store_; }
  [[nodiscard]] std::shared_ptr<const snapshot::Snapshot> snapshot() const noexcept {
    return snapshot_;
  }
  [[nodiscard]] const std::map<std::string, std::unique_ptr<Link>>& links() const noexcept {
    return links_;
  }
  /// The newest first.
  [[nodiscard]] const std::deque<Generation>& generations() const noexcept { return generations_; }
  [[nodiscard]] std::vector<model::Finding> findings() const;
  [[nodiscard]] const Certificates& certificates() const noexcept { return certificates_; }
  [[nodiscard]] std::int64_t last_change_ms() const noexcept { return last_change_ms_; }
  /// What the doors get is complete.
  [[nodiscard]] bool is_ready() const noexcept { return ready_; }

 private:
  /// Ticket keys have their own pace.
  class KeyTimer final : public rt::Timer {
   public:
    explicit KeyTimer(Controller& controller) : controller_(controller) {}
    void on_timer() override { controller_.rotate_keys(); }

   private:
    Controller& controller_;
  };

  void on_timer() override { run_due(); }
  void rotate_keys();
  void on_files(TlsWatch::News news);
  void adopt(config::Config next, const std::string& file);
  void publish_material();
  static void log_failures(const std::vector<std::string>& failures);
  void start_sources();
  void watch_kubernetes();
  void watch_kubernetes_again();
  void add_source(std::unique_ptr<source::Source> source);
  void start(std::unique_ptr<source::Source> source);
  void on_event(const std::string& source, source::Event event);
  void schedule(Effect effect);
  void compile_not_later_than(rt::Instant when);
  void run_due();
  void compile();
  void update_endpoints();
  void load_from_disk();
  void keep(const std::string& door, const snapshot::Door& state, std::uint64_t generation);
  void was_written(const std::string& door, std::uint64_t number, int error);
  void publish(snapshot::Snapshot next, Generation entry, bool renewed);
  void list(Generation entry);
  void become_ready();
  [[nodiscard]] std::uint64_t next_generation();
  [[nodiscard]] bool system_bundle_is_used() const;
  Link& link(const std::string& door);

  rt::Reactor& reactor_;
  config::Config config_;
  std::vector<IpAddress> node_addresses_;
  Hooks hooks_;
  LastGood last_good_;
  std::uint64_t kept_since_ = 0;  // States before this were compiled under another fingerprint.
  std::uint64_t epoch_;
  Store store_;
  std::shared_ptr<const TlsFiles> tls_files_ = std::make_shared<const TlsFiles>();
  TicketKeys ticket_keys_;
  translate::Material material_;  // Of both.
  KeyTimer key_timer_{*this};
  Certificates certificates_;  // Of snapshot_.
  std::vector<std::unique_ptr<source::Source>> sources_;
  std::map<std::string, std::unique_ptr<Link>> links_;
  std::shared_ptr<snapshot::Snapshot> snapshot_;
  std::deque<Generation> generations_;
  std::vector<model::Finding> configuration_findings_;
  std::vector<model::Finding> disk_findings_;       // Until something was compiled.
  std::map<std::string, model::Finding> not_kept_;  // By door.
  std::uint64_t generation_ = 0;
  std::int64_t last_change_ms_ = 0;
  rt::Instant compile_at_ = rt::kNever;  // kNever: nothing is due.
  rt::Instant compiled_at_{};
  rt::Duration compile_time_{};
  bool run_posted_ = false;
  bool reconfigured_ = false;  // config_ was not compiled yet.
  bool recalled_ = false;      // snapshot_ is what the disk kept.
  bool ready_ = false;
  /// A door whose file is older than what it serves.
  struct Unwritten {
    std::uint64_t newest = 0;  // What writer_ was asked for last.
    rt::Instant since{};       // When it was asked, or since when a write has ended.
  };
  std::map<std::string, Unwritten> unwritten_;
  StateWriter writer_;
  /// A configuration that waits for its certificates to be read.
  struct Awaited {
    config::Config config;
    std::string file;
    std::uint64_t number;  // Of tls_watch_.
  };
  std::optional<Awaited> awaited_;
  std::uint64_t tls_number_ = 0;  // Of config_.
  TlsWatch tls_watch_;
};

}  // namespace bd::control
