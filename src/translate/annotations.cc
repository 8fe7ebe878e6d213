#include "translate/annotations.h"

#include <algorithm>

#include "model/exposure.h"
#include "translate/contact.h"

namespace bd::translate {
namespace {

using model::Severity;

constexpr std::string_view kPrefix = "blastdoor.io/";
// Controllers whose annotations change what an Ingress means: without them it may be served with
// less protection than its author thinks.
constexpr std::string_view kForeignPrefixes[] = {"nginx.ingress.kubernetes.io/",
                                                 "nginx.org/",
                                                 "traefik.ingress.kubernetes.io/",
                                                 "haproxy.org/",
                                                 "haproxy-ingress.github.io/",
                                                 "ingress.kubernetes.io/",
                                                 "konghq.com/",
                                                 "projectcontour.io/"};

std::string field(std::string_view key) {
  return fmt::format("metadata.annotations[{}]", key);
}

RedirectWish read_redirect(const kube::Meta& meta, const std::vector<std::string>& exposures,
                           Findings& findings) {
  const std::string key(model::kRedirectAnnotation);
  const auto refuse = [&](std::string what, std::string hint) {
    findings.add({Severity::refused, "redirect-invalid", meta.ref, field(key), std::move(what),
                  std::move(hint), exposures});
    return RedirectWish::broken;
  };
  if (const auto bad = meta.mistyped_annotations.find(key);
      bad != meta.mistyped_annotations.end()) {
    return refuse(fmt::format("The value must be a string, not {}.", bad->second),
                  "Put it in quotes.");
  }
  const auto found = meta.annotations.find(key);
  if (found == meta.annotations.end()) return RedirectWish::none;
  if (found->second == "https") return RedirectWish::https;
  return refuse(fmt::format("{} is no redirect that we know.", backquoted(found->second)),
                did_you_mean(found->second, {"https"},
                             "The value is `https`; remove the annotation for no redirect."));
}

void warn_unknown(const kube::Meta& meta, const std::vector<std::string>& exposures,
                  Findings& findings) {
  const std::vector<std::string> known = {std::string(model::kExposeAnnotation),
                                          std::string(model::kRedirectAnnotation)};
  const auto look = [&](const std::string& key) {
    if (!key.starts_with(kPrefix) || std::ranges::find(known, key) != known.end()) return;
    const std::vector<std::string>& of_services = service_annotations();
    if (std::ranges::find(of_services, key) != of_services.end()) {
      findings.add({Severity::warning, "unknown-annotation", meta.ref, field(key),
                    fmt::format("The annotation {} of an Ingress is ignored.", backquoted(key)),
                    "Put it on the Service.", exposures});
      return;
    }
    findings.add({Severity::warning, "unknown-annotation", meta.ref, field(key),
                  fmt::format("The annotation {} is unknown and ignored.", backquoted(key)),
                  did_you_mean(key, known, fmt::format("Known are {}.", listed(known))),
                  exposures});
  };
  for (const auto& [key, value] : meta.annotations) look(key);
  for (const auto& [key, kind] : meta.mistyped_annotations) look(key);
}

void warn_foreign(const kube::Meta& meta, const std::vector<std::string>& exposures,
                  Findings& findings) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : meta.annotations) {
    const auto is_prefix = [&](std::string_view prefix) { return key.starts_with(prefix); };
    if (std::ranges::any_of(kForeignPrefixes, is_prefix)) keys.push_back(key);
  }
  if (keys.empty()) return;
  findings.add(
      {Severity::warning, "foreign-annotation", meta.ref, "metadata.annotations",
       fmt::format("Annotations of another controller have no effect here: {}.", listed(keys, 4)),
       "Check that none of them protects something.", exposures});
}

}  // namespace

Wishes read_annotations(const kube::Meta& meta, const std::vector<std::string>& exposures,
                        Findings& findings) {
  warn_unknown(meta, exposures, findings);
  warn_foreign(meta, exposures, findings);
  return {read_redirect(meta, exposures, findings)};
}

}  // namespace bd::translate
