#include "translate/translate.h"

#include <algorithm>
#include <deque>

#include "translate/claims.h"
#include "translate/compile.h"
#include "translate/conflicts.h"
#include "translate/endpoints.h"
#include "translate/findings.h"
#include "translate/select.h"

namespace bd::translate {
namespace {

using model::Severity;

std::deque<Backends> index(const kube::ObjectSet& objects) {
  std::deque<Backends> out;
  for (const kube::SourceObjects& source : objects.sources)
    out.emplace_back(source, objects.sources.size() == 1);
  return out;
}

/// An object that was read again may say the same as before.
template <class Unit>
void keep_pointers(const std::map<std::string, std::shared_ptr<const Unit>>& before,
                   std::map<std::string, std::shared_ptr<const Unit>>& now) {
  for (auto& [key, unit] : now) {
    const auto known = before.find(key);
    if (known != before.end() && *known->second == *unit) unit = known->second;
  }
}

class Translation {
 public:
  explicit Translation(const Input& input)
      : input_(input),
        config_(*input.config),
        backends_(index(*input.objects)),
        own_(own_addresses(config_, input.node_addresses)) {}

  snapshot::Snapshot run() && {
    for (const Backends& backends : backends_) read_source(backends);
    for (const Candidate& candidate : candidates_) oldest_first_.push_back(&candidate);
    std::ranges::sort(oldest_first_, [](const Candidate* a, const Candidate* b) {
      return is_older(*a->ingress, *b->ingress);
    });
    for (const model::Exposure& exposure : config_.exposures) {
      // What a disabled exposure refuses is said by the process that serves it.
      Findings unsaid;
      settled_[exposure.name] =
          settle(exposure, oldest_first_, config_.is_enabled(exposure.name) ? findings_ : unsaid);
    }
    for (const model::Exposure& exposure : config_.exposures) {
      if (config_.is_enabled(exposure.name)) add_door(exposure);
    }
    say_where_served();
    out_.findings = std::move(findings_).take();
    return std::move(out_);
  }

 private:
  void read_source(const Backends& backends) {
    const kube::SourceObjects& source = backends.source();
    for (const model::Finding& finding : source.findings) findings_.add(finding);
    for (const kube::Ingress& ingress : source.ingresses) {
      Selection selection = select(ingress, source.classes, config_);
      for (model::Finding& finding : selection.findings) findings_.add(std::move(finding));
      if (selection.exposures.empty()) {
        say_what_hid_the_labels(ingress);
      } else {
        add_candidate(ingress, backends, std::move(selection.exposures));
      }
    }
  }

  /// Labels that can't be read may be why nothing selects it: that is no free choice.
  void say_what_hid_the_labels(const kube::Ingress& ingress) {
    for (const model::Finding& mistake : ingress.mistakes) {
      const bool refused = mistake.severity == Severity::refused;
      if (refused && mistake.field.starts_with("metadata")) findings_.add(mistake);
    }
  }

  void add_candidate(const kube::Ingress& ingress, const Backends& backends,
                     std::vector<std::string> exposures) {
    Candidate& candidate = candidates_.emplace_back();
    candidate.ingress = &ingress;
    candidate.backends = &backends;
    candidate.exposures = std::move(exposures);
    candidate.only_redirects_http = true;
    bool some_http = false;
    for (const std::string& name : candidate.exposures) {
      if (!config_.is_enabled(name)) continue;
      candidate.served.push_back(name);
      const model::Exposure& exposure = *find_exposure(config_, name);
      some_http |= has_listener(exposure, model::Scheme::http);
      candidate.only_redirects_http &= !has_listener(exposure, model::Scheme::https);
    }
    Findings unsaid;
    Findings& findings = candidate.served.empty() ? unsaid : findings_;
    if (candidate.served.empty()) {
      findings_.add({Severity::info,
                     "not-served-here",
                     ingress.meta.ref,
                     "",
                     fmt::format("It selects {}, which this Blastdoor does not serve.",
                                 listed(candidate.exposures)),
                     "The key exposures, or --exposures, says what is served.",
                     {}});
    }
    for (model::Finding mistake : ingress.mistakes) {
      mistake.exposures = candidate.served;
      findings.add(std::move(mistake));
    }
    const Wishes wishes = read_annotations(ingress.meta, candidate.served, findings);
    if (wishes.redirect == RedirectWish::https && !some_http) {
      findings.add({Severity::warning, "redirect-ignored", ingress.meta.ref,
                    fmt::format("metadata.annotations[{}]", model::kRedirectAnnotation),
                    "The Ingress selects no exposure for http, so there is nothing to redirect.",
                    "", candidate.served});
    }
    say_tls_ignored(candidate, config_, findings);
    claim(candidate, wishes, targets_, findings);
  }

