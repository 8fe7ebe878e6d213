#include "translate/material.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace bd::translate {
namespace {

bool is_ours(std::string_view name) {
  return name.starts_with(model::kFileUnit) || name == kSystemBundle;
}

/// Puts what `names` says into `units`: from `known`, or else `missing`, if there is such.
template <class Unit>
void fill(const std::set<std::string>& names,
          const std::map<std::string, std::shared_ptr<const Unit>>& known,
          const std::shared_ptr<const Unit>& missing,
          std::map<std::string, std::shared_ptr<const Unit>>& units) {
  std::erase_if(
      units, [&](const auto& unit) { return is_ours(unit.first) && !names.contains(unit.first); });
  for (const std::string& name : names) {
    const auto found = known.find(name);
    const auto& unit = found == known.end() ? missing : found->second;
    if (unit != nullptr) {
      units.insert_or_assign(name, unit);
    } else {
      units.erase(name);
    }
  }
}

/// Certificates that the configuration names, whether their files are there or not.
std::set<std::string> certificates_of(const model::Exposure& exposure) {
  std::set<std::string> out;
  for (const model::Listener& listener : exposure.listeners) {
    if (listener.tls.mode == model::TlsMode::secrets) continue;  // The Ingresses say which.
    for (const model::CertificateFiles& files : listener.tls.files) {
      out.insert(model::file_unit(files.certificate));
    }
  }
  return out;
}

/// Bundles that the configuration names.
std::set<std::string> bundles_of(const model::Exposure& exposure) {
  std::set<std::string> out;
  const auto add = [&](const std::string& name) {
    if (is_ours(name)) out.insert(name);
  };
  for (const model::Listener& listener : exposure.listeners) {
    add(listener.tls.policy.client_ca);
    for (const auto& [host, policy] : listener.tls.hosts) add(policy.client_ca);
  }
  return out;
}

void add_certificates(const model::Exposure& exposure, const Material& material,
                      snapshot::Door& door) {
  for (const model::Listener& listener : exposure.listeners) {
    if (listener.tls.mode == model::TlsMode::secrets) continue;
    std::vector<std::string> served;
    for (const model::CertificateFiles& files : listener.tls.files) {
      std::string name = model::file_unit(files.certificate);
      if (material.certificates.contains(name)) served.push_back(std::move(name));
    }
    if (served.empty()) {
      door.served_certificates.erase(listener.name);
    } else {
      door.served_certificates.insert_or_assign(listener.name, std::move(served));
    }
  }
  fill(certificates_of(exposure), material.certificates, {}, door.certificates);
}

void add_bundles(const model::Exposure& exposure, const Material& material, snapshot::Door& door) {
  std::set<std::string> names = bundles_of(exposure);
  for (const auto& [key, upstream] : door.upstreams) {
    if (is_ours(upstream.ca)) names.insert(upstream.ca);
  }
  static const auto nobody = std::make_shared<const std::string>();
  fill(names, material.bundles, nobody, door.bundles);
}

}  // namespace

bool ends_tls(const model::Exposure& exposure) {
  return std::ranges::any_of(exposure.listeners, [](const model::Listener& listener) {
    return listener.tls.mode != model::TlsMode::off;
  });
}

Room room_of(const model::Exposure& exposure) {
  constexpr std::size_t max = model::kCertificatesPerDoorMax;
  const std::size_t bundles = bundles_of(exposure).size() + 1;  // The system's.
  return {max - std::min(max, certificates_of(exposure).size()), max - std::min(max, bundles)};
}

std::string too_many(std::string_view kind, std::size_t room) {
  return fmt::format("The door has {} {} already, and room for no more.", room, kind);
}

void add_material(const model::Exposure& exposure, const Material& material, snapshot::Door& door) {
  add_certificates(exposure, material, door);
  add_bundles(exposure, material, door);
  const auto keys = material.ticket_keys.find(exposure.name);
  door.ticket_keys.clear();
  if (keys != material.ticket_keys.end() && ends_tls(exposure)) door.ticket_keys = keys->second;
}

model::Exposure for_door(model::Exposure exposure) {
  for (model::Listener& listener : exposure.listeners) listener.tls.files.clear();
  return exposure;
}

}  // namespace bd::translate
