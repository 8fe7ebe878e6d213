// One table holds every metric family: name, type, labels, meaning, and how to read it from a View.
// The page and its reference are printed from it. Label values come from the configuration and from
// fixed words, never from a client.

#include <algorithm>
#include <array>
#include <atomic>
#include <initializer_list>

#include "admin/api.h"
#include "admin/pages.h"
#include "text/checks.h"

namespace bd::admin {
namespace {

using telemetry::DoorStats;
using telemetry::WorkerStats;
using Cell = std::atomic<std::uint64_t>;

struct Label {
  std::string_view name;
  std::string_view value;
};

/// The samples of one family.
class Samples {
 public:
  Samples(std::string& out, std::string_view family) : out_(out), family_(family) {}

  template <class Number>
  void add(std::initializer_list<Label> labels, Number value, std::string_view suffix = "") {
    out_.append(family_).append(suffix);
    char before = '{';
    for (const Label& label : labels) {
      out_.push_back(std::exchange(before, ','));
      out_.append(label.name).append("=\"");
      escape(label.value);
      out_.push_back('"');
    }
    if (labels.size() > 0) out_.push_back('}');
    fmt::format_to(std::back_inserter(out_), " {}\n", value);
  }

 private:
  /// One byte that is no UTF-8 would make Prometheus refuse the whole page.
  void escape(std::string_view value) {
    while (!value.empty()) {
      const std::size_t size = text::utf8_sequence(value);
      const char c = value.front();
      if (c == '\\' || c == '"') out_.push_back('\\');
      if (size == 0) {
        out_.append("\xEF\xBF\xBD");
      } else if (c == '\n') {
        out_.append("\\n");
      } else {
        out_.append(value.substr(0, size));
      }
      value.remove_prefix(std::max<std::size_t>(size, 1));
    }
  }
  std::string& out_;
  std::string_view family_;
};

struct Family {
  std::string_view name;
  std::string_view type;
  std::string_view labels;
  std::string_view help;
  void (*print)(Samples&, const View&);
};

std::uint64_t load(const Cell& cell) {
  return cell.load(std::memory_order_relaxed);
}

template <class Read>
std::uint64_t sum_of_workers(const DoorStats& stats, Read read) {
  std::uint64_t sum = 0;
  for (const WorkerStats& worker : stats.workers) sum += load(read(worker));
  return sum;
}

/// One sample per door whose numbers are there.
template <class Read>
void per_door(Samples& out, const View& view, Read read) {
  for (const DoorView& door : view.doors) {
    if (door.stats != nullptr) out.add({{"exposure", door.exposure}}, read(*door.stats));
  }
}

template <Cell WorkerStats::* cell>
void worker_cell(Samples& out, const View& view) {
  per_door(out, view, [](const DoorStats& stats) {
    return sum_of_workers(stats,
                          [](const WorkerStats& worker) -> const Cell& { return worker.*cell; });
  });
}

template <Cell DoorStats::* cell>
void door_cell(Samples& out, const View& view) {
  per_door(out, view, [](const DoorStats& stats) { return load(stats.*cell); });
}

template <auto DoorView::* member>
void door_view(Samples& out, const View& view) {
  for (const DoorView& door : view.doors) {
    out.add({{"exposure", door.exposure}}, static_cast<std::uint64_t>(door.*member));
  }
}

template <auto SourceView::* member>
void source_view(Samples& out, const View& view) {
  for (const SourceView& source : view.sources) {
    out.add({{"source", source.name}}, static_cast<std::uint64_t>(source.*member));
  }
}

void print_durations(Samples& out, const View& view) {
  for (const DoorView& door : view.doors) {
    if (door.stats == nullptr) continue;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i <= telemetry::kDurationBounds.size(); ++i) {
      below += sum_of_workers(*door.stats,
                              [i](const WorkerStats& w) -> const Cell& { return w.durations[i]; });
      const bool is_last = i == telemetry::kDurationBounds.size();
      const std::string bound = is_last ? "+Inf" : fmt::to_string(telemetry::kDurationBounds[i]);
      out.add({{"exposure", door.exposure}, {"le", bound}}, below, "_bucket");
    }
    const auto microseconds = sum_of_workers(
        *door.stats, [](const WorkerStats& w) -> const Cell& { return w.duration_us_sum; });
    out.add({{"exposure", door.exposure}}, static_cast<double>(microseconds) / 1e6, "_sum");
    out.add({{"exposure", door.exposure}}, below, "_count");
  }
}

void print_sandbox(Samples& out, const View& view) {
  for (const DoorView& door : view.doors) {
    if (door.stats == nullptr) continue;
    const std::uint64_t bits = load(door.stats->sandbox);
    for (const telemetry::SandboxFeature& feature : telemetry::kSandboxFeatures) {
      out.add({{"exposure", door.exposure}, {"feature", feature.name}},
              (bits & feature.bit) != 0 ? 1 : 0);
    }
  }
}

void print_source_objects(Samples& out, const View& view) {
  for (const SourceView& source : view.sources) {
    out.add({{"source", source.name}, {"kind", "Ingress"}}, source.ingresses);
    out.add({{"source", source.name}, {"kind", "Service"}}, source.services);
    out.add({{"source", source.name}, {"kind", "EndpointSlice"}}, source.slices);
  }
}

void print_findings(Samples& out, const View& view) {
  using enum model::Severity;
  for (const model::Severity severity : {served, info, warning, refused}) {
    out.add(
        {{"severity", model::name(severity)}},
        std::count_if(view.findings.begin(), view.findings.end(),
                      [&](const model::Finding& finding) { return finding.severity == severity; }));
  }
}

void print_routes(Samples& out, const View& view) {
  if (view.snapshot == nullptr) return;
  static constexpr std::array<std::string_view, std::variant_size_v<model::Action>> actions = {
      "forward", "redirect", "refuse"};
  for (const auto& [name, door] : view.snapshot->doors) {
    std::array<std::uint64_t, actions.size()> counts{};
    for (const auto& [key, host] : door->hosts) {
      for (const model::Route& route : host->routes) ++counts[route.action.index()];
    }
    for (std::size_t i = 0; i < actions.size(); ++i) {
      out.add({{"exposure", name}, {"action", actions[i]}}, counts[i]);
    }
  }
}

void print_listener_tls(Samples& out, const View& view) {
  for (const model::Exposure& exposure : view.exposures) {
    if (std::find(view.enabled.begin(), view.enabled.end(), exposure.name) == view.enabled.end())
      continue;
    for (const model::Listener& listener : exposure.listeners) {
      out.add({{"exposure", exposure.name},
               {"listener", listener.name},
               {"mode", model::name(listener.tls.mode)}},
              1);
    }
  }
}

void print_upstream_tls(Samples& out, const View& view) {
  if (view.snapshot == nullptr) return;
  for (const auto& [name, door] : view.snapshot->doors) {
    for (const auto& [key, upstream] : door->upstreams) {
      out.add({{"exposure", name}, {"upstream", key}, {"mode", model::name(upstream.tls)}}, 1);
    }
  }
}

void print_public_hosts(Samples& out, const View& view) {
  std::size_t hosts = 0;
  if (view.snapshot != nullptr) {
    for (const auto& [name, door] : view.snapshot->doors) {
      if (door->exposure.side == model::Side::external) hosts += door->hosts.size();
    }
  }
  out.add({}, hosts);
}

void print_age(Samples& out, const View& view) {
  if (view.last_change_ms == 0) return;
  out.add({},
          static_cast<double>(std::max<std::int64_t>(view.now_ms - view.last_change_ms, 0)) / 1e3);
}

constexpr Family kFamilies[] = {
    {"blastdoor_build_info", "gauge", "version", "Always 1; the label says which build this is.",
     [](Samples& out, const View& view) { out.add({{"version", view.version}}, 1); }},
    {"blastdoor_ready", "gauge", "",
     "1 once every source has delivered, or a snapshot from disk is served.",
     [](Samples& out, const View& view) { out.add({}, view.ready ? 1 : 0); }},
    {"blastdoor_generation", "gauge", "",
     "Generation of the state that was compiled last; 0 before the first.",
     [](Samples& out, const View& view) {
       out.add({}, view.snapshot == nullptr ? 0 : view.snapshot->generation);
     }},
    {"blastdoor_config_age_seconds", "gauge", "",
     "Time since the last event of any source; absent before the first.", print_age},
    {"blastdoor_source_delivered", "gauge", "source", "1 once the source has given a complete set.",
     source_view<&SourceView::delivered>},
    {"blastdoor_source_healthy", "gauge", "source", "1 while the source can be read.",
     source_view<&SourceView::healthy>},
    {"blastdoor_source_objects", "gauge", "source, kind", "Objects that the source holds.",
     print_source_objects},
    {"blastdoor_findings", "gauge", "severity", "Findings, as /api/v1/findings lists them.",
     print_findings},
    {"blastdoor_routes", "gauge", "exposure, action",
     "Routes that were compiled: forward, redirect, or refuse (503).", print_routes},
    {"blastdoor_public_virtual_hosts", "gauge", "",
     "Hosts that exposures of side external serve, over all of them.", print_public_hosts},
    {"blastdoor_listener_tls", "gauge", "exposure, listener, mode",
     "1 for how the way from the client is encrypted: off, self-signed, files or secrets.",
     print_listener_tls},
    {"blastdoor_upstream_tls", "gauge", "exposure, upstream, mode",
     "1 for how the way to the upstream is encrypted: off, prefer, require or verify.",
     print_upstream_tls},
    {"blastdoor_certificate_not_after_seconds", "gauge", "exposure, certificate",
     "When the certificate expires, in Unix seconds.",
     [](Samples& out, const View& view) {
       for (const CertificateView& certificate : view.certificates) {
         out.add({{"exposure", certificate.exposure}, {"certificate", certificate.name}},
                 certificate.not_after);
       }
     }},
    {"blastdoor_door_connected", "gauge", "exposure", "1 while the door's feed is open.",
     door_view<&DoorView::connected>},
    {"blastdoor_door_acked_generation", "gauge", "exposure",
     "Last generation that the door acknowledged.", door_view<&DoorView::acked_generation>},
    {"blastdoor_door_quarantined_generation", "gauge", "exposure",
     "Generation that was put aside because it killed the door; 0: none.",
     door_view<&DoorView::quarantined_generation>},
    {"blastdoor_door_applied_generation", "gauge", "exposure",
     "Generation that the door serves; 0 before the first.",
     door_cell<&DoorStats::applied_generation>},
    {"blastdoor_door_routes", "gauge", "exposure", "Routes in the door's tables.",
     door_cell<&DoorStats::routes>},
    {"blastdoor_door_virtual_hosts", "gauge", "exposure", "Virtual hosts in the door's tables.",
     door_cell<&DoorStats::virtual_hosts>},
    {"blastdoor_door_upstreams", "gauge", "exposure", "Upstreams that the door knows.",
     door_cell<&DoorStats::upstreams>},
    {"blastdoor_door_restarts_total", "counter", "exposure",
     "Times the supervisor started the door again.", door_cell<&DoorStats::restarts>},
    {"blastdoor_door_draining", "gauge", "exposure", "1 while the door shuts down.",
     door_cell<&DoorStats::draining>},
    {"blastdoor_door_sandbox", "gauge", "exposure, feature",
     "1 if this part of the door's sandbox is in force.", print_sandbox},
    {"blastdoor_door_memory_bytes", "gauge", "exposure",
     "Memory of the door that is its own, with what the kernel holds for its sockets; counted ten "
     "times a second while it works.",
     door_cell<&DoorStats::memory>},
    {"blastdoor_door_memory_budget_bytes", "gauge", "exposure",
     "The door's share of the container's memory limit; 0: there is no limit.",
     door_cell<&DoorStats::memory_budget>},
    {"blastdoor_door_overload_step", "gauge", "exposure",
     "0: none; 1: connections are not kept, from 80 % of the budget; 2: requests are refused, from "
     "90 %; 3: nothing is accepted and the largest streams are reset, from 95 %.",
     door_cell<&DoorStats::overload_step>},
    {"blastdoor_open_connections", "gauge", "exposure", "Client connections that are open.",
     worker_cell<&WorkerStats::open_connections>},
    {"blastdoor_active_requests", "gauge", "exposure", "Requests that are being served.",
     worker_cell<&WorkerStats::active_requests>},
    {"blastdoor_idle_upstream", "gauge", "exposure", "Idle connections in the pools of upstreams.",
     worker_cell<&WorkerStats::idle_upstream>},
    {"blastdoor_request_duration_seconds", "histogram", "exposure",
     "From the first byte of a request to the head of its response.", print_durations},
};

void print_header(std::string& out, std::string_view name, std::string_view type,
                  std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help);
  out.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

std::string counter_name(const telemetry::CounterInfo& counter) {
  return fmt::format("blastdoor_{}_total", counter.name);
}

std::string print(const View& view) {
  std::string out;
  for (const Family& family : kFamilies) {
    print_header(out, family.name, family.type, family.help);
    Samples samples(out, family.name);
    family.print(samples, view);
  }
  for (const telemetry::CounterInfo& counter : telemetry::counters()) {
    const std::string name = counter_name(counter);
    print_header(out, name, "counter", counter.help);
    Samples samples(out, name);
    const auto index = static_cast<std::size_t>(counter.counter);
    per_door(samples, view, [&](const DoorStats& stats) {
      return sum_of_workers(
          stats, [&](const WorkerStats& worker) -> const Cell& { return worker.counters[index]; });
    });
  }
  return out;
}

constexpr std::string_view kIntroduction = R"(# Metrics

<!-- Generated from src/admin/metrics.cc and src/telemetry/stats.cc; the unit tests of admin rewrite it with
BLASTDOOR_BLESS=1. -->

`GET /metrics` on the metrics port answers in the Prometheus text format 0.0.4. Label values come from the configuration
and from fixed words, never from a request: no client can add a series. `exposure` names the door.

The numbers of a door outlive it and the controller, so counters do not start again when either restarts.
)";

void add_row(std::string& out, std::string_view name, std::string_view type,
             std::string_view labels, std::string_view help) {
  fmt::format_to(std::back_inserter(out), "| `{}` | {} | {} | {} |\n", name, type, labels, help);
}

}  // namespace

Response metrics(const Request& request, const View& view) {
  if (!is_read(request.method)) return method_refused();
  if (request.target.substr(0, request.target.find('?')) != "/metrics") {
    static constexpr std::array<std::string_view, 1> paths = {"/metrics"};
    return not_found(paths);
  }
  return {200, "text/plain; version=0.0.4; charset=utf-8", print(view)};
}

std::string metrics_reference() {
  constexpr std::string_view head = "\n| name | type | labels | meaning |\n|---|---|---|---|\n";
  std::string out(kIntroduction);
  out.append("\n## State and load\n").append(head);
  for (const Family& family : kFamilies)
    add_row(out, family.name, family.type, family.labels, family.help);
  out.append("\n## What happened at a door\n").append(head);
  for (const telemetry::CounterInfo& counter : telemetry::counters()) {
    add_row(out, counter_name(counter), "counter", "exposure", counter.help);
  }
  return out;
}

}  // namespace bd::admin
