// What encrypts, as messages: listeners' TLS, certificates, bundles, ticket keys.

#include <algorithm>
#include <set>

#include "snapshot/convert.h"
#include "snapshot/convert_parts.h"
#include "snapshot/snapshot.pb.h"

namespace bd::snapshot {
namespace {

// What is declared here must not hide the overloads of the room.
using snapshot::read;
using snapshot::write;

constexpr Pairing<model::TlsMode, pb::TlsMode> kModes[] = {
    {model::TlsMode::off, pb::TLS_MODE_OFF},
    {model::TlsMode::self_signed, pb::TLS_MODE_SELF_SIGNED},
    {model::TlsMode::files, pb::TLS_MODE_FILES},
    {model::TlsMode::secrets, pb::TLS_MODE_SECRETS},
};
constexpr Pairing<model::TlsVersion, pb::TlsVersion> kVersions[] = {
    {model::TlsVersion::tls12, pb::TLS_VERSION_12},
    {model::TlsVersion::tls13, pb::TLS_VERSION_13},
};
constexpr Pairing<model::ClientCertificate, pb::ClientCertificate> kClients[] = {
    {model::ClientCertificate::none, pb::CLIENT_CERTIFICATE_NONE},
    {model::ClientCertificate::optional, pb::CLIENT_CERTIFICATE_OPTIONAL},
    {model::ClientCertificate::required, pb::CLIENT_CERTIFICATE_REQUIRED},
};

void write(const model::TlsPolicy& value, pb::TlsPolicy& out) {
  out.set_min_version(to_wire(kVersions, value.min_version));
  out.set_client(to_wire(kClients, value.client));
  out.set_client_ca(value.client_ca);
}

Read<model::TlsPolicy> read(const pb::TlsPolicy& in) {
  BD_READ(version, from_wire(kVersions, in.min_version(), "min_version"));
  BD_READ(client, from_wire(kClients, in.client(), "client"));
  const bool needs_ca = client != model::ClientCertificate::none;
  if (needs_ca ? !is_unit_name(in.client_ca()) : !in.client_ca().empty()) {
    return std::unexpected(std::string("client_ca: does not fit client"));
  }
  return model::TlsPolicy{version, client, in.client_ca()};
}

/// Exact or `*.example.com`, in normal form.
bool is_host(const std::string& text) {
  const auto host = model::HostPattern::parse(text);
  return host && host->kind != model::HostPattern::Kind::any && host->text() == text;
}

const std::string* find_broken_policy(const model::Tls& tls, const Door& door) {
  const auto is_broken = [&](const model::TlsPolicy& policy) {
    return !policy.client_ca.empty() && !door.bundles.contains(policy.client_ca);
  };
  if (is_broken(tls.policy)) return &tls.policy.client_ca;
  for (const auto& [host, policy] : tls.hosts) {
    if (is_broken(policy)) return &policy.client_ca;
  }
  return nullptr;
}

std::optional<BrokenTls> find_broken_listener(const Door& door) {
  for (const auto& [listener, names] : door.served_certificates) {
    const std::string object = "certificates of " + listener;
    const auto& listeners = door.exposure.listeners;
    if (std::ranges::find(listeners, listener, &model::Listener::name) == listeners.end()) {
      return BrokenTls{object, "no such listener"};
    }
    for (const std::string& name : names) {
      if (!door.certificates.contains(name)) {
        return BrokenTls{object, "serves an unknown certificate: " + name};
      }
    }
  }
  for (const model::Listener& listener : door.exposure.listeners) {
    if (const std::string* name = find_broken_policy(listener.tls, door)) {
      return BrokenTls{"TLS of " + listener.name, "trusts an unknown bundle: " + *name};
    }
  }
  return std::nullopt;
}

}  // namespace

void write(const model::Tls& value, pb::Tls& out) {
  out.set_mode(to_wire(kModes, value.mode));
  write(value.policy, *out.mutable_policy());
  for (const auto& [host, policy] : value.hosts) {
    pb::Tls::Host& message = *out.add_hosts();
    message.set_host(host);
    write(policy, *message.mutable_policy());
  }
}

Read<model::Tls> read(const pb::Tls& in) {
  model::Tls out;
  BD_READ(mode, from_wire(kModes, in.mode(), "mode"));
  BD_READ(policy, in_field("policy", read(in.policy())));
  out.mode = mode;
  out.policy = std::move(policy);
  if (std::cmp_greater(in.hosts_size(), model::kTlsHostsMax)) {
    return std::unexpected(std::string("hosts: too many"));
  }
  for (const pb::Tls::Host& message : in.hosts()) {
    const std::string field = fmt::format("hosts[{}]", out.hosts.size());
    if (!is_host(message.host())) return std::unexpected(field + ".host: not in normal form");
    if (!out.hosts.empty() && message.host() <= out.hosts.rbegin()->first) {
      return std::unexpected(field + ": out of order");
    }
    BD_READ(own, in_field(field, read(message.policy())));
    out.hosts.emplace(message.host(), std::move(own));
  }
  return out;
}

void write(const std::string& name, const model::Certificate& value, pb::Certificate& out) {
  out.set_name(name);
  out.set_chain(value.chain);
  out.set_key(value.key);
}

Read<Named<model::Certificate>> read(const pb::Certificate& in) {
  if (!is_unit_name(in.name())) return std::unexpected(std::string("name: empty or too long"));
  if (in.chain().empty() || in.chain().size() > model::kCertificateChainMax) {
    return std::unexpected(std::string("chain: empty or too long"));
  }
  if (in.key().empty() || in.key().size() > model::kCertificateKeyMax) {
    return std::unexpected(std::string("key: empty or too long"));
  }
  return Named<model::Certificate>{in.name(), {in.chain(), in.key()}};
}

void write(const std::string& listener, const std::vector<std::string>& names,
           pb::ServedCertificates& out) {
  out.set_listener(listener);
  for (const std::string& name : names) out.add_names(name);
}

Read<Named<std::vector<std::string>>> read(const pb::ServedCertificates& in) {
  if (!is_name(in.listener())) return std::unexpected(std::string("listener: empty or too long"));
  if (std::cmp_greater(in.names_size(), model::kCertificatesPerDoorMax)) {
    return std::unexpected(std::string("names: too many"));
  }
  std::set<std::string_view> seen;
  for (const std::string& name : in.names()) {
    if (!is_unit_name(name)) return std::unexpected(std::string("names: empty or too long"));
    if (!seen.insert(name).second) return std::unexpected("names: there twice: " + name);
  }
  return Named<std::vector<std::string>>{in.listener(), {in.names().begin(), in.names().end()}};
}

void write(const std::string& name, const std::string& pem, pb::Bundle& out) {
  out.set_name(name);
  out.set_pem(pem);
}

Read<Named<std::string>> read(const pb::Bundle& in) {
  if (!is_unit_name(in.name())) return std::unexpected(std::string("name: empty or too long"));
  if (in.pem().size() > model::kCaBundleMax) return std::unexpected(std::string("pem: too long"));
  return Named<std::string>{in.name(), in.pem()};
}

void write(const std::vector<std::string>& ticket_keys, pb::TicketKeys& out) {
  for (const std::string& key : ticket_keys) out.add_keys(key);
}

Read<std::vector<std::string>> read(const pb::TicketKeys& in) {
  if (std::cmp_greater(in.keys_size(), model::kTicketKeysMax)) {
    return std::unexpected(std::string("keys: too many"));
  }
  for (const std::string& key : in.keys()) {
    if (key.size() != model::kTicketKeyBytes) {
      return std::unexpected(std::string("keys: one of a wrong size"));
    }
  }
  return std::vector<std::string>(in.keys().begin(), in.keys().end());
}

std::optional<BrokenTls> find_broken_tls(const Door& door) {
  for (const std::size_t count : {door.certificates.size(), door.bundles.size()}) {
    if (count > model::kCertificatesPerDoorMax) return BrokenTls{"certificates", "too many"};
  }
  for (const auto& [key, upstream] : door.upstreams) {
    const std::string object = "upstream " + key;
    if (!upstream.ca.empty() && !door.bundles.contains(upstream.ca)) {
      return BrokenTls{object, "trusts an unknown bundle: " + upstream.ca};
    }
    const std::string& own = upstream.client_certificate;
    if (!own.empty() && !door.certificates.contains(own)) {
      return BrokenTls{object, "shows an unknown certificate: " + own};
    }
  }
  return find_broken_listener(door);
}

}  // namespace bd::snapshot
