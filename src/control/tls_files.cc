#include "control/tls_files.h"

#include <sys/stat.h>

#include <expected>

#include "source/file_text.h"
#include "tls/certificate.h"

namespace bd::control {
namespace {

template <class Value>
using Good = std::expected<Value, std::string>;

/// The text, or why there is none, with the file's name.
Good<std::string> text_of(const std::string& file, std::size_t bytes_max) {
  auto text = source::read_text(file, bytes_max);
  if (text) return *std::move(text);
  return std::unexpected(fmt::format("{}: {}", file, text.error().what));
}

Good<model::Certificate> good_of(const std::vector<std::string>& files, model::Certificate*) {
  auto chain = text_of(files.at(0), model::kCertificateChainMax);
  if (!chain) return std::unexpected(std::move(chain).error());
  auto key = text_of(files.at(1), model::kCertificateKeyMax);
  if (!key) return std::unexpected(std::move(key).error());
  const auto facts = tls::inspect({*chain, *key});
  if (!facts) {
    return std::unexpected(
        fmt::format("{} with the key {}: {}", files.at(0), files.at(1), facts.error()));
  }
  return model::Certificate{*std::move(chain), *std::move(key)};
}

Good<std::string> good_of(const std::vector<std::string>& files, std::string*) {
  auto pem = text_of(files.at(0), model::kCaBundleMax);
  if (!pem) return pem;
  const auto count = tls::inspect_bundle(*pem);
  if (!count) return std::unexpected(fmt::format("{}: {}", files.at(0), count.error()));
  return pem;
}

template <class Unit>
model::Finding unusable(const Unit& unit, std::string_view without) {
  const bool kept = unit.good != nullptr;
  return {kept ? model::Severity::warning : model::Severity::refused,
          "certificate-invalid",
          {"File", "", unit.files.at(0), "", "", 0},
          "",
          unit.failure + ".",
          std::string(kept ? "What was read before stays in force." : without),
          {unit.exposures.begin(), unit.exposures.end()}};
}

}  // namespace

void TlsFiles::use(const config::Config& config) {
  std::map<std::string, Pair> pairs;
  std::map<std::string, Bundle> bundles;
  const auto want_ca = [&](const model::TlsPolicy& policy, const std::string& exposure) {
    if (!policy.client_ca.starts_with(model::kFileUnit)) return;
    Bundle& unit = bundles[policy.client_ca];
    unit.files = {policy.client_ca.substr(model::kFileUnit.size())};
    unit.exposures.insert(exposure);
  };
  for (const model::Exposure& exposure : config.exposures) {
    if (!config.is_enabled(exposure.name)) continue;
    for (const model::Listener& listener : exposure.listeners) {
      for (const model::CertificateFiles& entry : listener.tls.files) {
        Pair& unit = pairs[model::file_unit(entry.certificate)];
        unit.files = {entry.certificate, entry.key};
        unit.exposures.insert(exposure.name);
      }
      want_ca(listener.tls.policy, exposure.name);
      for (const auto& [host, policy] : listener.tls.hosts) want_ca(policy, exposure.name);
    }
  }
  bundles[std::string(translate::kSystemBundle)].files = {config.upstream_ca};
  replace(pairs_, std::move(pairs));
  replace(bundles_, std::move(bundles));
}

/// Units of the same files keep what is known of them.
template <class Value>
void TlsFiles::replace(std::map<std::string, Unit<Value>>& units,
                       std::map<std::string, Unit<Value>> wanted) {
  for (auto& [name, unit] : wanted) {
    const auto known = units.find(name);
    if (known != units.end() && known->second.files == unit.files) {
      known->second.exposures = std::move(unit.exposures);
      unit = std::move(known->second);
    } else {
      // Before it is read: what changes meanwhile is seen at the next look.
      unit.read = unit.seen = look_at(unit.files);
      read(unit);
    }
  }
  units = std::move(wanted);
}

std::vector<TlsFiles::Signature> TlsFiles::look_at(const std::vector<std::string>& files) {
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  std::vector<Signature> out;
  for (const std::string& file : files) {
    struct stat info{};
    Signature& signature = out.emplace_back();
    if (::stat(file.c_str(), &info) != 0) continue;
    signature = {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_mtim),
                 nanoseconds(info.st_ctim)};
  }
  return out;
}

/// True if `good` is another one now.
template <class Value>
bool TlsFiles::read(Unit<Value>& unit) {
  ++reads_;
  auto good = good_of(unit.files, static_cast<Value*>(nullptr));
  if (!good) {
    unit.failure = std::move(good).error();
    failures_.push_back(unit.failure);
    return false;
  }
  unit.failure.clear();
  if (unit.good != nullptr && *unit.good == *good) return false;
  unit.good = std::make_shared<const Value>(*std::move(good));
  return true;
}

template <class Value>
bool TlsFiles::look(std::map<std::string, Unit<Value>>& units) {
  bool changed = false;
  for (auto& [name, unit] : units) {
    const std::vector<Signature> now = look_at(unit.files);
    const bool still = std::exchange(unit.seen, now) == now;
    if (!still || now == unit.read) continue;
    unit.read = now;
    changed |= read(unit);
  }
  return changed;
}

bool TlsFiles::look() {
  const bool pairs = look(pairs_);
  return look(bundles_) || pairs;
}

void TlsFiles::add_to(translate::Material& out) const {
  out.certificates.clear();
  out.bundles.clear();
  for (const auto& [name, pair] : pairs_) {
    if (pair.good != nullptr) out.certificates.emplace(name, pair.good);
  }
  for (const auto& [name, bundle] : bundles_) {
    if (bundle.good != nullptr) out.bundles.emplace(name, bundle.good);
  }
}

std::vector<model::Finding> TlsFiles::findings(bool system_is_used) const {
  std::vector<model::Finding> out;
  for (const auto& [name, pair] : pairs_) {
    if (pair.failure.empty()) continue;
    out.push_back(unusable(pair,
                           "Its names get the other certificates of the listener; without any, a "
                           "self-signed one."));
  }
  for (const auto& [name, bundle] : bundles_) {
    const bool is_system = name == translate::kSystemBundle;
    // Not every machine has one, and not everybody needs it.
    if (bundle.failure.empty()) continue;
    if (is_system && !system_is_used && bundle.files[0] == config::kSystemCa) continue;
    out.push_back(unusable(bundle, is_system ? "Upstreams that are checked by it answer 502."
                                             : "No client certificate counts as good."));
  }
  return out;
}

}  // namespace bd::control
