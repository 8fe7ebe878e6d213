#include "tls/certificate.h"

#include <algorithm>

#include "base/address.h"
#include "base/ascii.h"
#include "tls/material.h"

namespace bd::tls {

std::expected<Facts, std::string> inspect(const KeyPair& pair) {
  const auto material = load(pair);
  if (!material) return std::unexpected(material.error());
  return (*material)->facts;
}

std::expected<std::size_t, std::string> inspect_bundle(const std::string& pem) {
  const auto trust = load_trust(pem);
  if (!trust) return std::unexpected(trust.error());
  return (*trust)->size;
}

bool covers(std::span<const std::string> names, std::string_view host) {
  if (const auto address = IpAddress::parse(host)) {
    // An address is never covered by a wildcard.
    return std::ranges::find(names, address->text()) != names.end();
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty()) return false;
  const std::size_t dot = host.find('.');
  return std::ranges::any_of(names, [&](std::string_view name) {
    if (ascii::equal_fold(name, host)) return true;
    return name.starts_with("*.") && dot != std::string_view::npos && dot > 0 &&
           ascii::equal_fold(name.substr(1), host.substr(dot));
  });
}

}  // namespace bd::tls
