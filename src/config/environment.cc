#include "config/environment.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "config/checks.h"

namespace bd::config {
namespace {

/// `80_TCP`, `80_TCP_ADDR`: what follows _PORT_ in an injected name.
bool is_port_detail(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && ascii::is_digit(text[digits])) ++digits;
  if (digits == 0) return false;
  text.remove_prefix(digits);
  for (const std::string_view protocol : {"_TCP", "_UDP", "_SCTP"}) {
    if (!text.starts_with(protocol)) continue;
    const std::string_view rest = text.substr(protocol.size());
    if (rest.empty() || rest == "_PROTO" || rest == "_PORT" || rest == "_ADDR") return true;
  }
  return false;
}

std::optional<std::size_t> main_listener(const model::Exposure& exposure) {
  if (exposure.listeners.size() == 1) return 0;
  for (std::size_t i = 0; i < exposure.listeners.size(); ++i) {
    if (exposure.listeners[i].name == "main") return i;
  }
  return std::nullopt;
}

Meaning meaning_in(const Key& key, std::size_t exposure, const Config& config) {
  constexpr std::string_view above = "exposures[].";
  constexpr std::string_view within = "exposures[].listeners[].";
  Meaning out{&key, {}, exposure, main_listener(config.exposures[exposure])};
  if (!key.path.starts_with(within)) {
    out.listener =
        0;  // The key is the exposure's own: whichever listener there is does not matter.
    out.path = exposure_path(exposure) + "." + std::string(key.path.substr(above.size()));
  } else {
    out.path = listener_path(exposure, out.listener.value_or(0)) + "." +
               std::string(key.path.substr(within.size()));
  }
  return out;
}

}  // namespace

bool is_injected(std::string_view name, std::string_view value) {
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT")) return true;
  if (name.find("_SERVICE_PORT_") != name.npos) return true;
  if (name.ends_with("_PORT")) {
    for (const std::string_view scheme : {"tcp://", "udp://", "sctp://"}) {
      if (value.starts_with(scheme)) return true;
    }
  }
  constexpr std::string_view port = "_PORT_";
  for (std::size_t at = name.find(port); at != name.npos; at = name.find(port, at + 1)) {
    if (is_port_detail(name.substr(at + port.size()))) return true;
  }
  return false;
}

std::vector<Meaning> meanings_of(std::string_view name, const Config& config) {
  std::vector<Meaning> out;
  for (const Key& key : schema()) {
    if (!is_per_exposure(key)) {
      if (variable(key, {}) == name) out.push_back({&key, std::string(key.path), {}, {}});
      continue;
    }
    for (std::size_t i = 0; i < config.exposures.size(); ++i) {
      if (variable(key, config.exposures[i].name) == name)
        out.push_back(meaning_in(key, i, config));
    }
  }
  return out;
}

std::string nearest_variable(std::string_view name, const Config& config) {
  constexpr std::string_view prefix =
      "BLASTDOOR_";  // All share it: it must not make any two look alike.
  std::vector<std::string> candidates;
  const auto add = [&](const Key& key, std::string_view exposure) {
    const std::string known = variable(key, exposure);
    if (!known.empty()) candidates.push_back(known.substr(prefix.size()));
  };
  for (const Key& key : schema()) {
    if (!is_per_exposure(key)) add(key, {});
    for (const model::Exposure& exposure : config.exposures) {
      if (is_per_exposure(key)) add(key, exposure.name);
    }
  }
  const std::string near = model::nearest(name.substr(prefix.size()), candidates);
  return near.empty() ? "" : fmt::format("did you mean `{}{}`?", prefix, near);
}

}  // namespace bd::config
