#include "app/offline.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "admin/api.h"
#include "control/certificates.h"
#include "control/tls_files.h"
#include "source/source.h"
#include "translate/translate.h"

namespace bd::app {
namespace {

struct Compiled {
  config::Config config;
  snapshot::Snapshot snapshot;
};

std::optional<Compiled> compile(const Flags& flags) {
  const config::Loaded loaded = load_configuration(flags);
  if (report_mistakes(loaded)) return std::nullopt;
  if (loaded.config.manifests.empty()) {
    std::fputs("no manifests: name a directory with --manifests DIR\n", stderr);
    return std::nullopt;
  }
  Compiled out;
  out.config = loaded.config;
  kube::ObjectSet objects;
  for (const config::ManifestsSource& entry : out.config.manifests) {
    objects.sources.push_back(source::read_manifests(entry.directory, entry.allow_loopback));
  }
  control::TlsFiles files;
  files.use(out.config);
  translate::Material material;
  files.add_to(material);
  out.snapshot = translate::translate({.config = &out.config,
                                       .objects = &objects,
                                       .node_addresses = {},
                                       .previous = nullptr,
                                       .material = &material});
  control::Certificates certificates;
  certificates.update(out.snapshot);
  const auto add = [&](const std::vector<model::Finding>& more) {
    out.snapshot.findings.insert(out.snapshot.findings.end(), more.begin(), more.end());
  };
  add(files.findings(false));
  add(certificates.findings(std::time(nullptr)));
  return out;
}

/// The admin API's own answer, so that both say the same.
int print_as_json(const Compiled& compiled, const std::string& target) {
  admin::View view;
  view.exposures = compiled.config.exposures;
  view.snapshot = std::make_shared<snapshot::Snapshot>(compiled.snapshot);
  view.findings = compiled.snapshot.findings;
  const admin::Response response = admin::admin_api({"GET", target, "localhost"}, view);
  std::fwrite(response.body.data(), 1, response.body.size(), stdout);
  return response.status == 200 ? 0 : 1;
}

}  // namespace

bool report_mistakes(const config::Loaded& loaded) {
  for (const std::string& warning : loaded.warnings)
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  for (const config::Mistake& mistake : loaded.mistakes)
    std::fprintf(stderr, "%s\n", mistake.text().c_str());
  return !loaded.mistakes.empty();
}

int run_check(const Flags& flags, Output output) {
  const auto compiled = compile(flags);
  if (!compiled) return 2;
  const auto& findings = compiled->snapshot.findings;
  const auto count = [&](model::Severity severity) {
    return std::count_if(findings.begin(), findings.end(),
                         [&](const auto& f) { return f.severity == severity; });
  };
  if (output == Output::json) {
    (void)print_as_json(*compiled, "/api/v1/findings");
  } else {
    for (const model::Finding& finding : findings)
      std::printf("%s\n", model::text(finding).c_str());
    std::printf("%td served, %td warnings, %td refused, %td not selected\n",
                count(model::Severity::served), count(model::Severity::warning),
                count(model::Severity::refused), count(model::Severity::info));
  }
  return count(model::Severity::refused) > 0 ? 1 : 0;
}

int run_routes(const Flags& flags, const std::string& exposure, Output output) {
  const auto compiled = compile(flags);
  if (!compiled) return 2;
  if (!exposure.empty() && !compiled->snapshot.doors.contains(exposure)) {
    std::vector<std::string> names;
    for (const auto& [name, door] : compiled->snapshot.doors) names.push_back(name);
    const std::string near = model::nearest(exposure, names);
    std::fprintf(stderr, "no exposure is named %s%s; there are: %s\n", exposure.c_str(),
                 near.empty() ? "" : (" (did you mean " + near + "?)").c_str(),
                 fmt::format("{}", fmt::join(names, ", ")).c_str());
    return 2;
  }
  std::string target = output == Output::json ? "/api/v1/routes?" : "/api/v1/routes?format=text&";
  if (!exposure.empty()) target += "exposure=" + exposure;
  return print_as_json(*compiled, target);
}

}  // namespace bd::app
