#include "proxy/tls_listener.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace bd::proxy {
namespace {

tls::Version to_tls(model::TlsVersion version) {
  return version == model::TlsVersion::tls13 ? tls::Version::tls13 : tls::Version::tls12;
}

tls::ClientAuth to_tls(model::ClientCertificate client) {
  switch (client) {
    case model::ClientCertificate::none:
      return tls::ClientAuth::none;
    case model::ClientCertificate::optional:
      return tls::ClientAuth::optional;
    case model::ClientCertificate::required:
      break;
  }
  return tls::ClientAuth::required;
}

std::shared_ptr<const std::string> bundle_of(const snapshot::Door& door, const std::string& key) {
  const auto found = door.bundles.find(key);
  return found == door.bundles.end() ? nullptr : found->second;
}

/// The CA bundle of a policy that asks for certificates. One that is empty, or missing, trusts
/// nobody: a CA stands for it whose key was thrown away.
std::string bundle_text(const snapshot::Door& door, const model::TlsPolicy& policy) {
  if (policy.client == model::ClientCertificate::none) return {};
  const auto bundle = bundle_of(door, policy.client_ca);
  if (bundle != nullptr && !bundle->empty()) return *bundle;
  const auto nobody = tls::self_signed({}, 1);
  return nobody ? nobody->chain : std::string();
}

std::vector<tls::TicketKey> ticket_keys(const std::vector<std::string>& keys) {
  std::vector<tls::TicketKey> out;
  for (const std::string& key : keys) {
    tls::TicketKey one{};
    if (key.size() != one.size()) continue;
    std::copy(key.begin(), key.end(), one.begin());
    out.push_back(one);
  }
  return out;
}

}  // namespace

void TlsListener::update(const model::Listener& listener, const snapshot::Door& door) {
  if (listener.tls.mode == model::TlsMode::off) {
    *this = TlsListener();
    return;
  }
  Certificates certificates;
  if (const auto served = door.served_certificates.find(listener.name);
      served != door.served_certificates.end()) {
    for (const std::string& key : served->second) {
      const auto found = door.certificates.find(key);
      if (found != door.certificates.end()) certificates.push_back(found->second);
    }
  }
  std::vector<std::shared_ptr<const std::string>> bundles = {
      bundle_of(door, listener.tls.policy.client_ca)};
  for (const auto& [host, policy] : listener.tls.hosts) {
    bundles.push_back(bundle_of(door, policy.client_ca));
  }
  const bool same = context_ != nullptr && tls_ == listener.tls && certificates_ == certificates &&
                    bundles_ == bundles;
  const bool same_tickets = std::exchange(tickets_, door.ticket_keys) == door.ticket_keys;
  tls_ = listener.tls;
  if (!same) {
    rebuild(door, certificates);
    certificates_ = std::move(certificates);
    bundles_ = std::move(bundles);
  } else if (!same_tickets) {
    context_->set_tickets(ticket_keys(tickets_));
  }
}

void TlsListener::rebuild(const snapshot::Door& door, const Certificates& certificates) {
  tls::ServerOptions options;
  auto before = std::exchange(pairs_, {});
  for (const auto& certificate : certificates) {
    auto known = before.find(certificate);
    auto pair = known != before.end() ? known->second
                                      : std::make_shared<const tls::KeyPair>(
                                            tls::KeyPair{certificate->chain, certificate->key});
    options.certificates.push_back(pair);
    pairs_.emplace(certificate, std::move(pair));
  }
  // Names that no Secret is for get an answer too: one that says by itself what it is.
  options.self_signed = tls_.mode != model::TlsMode::files || certificates.empty();
  options.min_version = to_tls(tls_.policy.min_version);
  options.client_auth = to_tls(tls_.policy.client);
  options.client_ca = bundle_text(door, tls_.policy);
  for (const auto& [host, policy] : tls_.hosts) {
    options.hosts.push_back(
        {host, to_tls(policy.min_version), to_tls(policy.client), bundle_text(door, policy)});
  }
  options.tickets = ticket_keys(tickets_);
  auto made = tls::ServerContext::create(options, context_.get());
  if (made) {
    context_ = *std::move(made);
  } else {
    log::error("TLS: " + made.error());
  }
}

}  // namespace bd::proxy
