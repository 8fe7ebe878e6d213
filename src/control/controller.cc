#include "control/controller.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/version.h"
#include "control/describe.h"
#include "control/findings.h"
#include "translate/compile.h"
#include "translate/endpoints.h"
#include "translate/translate.h"
#include "translate/upstreams.h"

namespace bd::control {

using namespace std::chrono_literals;

namespace {

constexpr auto kHoldOff = 100ms;  // Between compiles; the first change after quiet goes at once.
/// The bypass brings no findings up to date; a compile does, this long after it, or so much later
/// that compiles for endpoints take no more than a twentieth of the time.
constexpr auto kAfterBypass = 1s;
constexpr int kAfterBypassShare = 20;
/// A disk may stand still for a moment while others sync; a state that is not written by then is a
/// finding.
constexpr auto kWriteMax = 2s;
/// Between two looks at the age of ticket keys.
constexpr auto kKeyLook = 500ms;
constexpr std::size_t kGenerationsKept = 32;
constexpr std::size_t kChangesListed = 32;

std::int64_t unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// No Secret is asked for unless some exposure that is served here may use one (invariant 11).
source::KubeScope kube_scope(const config::Config& config) {
  source::KubeScope out{.secrets = false, .ca_config_maps = config.ca_config_maps};
  for (const model::Exposure& exposure : config.exposures) {
    out.secrets |= config.is_enabled(exposure.name) && translate::may_use_secrets(exposure);
  }
  return out;
}

std::expected<source::KubeAccess, std::string> kube_access(const config::Config& config) {
  auto access = config.kubeconfig.empty() ? source::in_cluster_access()
                                          : source::read_kubeconfig(config.kubeconfig);
  if (access) access->user_agent = fmt::format("blastdoor/{}", kVersion);
  return access;
}

}  // namespace

Controller::Controller(rt::Reactor& reactor, config::Config config,
                       std::vector<IpAddress> node_addresses, Hooks hooks)
    : reactor_(reactor),
      config_(std::move(config)),
      node_addresses_(std::move(node_addresses)),
      hooks_(std::move(hooks)),
      last_good_(config_.state_dir, fingerprint(config_)),
      epoch_(static_cast<std::uint64_t>(unix_ms())),
      writer_([this](const std::string& door, std::uint64_t number, int error) {
        reactor_.post([this, door, number, error] { was_written(door, number, error); });
      }),
      tls_watch_([this](TlsWatch::News news) {
        reactor_.post([this, news = std::move(news)]() mutable { on_files(std::move(news)); });
      }) {
  for (const model::Exposure& exposure : config_.exposures) {
    if (config_.is_enabled(exposure.name)) link(exposure.name);
  }
}

Controller::~Controller() {
  sources_.clear();
}

Link& Controller::link(const std::string& door) {
  std::unique_ptr<Link>& slot = links_[door];
  if (!slot) {
    slot =
        std::make_unique<Link>(reactor_, door, epoch_,
                               [this, door](const snapshot::Door& state, std::uint64_t generation) {
                                 keep(door, state, generation);
                               });
  }
  return *slot;
}

/// Never blocks: this is on the way of a change. The supervisor has the state when this returns;
/// the disk gets it after that, so that it is never ahead of the supervisor or of the door.
void Controller::keep(const std::string& door, const snapshot::Door& state,
                      std::uint64_t generation) {
  std::string bytes = snapshot::encode(state, generation);
  if (const UniqueFd memory = seal_in_memory(bytes)) {
    hooks_.keep_snapshot(door, memory.get(), generation);
  } else {
    log::error(fmt::format("no memory for the state of {}: {}", door, std::strerror(errno)));
  }
  // What was compiled under another policy must never look as if it were of this one.
  if (generation < kept_since_ || config_.state_dir.empty()) return;
  // Private keys never reach the disk. A state without any is not encoded twice.
  if (!state.certificates.empty() || !state.ticket_keys.empty()) {
    bytes = snapshot::encode(state, generation, snapshot::Keys::left_out);
  }
  auto write = [disk = last_good_, door, bytes = std::move(bytes)] {
    return disk.keep(door, bytes) ? 0 : errno;
  };
  const std::uint64_t number = writer_.ask(door, std::move(write));
  unwritten_.try_emplace(door, Unwritten{0, reactor_.now()}).first->second.newest = number;
}

void Controller::was_written(const std::string& door, std::uint64_t number, int error) {
  const auto state = unwritten_.find(door);
  if (state == unwritten_.end()) return;
  const auto took = reactor_.now() - state->second.since;
  if (took >= kWriteMax) {
    log::warn(fmt::format("the state of {} took {} ms on its way to {}", door,
                          std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
                          config_.state_dir));
  }
  if (number == state->second.newest) {
    unwritten_.erase(state);
  } else {
    state->second.since = reactor_.now();
  }
  if (error == 0) {
    not_kept_.erase(door);
    return;
  }
  const std::string why = fmt::format("The state of {} can't be written to {}: {}.", door,
                                      config_.state_dir, std::strerror(error));
  if (!not_kept_.contains(door)) log::warn(why);
  not_kept_.insert_or_assign(door, state_not_kept(door, why));
}

std::uint64_t Controller::next_generation() {
  // Numbers grow across restarts of the controller, so that a door's and the supervisor's memory
  // stay comparable.
  generation_ = std::max(generation_ + 1, static_cast<std::uint64_t>(unix_ms()));
  return generation_;
}

void Controller::start() {
  TlsFiles files;  // What is served first has its certificates: nobody waits for us yet.
  files.use(config_);
  log_failures(files.take_failures());
  tls_files_ = std::make_shared<const TlsFiles>(files);
  tls_files_->add_to(material_);
  tls_watch_.start(std::move(files));
  rotate_keys();
  load_from_disk();
  start_sources();
}

void Controller::load_from_disk() {
  std::vector<std::string> names;
  for (const auto& [name, unused] : links_) names.push_back(name);
  const LastGood::Loaded loaded = last_good_.load(names);
  for (const std::string& why : loaded.refused) {
    log::warn(why);
    disk_findings_.push_back(state_refused(why));
  }
  if (loaded.doors.empty()) return;
  snapshot::Snapshot from_disk;
  for (const auto& [name, decoded] : loaded.doors) {
    // Our own addresses may be others than when it was written, and are never to be connected to.
    auto door = std::make_shared<snapshot::Door>(*decoded.door);
    door->denied = translate::own_addresses(config_, node_addresses_);
    translate::add_material(*translate::find_exposure(config_, name), material_, *door);
    from_disk.doors[name] = std::move(door);
    link(name).recall(decoded.generation);
    generation_ = std::max(generation_, decoded.generation);
  }
  publish(std::move(from_disk), {next_generation(), unix_ms(), 0, "disk", {}}, false);
  recalled_ = true;
  // A door without a file waits for its sources, and readiness with it.
  if (loaded.doors.size() == links_.size()) become_ready();
}

/// But for the system's bundle, which not everybody needs: findings() knows who does.
void Controller::log_failures(const std::vector<std::string>& failures) {
  for (const std::string& failure : failures) {
    if (!failure.starts_with(config::kSystemCa)) log::warn(failure);
  }
}

void Controller::rotate_keys() {
  if (ticket_keys_.refresh(config_, reactor_.now())) {
    material_.ticket_keys = ticket_keys_.all();
    publish_material();
  }
  reactor_.timers().arm(key_timer_, reactor_.now() + kKeyLook);
}

void Controller::on_files(TlsWatch::News news) {
  log_failures(news.failures);
  const bool is_awaited = awaited_ && awaited_->number == news.asked;
  // What another configuration names that never came into force is of no use.
  if (!is_awaited && news.asked != tls_number_) return;
  tls_files_ = std::move(news.files);
  tls_files_->add_to(material_);
  if (!is_awaited) return publish_material();
  tls_number_ = news.asked;
  Awaited now = *std::exchange(awaited_, std::nullopt);
  adopt(std::move(now.config), now.file);
}

/// No pass, like endpoints: certificates are renewed and keys rotated under tables that stay.
void Controller::publish_material() {
  // What is compiled next has it: the tables of now may name what the new configuration does not.
  if (snapshot_ == nullptr || reconfigured_) return;
  if (snapshot_.use_count() > 1) snapshot_ = std::make_shared<snapshot::Snapshot>(*snapshot_);
  Generation entry{next_generation(), unix_ms(), 0, "certificates", {}};
  for (auto& [name, door] : snapshot_->doors) {
    auto copy = std::make_shared<snapshot::Door>(*door);
    translate::add_material(*translate::find_exposure(config_, name), material_, *copy);
    const snapshot::Difference difference = snapshot::difference(*door, *copy);
    if (difference.empty()) continue;
    door = std::move(copy);
    link(name).update_material(door);
    if (entry.changes.size() < kChangesListed) entry.changes.push_back(describe(name, difference));
  }
  if (entry.changes.empty()) return;
  snapshot_->generation = entry.generation;
  certificates_.update(*snapshot_);
  list(std::move(entry));
}

void Controller::start_sources() {
  for (const config::ManifestsSource& entry : config_.manifests) {
    add_source(source::watch_manifests(entry.directory, entry.allow_loopback));
  }
  if (config_.kubernetes) watch_kubernetes();
}

void Controller::watch_kubernetes() {
  auto access = kube_access(config_);
  if (access) return add_source(source::watch_kubernetes(*std::move(access), kube_scope(config_)));
  log::error(access.error());
  store_.add_source("kube");  // Never delivers: not ready, and a finding says why.
  store_.apply("kube", source::Status{false, access.error()});
}

/// With another scope. What was known stays until the new source has listed everything.
void Controller::watch_kubernetes_again() {
  const auto running =
      std::ranges::find_if(sources_, [](const auto& source) { return source->name() == "kube"; });
  auto access = kube_access(config_);
  if (!access) log::error(access.error());
  if (running == sources_.end() || !access) return;
  sources_.erase(running);
  start(source::watch_kubernetes(*std::move(access), kube_scope(config_)));
}

void Controller::add_source(std::unique_ptr<source::Source> source) {
  if (store_.add_source(source->name())) start(std::move(source));  // Else the same folder twice.
}

void Controller::start(std::unique_ptr<source::Source> source) {
  source->start([this](const std::string& name, source::Event event) {
    auto shared = std::make_shared<source::Event>(std::move(event));
    reactor_.post([this, name, shared] { on_event(name, std::move(*shared)); });
  });
  sources_.push_back(std::move(source));
}

void Controller::on_event(const std::string& source, source::Event event) {
  if (const auto* status = std::get_if<source::Status>(&event)) {
    const std::string_view message =
        status->message.empty() ? "reachable" : std::string_view(status->message);
    log::write(status->healthy ? log::Level::info : log::Level::warn,
               fmt::format("{}: {}", source, message));
  } else {
    last_change_ms_ = unix_ms();
  }
  schedule(store_.apply(source, std::move(event)));
}

void Controller::compile_not_later_than(rt::Instant when) {
  compile_at_ = std::min(compile_at_, when);
  reactor_.timers().arm(*this, compile_at_);
}

/// The first change after quiet goes at once, together with what came in the same batch; then one
/// compile per hold-off. Endpoint changes never wait.
void Controller::schedule(Effect effect) {
  if (effect == Effect::nothing) return;
  if (effect == Effect::compile) {
    compile_not_later_than(std::max(reactor_.now(), compiled_at_ + kHoldOff));
    if (compile_at_ > reactor_.now()) return;
  }
  if (std::exchange(run_posted_, true)) return;
  reactor_.post([this] {
    run_posted_ = false;
    run_due();
  });
}

void Controller::run_due() {
  if (!store_.all_delivered()) return;  // Half of what there is would look as if it were all.
  if (reactor_.now() >= compile_at_) return compile();
  update_endpoints();
}

void Controller::compile() {
  compile_at_ = rt::kNever;
  reconfigured_ = false;
  reactor_.timers().disarm(*this);
  static_cast<void>(store_.take_touched());
  const auto begin = std::chrono::steady_clock::now();
  snapshot::Snapshot next = translate::translate({.config = &config_,
                                                  .objects = &store_.objects(),
                                                  .node_addresses = node_addresses_,
                                                  .previous = snapshot_.get(),
                                                  .material = &material_});
  compiled_at_ = std::chrono::steady_clock::now();
  compile_time_ = compiled_at_ - begin;
  const auto spent = std::chrono::duration_cast<std::chrono::microseconds>(compile_time_).count();
  Generation entry{next_generation(), unix_ms(), static_cast<std::uint64_t>(spent), "compile", {}};
  const std::string under = fingerprint(config_);
  const bool renewed = under != last_good_.fingerprint();
  if (renewed) {
    last_good_ = LastGood(config_.state_dir, under);
    kept_since_ = entry.generation;
  }
  disk_findings_.clear();
  // A door that was newer than the disk was told nothing yet, whatever the disk said.
  const bool was_recalled = std::exchange(recalled_, false);
  publish(std::move(next), std::move(entry), renewed || was_recalled);
  become_ready();
}

/// `renewed`: under another fingerprint, so that every door's state has to be kept again.
void Controller::publish(snapshot::Snapshot next, Generation entry, bool renewed) {
  static const snapshot::Door nothing;
  for (const auto& [name, door] : next.doors) {
    const snapshot::Door* before = nullptr;
    if (snapshot_ != nullptr) {
      const auto found = snapshot_->doors.find(name);
      if (found != snapshot_->doors.end()) before = found->second.get();
    }
    const auto difference = snapshot::difference(before == nullptr ? nothing : *before, *door);
    if (before != nullptr && difference.empty() && !renewed) continue;
    if (entry.changes.size() < kChangesListed) entry.changes.push_back(describe(name, difference));
    link(name).update(door, entry.generation);
  }
  // Findings alone make no generation: no door would ever tell that it has it.
  const bool changed = !entry.changes.empty() || snapshot_ == nullptr;
  next.generation = changed ? entry.generation : snapshot_->generation;
  snapshot_ = std::make_shared<snapshot::Snapshot>(std::move(next));
  certificates_.update(*snapshot_);
  if (changed) list(std::move(entry));
}

void Controller::list(Generation entry) {
  const auto level = entry.kind == "endpoints" ? log::Level::debug : log::Level::info;
  log::write(level, fmt::format("generation {} ({}, {} us): {}", entry.generation, entry.kind,
                                entry.compile_us, fmt::join(entry.changes, "; ")));
  generations_.push_front(std::move(entry));
  if (generations_.size() > kGenerationsKept) generations_.pop_back();
}

/// The bypass: tables stay, lists change, and what is due to be compiled still waits its turn.
void Controller::update_endpoints() {
  const std::set<translate::ServiceName> touched = store_.take_touched();
  if (touched.empty() || snapshot_ == nullptr) return;
  const auto lists =
      translate::endpoints_of({&config_, &store_.objects(), node_addresses_, nullptr}, touched);
  // Its findings may be many: it is copied only if somebody looks at it now.
  if (snapshot_.use_count() > 1) snapshot_ = std::make_shared<snapshot::Snapshot>(*snapshot_);
  Generation entry{next_generation(), unix_ms(), 0, "endpoints", {}};
  bool routed = false;
  for (auto& [name, door] : snapshot_->doors) {
    std::shared_ptr<snapshot::Door> copy;
    std::vector<std::string> changed;
    for (const auto& [key, list] : lists) {
      const auto old = door->endpoints.find(key);
      if (old == door->endpoints.end()) continue;
      routed = true;
      if (old->second == list) continue;
      if (!copy) copy = std::make_shared<snapshot::Door>(*door);
      copy->endpoints[key] = list;
      changed.push_back(key);
    }
    if (changed.empty()) continue;
    door = std::move(copy);
    link(name).update_endpoints(door, changed);
    if (entry.changes.size() >= kChangesListed) continue;
    entry.changes.push_back(fmt::format("{}: endpoints of {}", name, fmt::join(changed, ", ")));
  }
  if (routed) {
    const auto pause = std::max<rt::Duration>(kAfterBypass, compile_time_ * kAfterBypassShare);
    compile_not_later_than(reactor_.now() + pause);
  }
  if (entry.changes.empty()) return;
  snapshot_->generation = entry.generation;
  list(std::move(entry));
}

void Controller::become_ready() {
  if (std::exchange(ready_, true)) return;
  hooks_.ready();
}

void Controller::attach_feed(const std::string& door, UniqueFd socket) {
  link(door).attach(std::move(socket));
}

void Controller::attach_stats(const std::string& door, int memfd) {
  link(door).attach_stats(memfd);
}

void Controller::quarantine(const std::string& door, std::uint64_t generation) {
  const bool known = link(door).quarantine(generation);
  log::error(fmt::format(
      "door {} keeps dying of generation {}{}", door, generation,
      known ? ": it is held back until its routes change" : ", which others have replaced"));
}

std::vector<model::Finding> Controller::findings() const {
  std::vector<model::Finding> out = configuration_findings_;
  out.insert(out.end(), disk_findings_.begin(), disk_findings_.end());
  for (const auto& [name, finding] : not_kept_) out.push_back(finding);
  for (const auto& [name, state] : unwritten_) {
    const auto late =
        std::chrono::duration_cast<std::chrono::seconds>(reactor_.now() - state.since);
    if (late < kWriteMax || not_kept_.contains(name)) continue;
    out.push_back(state_not_kept(
        name, fmt::format("The state of {} has been on its way to {} for {} s: the disk is slow.",
                          name, config_.state_dir, late.count())));
  }
  for (const Store::Health& source : store_.health()) {
    if (!source.healthy) out.push_back(source_unhealthy(source));
  }
  for (const auto& [name, door] : links_) say_of_door(name, *door, out);
  const auto add = [&](const std::vector<model::Finding>& more) {
    out.insert(out.end(), more.begin(), more.end());
  };
  add(tls_files_->findings(system_bundle_is_used()));
  add(certificates_.findings(unix_ms() / 1000));
  if (snapshot_) out.insert(out.end(), snapshot_->findings.begin(), snapshot_->findings.end());
  return out;
}

bool Controller::system_bundle_is_used() const {
  if (snapshot_ == nullptr) return false;
  return std::ranges::any_of(snapshot_->doors, [](const auto& door) {
    return door.second->bundles.contains(std::string(translate::kSystemBundle));
  });
}

void Controller::reconfigure(const config::Loaded& loaded, const std::string& file) {
  configuration_findings_.clear();
  for (const std::string& warning : loaded.warnings) log::warn(warning);
  for (const config::Mistake& mistake : loaded.mistakes) {
    log::error(mistake.text());
    configuration_findings_.push_back(configuration_mistake(mistake, file));
  }
  if (!loaded.mistakes.empty()) return;  // The old configuration stays.
  std::vector<std::string> keys;
  config::Config next = loaded.config;
  if (config::needs_restart(config_, next, keys)) {
    log::warn(fmt::format("{}: {} take effect at the next start", file, fmt::join(keys, ", ")));
    configuration_findings_.push_back(restart_needed(keys, file));
    config::keep_restart_keys(config_, next);
  }
  if (next == (awaited_ ? awaited_->config : config_)) return;
  const std::uint64_t number = tls_watch_.use(next);
  awaited_ = Awaited{std::move(next), file, number};
}

void Controller::adopt(config::Config next, const std::string& file) {
  const bool same_scope = kube_scope(next) == kube_scope(config_);
  config_ = std::move(next);
  static_cast<void>(ticket_keys_.refresh(config_, reactor_.now()));
  material_.ticket_keys = ticket_keys_.all();
  reconfigured_ = true;
  if (!same_scope) watch_kubernetes_again();
  log::info(fmt::format("{}: the new configuration is in force", file));
  schedule(Effect::compile);
}

}  // namespace bd::control
