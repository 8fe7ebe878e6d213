#include "control/controller.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "translate/translate.h"

namespace bd::control {

using namespace std::chrono_literals;

namespace {

constexpr auto kHoldOff = 100ms;          // Between compiles; the first change after quiet goes at once.
constexpr std::size_t kGenerationsKept = 32;
constexpr std::size_t kChangesListed = 32;

std::int64_t unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string describe(const std::string& door, const snapshot::Difference& d) {
  return fmt::format("{}: {} hosts put, {} dropped, {} upstreams put, {} dropped, {} endpoint lists{}", door,
                     d.put_hosts.size(), d.drop_hosts.size(), d.put_upstreams.size(), d.drop_upstreams.size(),
                     d.put_endpoints.size(), d.exposure ? ", listener facts" : "");
}

}  // namespace

Controller::Controller(rt::Reactor& reactor, config::Config config, std::vector<IpAddress> node_addresses, Hooks hooks)
    : reactor_(reactor),
      config_(std::move(config)),
      node_addresses_(std::move(node_addresses)),
      hooks_(std::move(hooks)),
      last_good_(config_.state_dir, fingerprint(config_)),
      epoch_(static_cast<std::uint64_t>(unix_ms())) {
  for (const model::Exposure& exposure : config_.exposures) {
    if (config_.is_enabled(exposure.name)) link(exposure.name);
  }
}

Controller::~Controller() { sources_.clear(); }

Link& Controller::link(const std::string& door) {
  std::unique_ptr<Link>& slot = links_[door];
  if (!slot) {
    slot = std::make_unique<Link>(reactor_, door, epoch_, [this, door](const snapshot::Door& state, std::uint64_t generation) {
      const std::string bytes = snapshot::encode(state, generation);
      if (const UniqueFd memory = seal_in_memory(bytes)) hooks_.keep_snapshot(door, memory.get(), generation);
      if (!last_good_.keep(door, bytes)) log::warn(fmt::format("the state of {} could not be written to {}", door, config_.state_dir));
    });
  }
  return *slot;
}

std::uint64_t Controller::next_generation() {
  // Numbers grow across restarts of the controller, so that a door's and the supervisor's memory stay comparable.
  generation_ = std::max(generation_ + 1, static_cast<std::uint64_t>(unix_ms()));
  return generation_;
}

void Controller::start() {
  load_from_disk();
  start_sources();
}

void Controller::load_from_disk() {
  std::vector<std::string> names;
  for (const auto& [name, unused] : links_) names.push_back(name);
  LastGood::Loaded loaded = last_good_.load(names);
  for (const std::string& why : loaded.refused) {
    log::warn(why);
    model::Finding finding;
    finding.severity = model::Severity::warning;
    finding.code = "state-refused";
    finding.what = why;
    finding.hint = "It is replaced by the next compiled state.";
    own_findings_.push_back(std::move(finding));
  }
  if (loaded.doors.size() != links_.size()) return;  // Half a state would be served as if it were whole.
  auto from_disk = std::make_shared<snapshot::Snapshot>();
  for (auto& [name, decoded] : loaded.doors) {
    from_disk->doors[name] = decoded.door;
    generation_ = std::max(generation_, decoded.generation);
  }
  Generation entry{next_generation(), unix_ms(), 0, "disk", {}};
  publish(std::move(from_disk), std::move(entry));
  become_ready();
}

void Controller::start_sources() {
  for (const config::ManifestsSource& entry : config_.manifests) {
    add_source(source::watch_manifests(entry.directory, entry.allow_loopback));
  }
  if (!config_.kubernetes) return;
  auto access = config_.kubeconfig.empty() ? source::in_cluster_access() : source::read_kubeconfig(config_.kubeconfig);
  if (access) {
    add_source(source::watch_kubernetes(std::move(*access)));
    return;
  }
  log::error(access.error());
  store_.add_source("kube");  // Never delivers: not ready, and /api/v1/findings says why.
  store_.apply("kube", source::Status{false, access.error()});
}

void Controller::add_source(std::unique_ptr<source::Source> source) {
  store_.add_source(source->name());
  source->start([this](const std::string& name, source::Event event) {
    auto shared = std::make_shared<source::Event>(std::move(event));
    reactor_.post([this, name, shared] { on_event(name, std::move(*shared)); });
  });
  sources_.push_back(std::move(source));
}

void Controller::on_event(const std::string& source, source::Event event) {
  if (const auto* status = std::get_if<source::Status>(&event)) {
    const std::string_view message = status->message.empty() ? "reachable" : std::string_view(status->message);
    log::write(status->healthy ? log::Level::info : log::Level::warn, fmt::format("{}: {}", source, message));
  } else {
    last_change_ms_ = unix_ms();
  }
  schedule(store_.apply(source, std::move(event)));
}

/// The first change after quiet goes at once, together with what came in the same batch; then one compile per hold-off.
/// Endpoint changes never wait.
void Controller::schedule(Effect effect) {
  if (effect == Effect::nothing) return;
  due_ = std::max(due_, effect);
  if (run_posted_) return;
  if (due_ == Effect::compile && reactor_.now() - last_compile_ < kHoldOff) {
    reactor_.timers().arm(*this, last_compile_ + kHoldOff);
    if (effect == Effect::compile) return;
  }
  run_posted_ = true;
  reactor_.post([this] {
    run_posted_ = false;
    run_due();
  });
}

void Controller::on_timer() { run_due(); }

void Controller::run_due() {
  if (!store_.all_delivered() || due_ == Effect::nothing) return;
  if (due_ == Effect::compile && reactor_.now() - last_compile_ >= kHoldOff) {
    compile();
    return;
  }
  if (due_ == Effect::compile) reactor_.timers().arm(*this, last_compile_ + kHoldOff);
  update_endpoints();
}

void Controller::compile() {
  due_ = Effect::nothing;
  const auto begin = std::chrono::steady_clock::now();
  auto next = std::make_shared<snapshot::Snapshot>(
      translate::translate({&config_, &store_.objects(), node_addresses_, snapshot_.get()}));
  const auto spent = std::chrono::steady_clock::now() - begin;
  last_compile_ = begin;
  Generation entry;
  entry.generation = next_generation();
  entry.at_ms = unix_ms();
  entry.compile_us = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(spent).count());
  entry.kind = "compile";
  publish(std::move(next), std::move(entry));
  become_ready();
}

