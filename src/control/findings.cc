#include "control/findings.h"

#include <charconv>
#include <utility>

namespace bd::control {
namespace {

using model::Finding;
using model::Severity;

model::ObjectRef configuration(const std::string& name, const std::string& file, int line) {
  return {"Configuration", "", name, "", file, line};
}

/// The N of "FILE:N"; nothing if the mistake does not stand in the file.
std::optional<int> line_of(const std::string& where, const std::string& file) {
  if (file.empty() || !where.starts_with(file)) return std::nullopt;
  std::string_view rest = std::string_view(where).substr(file.size());
  int line = 0;
  if (rest.starts_with(':')) std::from_chars(rest.begin() + 1, rest.end(), line);
  return line;
}

std::uint64_t sum(const telemetry::DoorStats& stats, telemetry::Counter counter) {
  std::uint64_t out = 0;
  for (const telemetry::WorkerStats& worker : stats.workers) {
    out += worker.counters[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  return out;
}

}  // namespace

Finding configuration_mistake(const config::Mistake& mistake, const std::string& file) {
  const std::optional<int> line = line_of(mistake.where, file);
  return {
      Severity::refused,
      "configuration",
      line ? configuration(file, file, *line) : configuration(mistake.where, "", 0),
      mistake.key,
      mistake.what,
      mistake.hint.empty() ? "The configuration before this edit stays in force." : mistake.hint,
      {}};
}

Finding restart_needed(const std::vector<std::string>& keys, const std::string& file) {
  return {Severity::warning,
          "restart-needed",
          configuration(file, file, 0),
          fmt::format("{}", fmt::join(keys, ", ")),
          "These keys take effect at the next start; the others are in force.",
          "Restart Blastdoor.",
          {}};
}

Finding state_refused(std::string why) {
  return {Severity::warning,
          "state-refused",
          {},
          "stateDir",
          std::move(why),
          "Its door gets the next compiled state; the file is replaced then.",
          {}};
}

Finding state_not_kept(const std::string& door, std::string why) {
  return {Severity::warning,
          "state-not-kept",
          {},
          "stateDir",
          std::move(why),
          "After a restart without an API server its door would have no table, or an older one.",
          {door}};
}

Finding source_unhealthy(const Store::Health& source) {
  return {Severity::warning,
          "source-unhealthy",
          {"Source", "", source.name, source.name, "", 0},
          "",
          source.message,
          source.delivered ? "What it delivered last is still served."
                           : "Nothing new is served until it has delivered once.",
          {}};
}

void say_of_door(const std::string& name, const Link& door, std::vector<Finding>& out) {
  const model::ObjectRef object{"Door", "", name, "", "", 0};
  if (const std::uint64_t generation = door.quarantined_generation(); generation != 0) {
    out.push_back({Severity::refused,
                   "snapshot-quarantined",
                   object,
                   "",
                   fmt::format("Generation {} killed the door again and again, and is held back.",
                               generation),
                   "The state before is served, if there is one. Undo the last change of its "
                   "routes, and report the crash.",
                   {name}});
  }
  if (!door.refusal().empty()) {
    out.push_back({Severity::refused,
                   "door-refused",
                   object,
                   "",
                   fmt::format("The door refused a change: {}.", door.refusal()),
                   "The state before is served. Undo the change, and report it.",
                   {name}});
  }
  const std::uint64_t ignored =
      door.stats() == nullptr ? 0 : sum(*door.stats(), telemetry::Counter::forwarded_for_ignored);
  if (ignored > 0) {
    out.push_back({Severity::warning,
                   "forwarded-for-ignored",
                   object,
                   "exposures[].listeners[].trustedPeers",
                   fmt::format("{} requests had an X-Forwarded-For from a peer that is not "
                               "trusted: it was ignored.",
                               ignored),
                   "If that peer is your load balancer, list its subnets in trustedPeers.",
                   {name}});
  }
}

}  // namespace bd::control
