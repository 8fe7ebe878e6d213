#include "translate/upstreams.h"

#include "translate/contact.h"

namespace bd::translate {

model::Action Upstreams::answer(const model::Forward& forward) {
  const std::string& key = forward.upstream;
  if (door_.upstreams.contains(key)) return forward;
  const auto [refused, is_new] = refused_.try_emplace(key);
  if (is_new) refused->second = add(key, targets_.at(key));
  if (!refused->second.empty()) return model::Refuse{refused->second};
  refused_.erase(refused);
  return forward;
}

std::string Upstreams::add(const std::string& key, const Target& target) {
  const Contact contact =
      read_contact(*target.service, *target.port, {door_.exposure.name}, findings_);
  if (!contact.refused.empty()) return contact.refused;
  model::Upstream upstream{key};
  upstream.protocol = contact.protocol;
  upstream.tls = contact.tls;
  upstream.server_name = contact.server_name;
  upstream.proxy_header = contact.proxy_header;
  if (contact.tls == model::UpstreamTls::verify) upstream.ca = "system";
  door_.upstreams.emplace(key, std::move(upstream));
  return {};
}

}  // namespace bd::translate
