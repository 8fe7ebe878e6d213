#include "translate/claims.h"

#include "http/target.h"
#include "model/limits.h"

namespace bd::translate {
namespace {

using model::Severity;
using PathKind = model::PathPattern::Kind;

PathKind kind_of(kube::PathType type) {
  return type == kube::PathType::exact ? PathKind::exact : PathKind::prefix;
}

/// What a client makes of a path before it sends it: bytes that a request can't have become
/// escapes.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '#') {
      fmt::format_to(std::back_inserter(out), "%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

class Claimer {
 public:
  Claimer(Candidate& candidate, const Wishes& wishes, Targets& targets, Findings& findings)
      : candidate_(candidate),
        ingress_(*candidate.ingress),
        wishes_(wishes),
        targets_(targets),
        findings_(findings) {}

  void run() {
    // Broken rules first: within one Ingress they are stronger than what stands beside them.
    for (const kube::Ingress::BrokenRule& broken : ingress_.broken) claim_broken(broken);
    for (const kube::IngressRule& rule : ingress_.rules) claim_rule(rule);
    claim_default();
  }

 private:
  void say(Severity severity, std::string code, std::string field, std::string what,
           std::string hint) {
    findings_.add({severity, std::move(code), ingress_.meta.ref, std::move(field), std::move(what),
                   std::move(hint), candidate_.served});
  }

  [[nodiscard]] bool redirects() const { return wishes_.redirect == RedirectWish::https; }

  void add(Claim claim) {
    if (wishes_.redirect == RedirectWish::broken) claim.action = model::Refuse{"redirect-invalid"};
    candidate_.claims.push_back(std::move(claim));
  }

  void refuse(const model::HostPattern& host, model::PathPattern path, std::string cause,
              std::string field) {
    add({host, std::move(path), model::Refuse{std::move(cause)}, false, false, std::move(field)});
  }

  void claim_broken(const kube::Ingress::BrokenRule& broken) {
    const auto host = model::HostPattern::parse(broken.host);
    const auto path = tombstone(kind_of(broken.type), broken.path);
    if (host && path) refuse(*host, *path, broken.cause, "");
  }

  void claim_rule(const kube::IngressRule& rule) {
    const std::string field = fmt::format("spec.rules[{}]", rule.index);
    const auto host = model::HostPattern::parse(rule.host);
    if (!host) {
      say(Severity::refused, "host-invalid", field + ".host",
          fmt::format("The host {} {}.", backquoted(rule.host), host.error()), "");
      return;
    }
    if (rule.paths.empty()) claim_whole_host(*host, field);
    for (const kube::IngressPath& path : rule.paths) {
      claim_path(*host, path, fmt::format("{}.http.paths[{}]", field, path.index));
    }
  }

  /// A rule without paths sends its host to the default backend of the same Ingress.
  void claim_whole_host(const model::HostPattern& host, const std::string& field) {
    model::Action action = model::Refuse{"backend-missing"};
    if (ingress_.default_backend) {
      action = resolve(*ingress_.default_backend, "spec.defaultBackend");
    }
    add({host, {}, std::move(action), redirects(), false, field});
  }

  void claim_path(const model::HostPattern& host, const kube::IngressPath& path,
                  const std::string& field) {
    auto pattern = model::PathPattern::parse(kind_of(path.type), path.path);
    if (!pattern) {
      auto stone = tombstone(kind_of(path.type), path.path);
      say(Severity::refused, "path-invalid", field + ".path",
          fmt::format("The path {} {}.", backquoted(path.path), pattern.error()), "");
      if (stone) refuse(host, *std::move(stone), "path-invalid", field);
      return;
    }
    if (path.type == kube::PathType::implementation_specific &&
        path.path.find_first_of("*()[]^$|") != std::string::npos) {
      say(Severity::warning, "path-literal", field + ".path",
          fmt::format("The path {} looks like a pattern; it is taken as it is written.",
                      backquoted(path.path)),
          "ImplementationSpecific means Prefix here; regular expressions are not served.");
    }
    add({host, *std::move(pattern), resolve(path.backend, field + ".backend"), redirects(), false,
         field});
  }

  /// Everything that no rule of any Ingress of the exposure names a host for.
  void claim_default() {
    const std::string field = "spec.defaultBackend";
    if (ingress_.default_backend) {
      add({{}, {}, resolve(*ingress_.default_backend, field), redirects(), true, field});
    } else if (ingress_.broken_default) {
      add({{}, {}, model::Refuse{"backend-missing"}, false, true, field});
    }
  }

  /// Where the backend leads, or a tombstone. A backend that no listener would use is nobody's
  /// concern: the API asks for one even where all requests are redirected.
  model::Action resolve(const kube::Backend& backend, const std::string& field) {
    auto target = candidate_.backends->resolve(ingress_.meta.ref.ns, backend);
    const bool used = !(redirects() && candidate_.only_redirects_http);
    if (!target) {
      Problem& problem = target.error();
      if (used) {
        say(Severity::refused, problem.code, field + problem.field, std::move(problem.what),
            std::move(problem.hint));
      }
      return model::Refuse{std::move(problem.code)};
    }
    std::string key = target->upstream;
    if (used) targets_.try_emplace(key, *std::move(target));
    return model::Forward{std::move(key)};
  }

  Candidate& candidate_;
  const kube::Ingress& ingress_;
  const Wishes& wishes_;
  Targets& targets_;
  Findings& findings_;
};

}  // namespace

std::optional<model::PathPattern> tombstone(PathKind kind, std::string_view text) {
  if (text.empty() || text.size() > model::kPathBytesMax) return model::PathPattern{};
  std::string path = text.starts_with('/') ? "" : "/";
  path += escaped(text.substr(0, text.find('?')));
  const auto normal = http::normalize_path(path);  // Takes dot segments out, as for requests.
  if (!normal) return std::nullopt;
  auto out = model::PathPattern::parse(kind, *normal);
  return out ? std::optional(*std::move(out)) : std::nullopt;
}

void claim(Candidate& candidate, const Wishes& wishes, Targets& targets, Findings& findings) {
  Claimer(candidate, wishes, targets, findings).run();
}

}  // namespace bd::translate