void Controller::publish(std::shared_ptr<const snapshot::Snapshot> next, Generation entry) {
  auto numbered = std::make_shared<snapshot::Snapshot>(*next);
  numbered->generation = entry.generation;
  for (const auto& [name, door] : numbered->doors) {
    const auto before = snapshot_ ? snapshot_->doors.find(name) : numbered->doors.end();
    const bool known = snapshot_ && before != snapshot_->doors.end();
    const snapshot::Difference difference = snapshot::difference(known ? *before->second : snapshot::Door{}, *door);
    if (known && difference.empty()) continue;
    if (entry.changes.size() < kChangesListed) entry.changes.push_back(describe(name, difference));
    link(name).update(door, entry.generation);
  }
  if (!entry.changes.empty()) {
    log::info(fmt::format("generation {} ({}, {} us): {}", entry.generation, entry.kind, entry.compile_us,
                          fmt::join(entry.changes, "; ")));
  }
  snapshot_ = std::move(numbered);
  generations_.push_front(std::move(entry));
  if (generations_.size() > kGenerationsKept) generations_.pop_back();
}

/// The bypass: routes stay, lists change, and what is due to be compiled still waits its turn.
void Controller::update_endpoints() {
  if (due_ == Effect::endpoints) due_ = Effect::nothing;
  if (!snapshot_) return;
  const std::uint64_t generation = next_generation();
  auto next = std::make_shared<snapshot::Snapshot>(*snapshot_);
  Generation entry{generation, unix_ms(), 0, "endpoints", {}};
  for (auto& [name, door] : next->doors) {
    auto lists = translate::endpoints_of({&config_, &store_.objects(), node_addresses_, nullptr}, *door);
    std::vector<std::string> changed;
    for (const auto& [key, list] : lists) {
      const auto old = door->endpoints.find(key);
      if (old == door->endpoints.end() || old->second != list) changed.push_back(key);
    }
    if (changed.empty()) continue;
    auto copy = std::make_shared<snapshot::Door>(*door);
    copy->endpoints = std::move(lists);
    door = std::move(copy);
    entry.changes.push_back(fmt::format("{}: endpoints of {}", name, fmt::join(changed, ", ")));
    link(name).update_endpoints(door, generation, changed);
  }
  if (entry.changes.empty()) return;
  next->generation = generation;
  snapshot_ = std::move(next);
  generations_.push_front(std::move(entry));
  if (generations_.size() > kGenerationsKept) generations_.pop_back();
}

