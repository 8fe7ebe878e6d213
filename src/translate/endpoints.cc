#include "translate/endpoints.h"

#include <algorithm>
#include <tuple>

#include "base/hash.h"
#include "translate/traffic.h"

namespace bd::translate {
namespace {

using model::Severity;

enum class Condition { ready, last_resort };

bool has(const kube::EndpointSlice::Endpoint& endpoint, Condition condition) {
  if (condition == Condition::ready) return endpoint.ready && !endpoint.terminating;
  return endpoint.serving && endpoint.terminating;
}

class Collector {
 public:
  Collector(const Target& target, const std::vector<SocketAddress>& own, Findings& findings)
      : target_(target), own_(own), findings_(findings) {}

  std::vector<model::Endpoint> collect(Condition condition) {
    std::vector<model::Endpoint> out;
    for (const kube::EndpointSlice* slice : target_.backends->slices_of(*target_.service)) {
      for (const kube::EndpointSlice::Port& port : slice->ports) {
        if (port.name == target_.port->name && port.protocol == "TCP" && port.port != 0) {
          add(*slice, port.port, condition, out);
        }
      }
    }
    // Of one address in two slices the one with a name is taken, then the heavier.
    std::ranges::sort(out, [](const model::Endpoint& a, const model::Endpoint& b) {
      return std::tie(a.address, b.identity, b.weight) < std::tie(b.address, a.identity, a.weight);
    });
    const auto twice = std::ranges::unique(out, {}, &model::Endpoint::address);
    out.erase(twice.begin(), twice.end());
    return out;
  }

 private:
  void add(const kube::EndpointSlice& slice, std::uint16_t port, Condition condition,
           std::vector<model::Endpoint>& out) {
    const std::uint32_t weight = read_weight(slice, findings_);
    for (std::size_t i = 0; i < slice.endpoints.size(); ++i) {
      const kube::EndpointSlice::Endpoint& endpoint = slice.endpoints[i];
      if (!has(endpoint, condition)) continue;
      for (std::size_t j = 0; j < endpoint.addresses.size(); ++j) {
        const auto ip = IpAddress::parse(endpoint.addresses[j]);
        std::optional<AddressProblem> problem = AddressProblem{
            "endpoint-address",
            fmt::format("{} is no IP address.", backquoted(endpoint.addresses[j])),
            "Names are not resolved: slices of address type FQDN have no endpoints here."};
        if (ip)
          problem = refuse_address({*ip, port}, target_.backends->source().allow_loopback, own_);
        if (!problem) {
          out.push_back({{*ip, port}, identity(slice, endpoint), weight});
          continue;
        }
        findings_.add({Severity::refused,
                       problem->code,
                       slice.meta.ref,
                       fmt::format("endpoints[{}].addresses[{}]", i, j),
                       problem->what,
                       problem->hint,
                       {}});
      }
    }
  }

  /// A pod of a StatefulSet keeps its name, and what it knows of a session, when its address
  /// changes.
  static std::uint64_t identity(const kube::EndpointSlice& slice,
                                const kube::EndpointSlice::Endpoint& endpoint) {
    if (endpoint.pod.empty()) return 0;
    return hash64(slice.meta.ref.ns + "/" + endpoint.pod);
  }

  const Target& target_;
  const std::vector<SocketAddress>& own_;
  Findings& findings_;
};

/// A dual-stack Service has each pod twice, once per family. The Service's own address tells the
/// primary one.
void keep_primary_family(const kube::Service& service, std::vector<model::Endpoint>& endpoints) {
  const auto primary = IpAddress::parse(service.cluster_ip);
  if (!primary) return;
  const auto is_primary = [&](const model::Endpoint& e) {
    return e.address.ip.is_v4() == primary->is_v4();
  };
  if (std::ranges::none_of(endpoints, is_primary)) return;
  std::erase_if(endpoints, [&](const model::Endpoint& e) { return !is_primary(e); });
}

}  // namespace

std::vector<SocketAddress> own_addresses(const config::Config& config,
                                         const std::vector<IpAddress>& node_addresses) {
  std::vector<IpAddress> node = node_addresses;
  for (const std::string& text : config.node_addresses) {
    if (const auto ip = IpAddress::parse(text)) node.push_back(*ip);
  }
  std::vector<SocketAddress> out;
  const auto add = [&](const SocketAddress& bind, bool on_node) {
    if (bind.port == 0) return;
    out.push_back(bind);
    if (!on_node && !bind.ip.is_unspecified()) return;
    for (const IpAddress& ip : node) out.push_back({ip, bind.port});
  };
  for (const model::Exposure& exposure : config.exposures) {
    // A host port leads to a listener whatever address it is bound to.
    for (const model::Listener& listener : exposure.listeners) add(listener.bind, true);
  }
  for (const SocketAddress& bind : {config.admin, config.probes, config.metrics}) add(bind, false);
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::optional<AddressProblem> refuse_address(const SocketAddress& address, bool allow_loopback,
                                             const std::vector<SocketAddress>& own) {
  if (snapshot::is_denied(own, address)) {
    return AddressProblem{
        "endpoint-own-address",
        fmt::format("{} is an address of this Blastdoor: doors are never chained.", address.text()),
        "Point the EndpointSlice at the application."};
  }
  const auto refuse = [&](std::string_view kind, std::string hint) {
    return AddressProblem{"endpoint-address",
                          fmt::format("{} is {} and is never connected to.", address.text(), kind),
                          std::move(hint)};
  };
  if (address.ip.is_unspecified()) return refuse("the unspecified address", "");
  if (address.ip.is_multicast()) return refuse("a multicast or broadcast address", "");
  if (address.ip.is_link_local())
    return refuse("a link-local address", "Metadata services live there.");
  if (address.ip.is_loopback() && !allow_loopback) {
    return refuse("a loopback address",
                  "A manifests source may allow it: allow_loopback, or --allow-loopback.");
  }
  return std::nullopt;
}

std::vector<model::Endpoint> endpoints(const Target& target, const std::vector<SocketAddress>& own,
                                       Findings& findings) {
  Collector collector(target, own, findings);
  std::vector<model::Endpoint> out = collector.collect(Condition::ready);
  if (out.empty()) out = collector.collect(Condition::last_resort);
  keep_primary_family(*target.service, out);
  if (out.size() > model::kEndpointsPerUpstreamMax) {
    findings.add({Severity::warning,
                  "endpoints-max",
                  target.service->meta.ref,
                  "",
                  fmt::format("Port {} has {} endpoints; the first {} are used.", target.port->port,
                              out.size(), model::kEndpointsPerUpstreamMax),
                  "",
                  {}});
    out.resize(model::kEndpointsPerUpstreamMax);
  }
  return out;
}

}  // namespace bd::translate