  void add_door(const model::Exposure& exposure) {
    auto door = std::make_shared<snapshot::Door>();
    door->exposure = for_door(exposure);
    door->denied = own_;
    door->allow_loopback =
        std::ranges::any_of(input_.objects->sources, &kube::SourceObjects::allow_loopback);
    const snapshot::Door* previous = nullptr;
    if (input_.previous != nullptr) {
      const auto found = input_.previous->doors.find(exposure.name);
      if (found != input_.previous->doors.end()) previous = found->second.get();
    }
    const auto twin =
        exposure.redirect_twin ? settled_.find(*exposure.redirect_twin) : settled_.end();
    const Settled& own = settled_[exposure.name];
    const Room room = room_of(exposure);
    const Barred& barred = barred_[exposure.name] =
        serve_certificates(own, oldest_first_, room.certificates, findings_, *door);
    Upstreams upstreams(config_, targets_, room, findings_, *door);
    compile(config_, own, twin == settled_.end() ? nullptr : &twin->second, previous, barred,
            upstreams, *door);
    if (previous != nullptr) {
      keep_pointers(previous->certificates, door->certificates);
      keep_pointers(previous->bundles, door->bundles);
    }
    for (const auto& [key, upstream] : door->upstreams) add_endpoints(key, *door);
    // Last: by now all that names a bundle is there.
    static const Material none;
    add_material(exposure, input_.material == nullptr ? none : *input_.material, *door);
    out_.doors.emplace(exposure.name, std::move(door));
  }

  void add_endpoints(const std::string& key, snapshot::Door& door) {
    const Target& target = targets_.at(key);
    auto found = endpoints_.find(key);
    if (found == endpoints_.end()) {
      found = endpoints_.emplace(key, endpoints(target, own_, findings_)).first;
    }
    door.endpoints.emplace(key, found->second);
    if (found->second.empty()) say_no_endpoints(target, door.exposure.name);
  }

  [[nodiscard]] bool is_barred_everywhere(const snapshot::Door& door, const Won& won,
                                          const model::HostPattern& host) {
    const Barred& barred = barred_[door.exposure.name];
    return std::ranges::all_of(door.exposure.listeners, [&](const model::Listener& listener) {
      return barred.contains({listener.name, won.candidate, host});
    });
  }

  void say_no_endpoints(const Target& target, const std::string& exposure);
  void say_where_served();

  const Input& input_;
  const config::Config& config_;
  std::deque<Backends> backends_;
  std::vector<SocketAddress> own_;
  std::deque<Candidate> candidates_;
  std::vector<const Candidate*> oldest_first_;
  Targets targets_;
  std::map<std::string, Settled> settled_;
  std::map<std::string, Barred> barred_;
  std::map<std::string, std::vector<model::Endpoint>> endpoints_;
  Findings findings_;
  snapshot::Snapshot out_;
};

/// Said of the Service: it is what has to be mended, however many Ingresses lead to it.
void Translation::say_no_endpoints(const Target& target, const std::string& exposure) {
  const auto& slices = target.backends->slices_of(*target.service);
  std::string hint = "It has no EndpointSlice.";
  if (!slices.empty()) {
    const std::string& name = target.port->name;
    hint = fmt::format("Its EndpointSlices have no usable address for {}.",
                       name.empty() ? "a port without a name" : fmt::format("port `{}`", name));
  }
  findings_.add(
      {Severity::warning,
       "no-endpoints",
       target.service->meta.ref,
       "",
       fmt::format("Port {} has no endpoint: requests are answered with 503.", target.port->port),
       std::move(hint),
       {exposure}});
}

/// One finding for an Ingress, or one per group of exposures if they serve different hosts of it.
void Translation::say_where_served() {
  std::map<const Candidate*, std::map<std::string, std::vector<std::string>>> hosts_of;
  for (const auto& [name, door] : out_.doors) {
    for (const auto& [host, paths] : settled_[name]) {
      for (const auto& [path, won] : paths) {
        const auto* forward = std::get_if<model::Forward>(&won.claim->action);
        const bool forwards = forward != nullptr && door->upstreams.contains(forward->upstream) &&
                              !is_barred_everywhere(*door, won, host);
        const bool answers = won.claim->redirects || forwards;
        std::vector<std::string>& hosts = hosts_of[won.candidate][name];
        if (answers && (hosts.empty() || hosts.back() != host.text())) hosts.push_back(host.text());
      }
    }
  }
  for (const auto& [candidate, by_exposure] : hosts_of) {
    std::map<std::vector<std::string>, std::vector<std::string>> groups;
    for (const auto& [name, hosts] : by_exposure) groups[hosts].push_back(name);
    for (auto& [hosts, names] : groups) {
      if (hosts.empty()) continue;
      findings_.add({Severity::served, "served", candidate->ingress->meta.ref, "",
                     fmt::format("Served on {}: {}.", listed(names), listed(hosts)), "", names});
    }
  }
}

}  // namespace

snapshot::Snapshot translate(const Input& input) {
  return Translation(input).run();
}

std::map<std::string, std::vector<model::Endpoint>> endpoints_of(
    const Input& input, const std::set<ServiceName>& services) {
  const std::vector<SocketAddress> own = own_addresses(*input.config, input.node_addresses);
  Findings unsaid;  // Findings are the business of the whole translation.
  std::map<std::string, std::vector<model::Endpoint>> out;
  for (const kube::SourceObjects& source : input.objects->sources) {
    Backends::Names wanted;
    for (const ServiceName& service : services) {
      if (service.source == source.source) wanted.emplace(service.ns, service.name);
    }
    if (wanted.empty()) continue;
    const Backends backends(source, input.objects->sources.size() == 1, &wanted);
    for (const Target& target : backends.all()) {
      out.emplace(target.upstream, endpoints(target, own, unsaid));
    }
  }
  return out;
}

}  // namespace bd::translate