void Controller::become_ready() {
  if (std::exchange(ready_, true)) return;
  hooks_.ready();
}

void Controller::attach_feed(const std::string& door, UniqueFd socket) { link(door).attach(std::move(socket)); }
void Controller::attach_stats(const std::string& door, int memfd) { link(door).attach_stats(memfd); }

void Controller::quarantine(const std::string& door, std::uint64_t generation) {
  log::error(fmt::format("door {} keeps dying of generation {}: it is held back until its routes change", door, generation));
  link(door).quarantine(generation);
}

std::vector<model::Finding> Controller::findings() const {
  std::vector<model::Finding> out = own_findings_;
  for (const Store::Health& entry : store_.health()) {
    if (entry.healthy) continue;
    out.push_back({model::Severity::warning, "source-unhealthy", {}, "", entry.name + ": " + entry.message,
                   "What was known before is still served.", {}});
  }
  for (const auto& [name, door] : links_) {
    if (door->quarantined_generation() != 0) {
      out.push_back({model::Severity::refused, "snapshot-quarantined", {}, "",
                     fmt::format("generation {} killed the door {} five times and is held back", door->quarantined_generation(), name),
                     "The one before is served. Undo the last change of its routes, and report the crash.", {name}});
    }
    if (const std::string refusal = door->refusal(); !refusal.empty()) {
      out.push_back({model::Severity::refused, "door-refused", {}, "", refusal, "The state before is served.", {name}});
    }
    const telemetry::DoorStats* stats = door->stats();
    if (stats == nullptr) continue;
    std::uint64_t ignored = 0;
    for (const telemetry::WorkerStats& worker : stats->workers) {
      ignored += worker.counters[static_cast<std::size_t>(telemetry::Counter::forwarded_for_ignored)].load(std::memory_order_relaxed);
    }
    if (ignored > 0) {
      out.push_back({model::Severity::warning, "forwarded-for-ignored", {}, "exposures[].listeners[].trustedPeers",
                     fmt::format("{} requests came with an X-Forwarded-For from a peer that is not trusted; it was ignored", ignored),
                     "If that peer is your load balancer, list its subnets in trustedPeers.", {name}});
    }
  }
  if (snapshot_) out.insert(out.end(), snapshot_->findings.begin(), snapshot_->findings.end());
  return out;
}

void Controller::reconfigure(const config::Loaded& loaded, const std::string& file) {
  std::erase_if(own_findings_, [](const model::Finding& f) { return f.code == "configuration" || f.code == "restart-needed"; });
  for (const config::Mistake& mistake : loaded.mistakes) {
    log::error(mistake.text());
    own_findings_.push_back({model::Severity::refused, "configuration", {"Configuration", "", file, "", file, 0}, mistake.key,
                             mistake.what, mistake.hint, {}});
  }
  if (!loaded.mistakes.empty()) return;  // The old configuration stays.
  std::vector<std::string> keys;
  config::Config next = loaded.config;
  if (config::needs_restart(config_, next, keys)) {
    log::warn(fmt::format("{}: {} take effect at the next start", file, fmt::join(keys, ", ")));
    own_findings_.push_back({model::Severity::warning, "restart-needed", {"Configuration", "", file, "", file, 0}, fmt::format("{}", fmt::join(keys, ", ")),
                             "these keys take effect at the next start; the others are live", "Restart Blastdoor.", {}});
    config::keep_restart_keys(config_, next);
  }
  if (next == config_) return;
  config_ = std::move(next);
  last_good_ = LastGood(config_.state_dir, fingerprint(config_));
  log::info(fmt::format("{}: the new configuration is in force", file));
  schedule(Effect::compile);
}

}  // namespace bd::control
