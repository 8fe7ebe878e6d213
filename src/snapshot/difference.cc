// What changed between two states of a door, in units.

#include <algorithm>

#include "snapshot/snapshot.h"

namespace bd::snapshot {
namespace {

template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}
template <class T>
bool same(const std::shared_ptr<const T>& a, const std::shared_ptr<const T>& b) {
  return a == b || *a == *b;
}

/// Both maps are sorted, so one walk side by side finds what is new, changed or gone.
template <class Key, class T>
void compare(const std::map<Key, T>& before, const std::map<Key, T>& after, std::vector<Key>& put,
             std::vector<Key>* drop) {
  auto b = before.begin();
  for (const auto& [key, value] : after) {
    for (; b != before.end() && b->first < key; ++b) {
      if (drop != nullptr) drop->push_back(b->first);
    }
    const bool known = b != before.end() && b->first == key;
    if (!known || !same(b->second, value)) put.push_back(key);
    if (known) ++b;
  }
  for (; b != before.end() && drop != nullptr; ++b) drop->push_back(b->first);
}

}  // namespace

bool Difference::empty() const {
  return !exposure && !denied && put_hosts.empty() && drop_hosts.empty() && put_upstreams.empty() &&
         drop_upstreams.empty() && put_endpoints.empty() && put_certificates.empty() &&
         drop_certificates.empty() && put_bundles.empty() && drop_bundles.empty() &&
         put_served.empty() && !ticket_keys;
}

Difference difference(const Door& before, const Door& after) {
  Difference out;
  out.exposure = before.exposure != after.exposure;
  out.denied = before.denied != after.denied || before.allow_loopback != after.allow_loopback;
  compare(before.hosts, after.hosts, out.put_hosts, &out.drop_hosts);
  compare(before.upstreams, after.upstreams, out.put_upstreams, &out.drop_upstreams);
  // A dropped upstream takes its endpoints along.
  compare<std::string, std::vector<model::Endpoint>>(before.endpoints, after.endpoints,
                                                     out.put_endpoints, nullptr);
  compare(before.certificates, after.certificates, out.put_certificates, &out.drop_certificates);
  compare(before.bundles, after.bundles, out.put_bundles, &out.drop_bundles);
  std::vector<std::string> gone;
  compare(before.served_certificates, after.served_certificates, out.put_served, &gone);
  out.put_served.insert(out.put_served.end(), gone.begin(), gone.end());
  out.ticket_keys = before.ticket_keys != after.ticket_keys;
  return out;
}

bool is_denied(const std::vector<SocketAddress>& denied, const SocketAddress& address) {
  const bool local = address.ip.is_loopback() || address.ip.is_unspecified();
  return std::any_of(denied.begin(), denied.end(), [&](const SocketAddress& own) {
    return own.port == address.port && (own.ip == address.ip || (local && own.ip.is_unspecified()));
  });
}

}  // namespace bd::snapshot
