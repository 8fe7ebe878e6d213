#include "proxy/tls_facts.h"

#include <fmt/format.h>

namespace bd::proxy {

std::string describe_client(const tls::Session& session) {
  const tls::Peer* peer = session.client_certificate();
  if (peer == nullptr || !peer->verified) return {};
  // A name may hold what would end the quoted string.
  std::string subject;
  for (const char c : peer->subject) {
    if (c == '"' || c == '\\') subject.push_back('\\');
    if (static_cast<unsigned char>(c) >= ' ' && c != 0x7f) subject.push_back(c);
  }
  return fmt::format("Hash={};Serial={};Subject=\"{}\"", peer->sha256, peer->serial, subject);
}

const model::TlsPolicy& tls_policy(const model::Tls& tls, std::string_view host) {
  auto found = tls.hosts.find(std::string(host));
  if (found == tls.hosts.end()) {
    const std::size_t dot = host.find('.');
    if (dot != std::string_view::npos) {
      found = tls.hosts.find("*" + std::string(host.substr(dot)));
    }
  }
  return found == tls.hosts.end() ? tls.policy : found->second;
}

}  // namespace bd::proxy
