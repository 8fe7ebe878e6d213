#include "translate/certificates.h"

#include <algorithm>
#include <optional>
#include <set>

#include "tls/certificate.h"
#include "translate/compile.h"
#include "translate/material.h"

namespace bd::translate {
namespace {

using model::HostPattern;
using model::Severity;
using model::TlsMode;

constexpr const char* kUntil =
    "Until that is mended, clients see the default certificate, or 503 where they must show one "
    "themselves.";

/// Namespaces of different sources are different.
using Owner = std::pair<std::string, std::string>;

Owner owner_of(const Candidate& candidate) {
  const model::ObjectRef& ref = candidate.ingress->meta.ref;
  return {ref.source, ref.ns};
}

/// What is asked of clients that name `host`.
const model::TlsPolicy& policy_of(const model::Tls& tls, const HostPattern& host) {
  auto found = tls.hosts.find(host.text());
  if (found == tls.hosts.end() && host.kind == HostPattern::Kind::exact) {
    const std::size_t dot = host.name.find('.');
    if (dot != host.name.npos) found = tls.hosts.find("*" + host.name.substr(dot));
  }
  return found == tls.hosts.end() ? tls.policy : found->second;
}

/// One entry of spec.tls.
struct Entry {
  const Candidate& candidate;
  const kube::IngressTls& tls;
  std::string field;
  /// Hosts that the Ingress serves, each with the name that the certificate must be for.
  std::map<HostPattern, std::string> hosts = {};
};

class Certifier {
 public:
  Certifier(const Settled& settled, std::size_t room, Findings& findings, snapshot::Door& door)
      : settled_(settled), room_(room), findings_(findings), door_(door) {
    for (const auto& [host, paths] : settled) {
      for (const auto& [path, won] : paths) won_[won.candidate].insert(host);
    }
  }

  Barred run(const std::vector<const Candidate*>& candidates) {
    std::vector<Entry> entries;
    for (const Candidate* candidate : candidates) {
      if (won_.contains(candidate)) collect(*candidate, entries);
    }
    for (const Entry& entry : entries) {
      if (const kube::Secret* secret = secret_of(entry); secret != nullptr && secret->pair) {
        brought_.emplace(owner_of(entry.candidate), secret->pair->chain);
      }
    }
    for (const Entry& entry : entries) take(entry);
    for (auto& [where, cause] : lacking_) {
      if (!certified_.contains(where)) bar(where.first, where.second, cause);
    }
    return std::move(barred_);
  }

 private:
  using Place = std::pair<const Candidate*, HostPattern>;

  void say(Severity severity, std::string_view code, const Entry& entry, std::string_view member,
           std::string what, std::string hint) {
    findings_.add({severity,
                   std::string(code),
                   entry.candidate.ingress->meta.ref,
                   entry.field + std::string(member),
                   std::move(what),
                   std::move(hint),
                   {door_.exposure.name}});
  }

  [[nodiscard]] static const kube::Secret* secret_of(const Entry& entry) {
    return entry.candidate.backends->secret(entry.candidate.ingress->meta.ref.ns, entry.tls.secret);
  }

  void collect(const Candidate& candidate, std::vector<Entry>& out) {
    const std::vector<kube::IngressTls>& all = candidate.ingress->tls;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].secret.empty()) continue;  // The default certificate is meant.
      Entry entry{candidate, all[i], fmt::format("spec.tls[{}]", i)};
      find_hosts(entry);
      if (entry.hosts.empty()) {
        say(Severity::warning, "certificate-unused", entry, "",
            "None of its hosts is one that this Ingress serves; the certificate is not served.",
            "Name the hosts of the rules.");
        continue;
      }
      out.push_back(std::move(entry));
    }
  }

  void find_hosts(Entry& entry) {
    for (const HostPattern& host : won_[&entry.candidate]) {
      const bool any = host.kind == HostPattern::Kind::any;
      if (entry.tls.hosts.empty()) {
        entry.hosts.emplace(host, any ? "" : host.text());
        continue;
      }
      for (const std::string& text : entry.tls.hosts) {
        const auto named = HostPattern::parse(text);
        if (!named || named->kind == HostPattern::Kind::any) continue;
        // The narrower of the two is what clients will ask for.
        if (*named == host || named->matches(host.name, false)) {
          entry.hosts.emplace(host, host.text());
        } else if (any || host.matches(named->name, false)) {
          entry.hosts.emplace(host, named->text());
        }
      }
    }
  }

  /// The certificate is not served for `hosts`.
  void lack(Severity severity, std::string_view code, const Entry& entry, std::string_view member,
            std::string what, std::string hint, const std::vector<HostPattern>& hosts) {
    for (const HostPattern& host : hosts) lacking_.try_emplace({&entry.candidate, host}, code);
    say(severity, code, entry, member, std::move(what), std::move(hint));
  }

  void take(const Entry& entry) {
    const model::ObjectRef& ref = entry.candidate.ingress->meta.ref;
    std::vector<HostPattern> all;
    for (const auto& [host, name] : entry.hosts) all.push_back(host);
    const kube::Secret* secret = secret_of(entry);
    if (secret == nullptr) {
      return lack(Severity::refused, "certificate-missing", entry, ".secretName",
                  fmt::format("There is no Secret {} of type {} in namespace `{}`.",
                              backquoted(entry.tls.secret), kube::kTlsSecretType, ref.ns),
                  kUntil, all);
    }
    if (secret->pair == nullptr) {
      return lack(Severity::refused, "certificate-unusable", entry, ".secretName",
                  fmt::format("Secret `{}` can't be used: {}.", entry.tls.secret, secret->problem),
                  kUntil, all);
    }
    std::vector<HostPattern> good, bad;
    std::vector<std::string> bad_names;
    for (const auto& [host, name] : entry.hosts) {
      const bool covered = name.empty() || tls::covers(secret->names, name);
      (covered ? good : bad).push_back(host);
      if (!covered) bad_names.push_back(fmt::format("`{}`", name));
    }
    if (!bad.empty()) {
      lack(good.empty() ? Severity::refused : Severity::warning, "certificate-host-mismatch", entry,
           ".hosts",
           fmt::format("The certificate of Secret `{}` is not for {}; it is for {}.",
                       entry.tls.secret, listed(bad_names), listed(secret->names)),
           kUntil, bad);
    }
    if (good.empty()) return;
    if (const auto whose = find_foreign_name(entry, *secret)) {
      return lack(Severity::refused, "certificate-foreign-host", entry, ".secretName", *whose,
                  "Use a certificate without that name, or the same one.", good);
    }
    const std::string key = entry.candidate.backends->key("secret", secret->meta.ref);
    if (door_.certificates.size() >= room_ && !door_.certificates.contains(key)) {
      return lack(Severity::refused, kTooManyCertificates, entry, ".secretName",
                  too_many("certificates of Secrets", room_), kUntil, good);
    }
    serve(entry, *secret, key, good);
  }

  /// A certificate may not stand for a host of another namespace, or clients of that host would be
  /// shown it. The same certificate in many namespaces is nobody's harm.
  std::optional<std::string> find_foreign_name(const Entry& entry, const kube::Secret& secret) {
    if (door_.exposure.hosts == model::HostOwnership::shared) return std::nullopt;
    const Owner self = owner_of(entry.candidate);
    const std::string& chain = secret.pair->chain;
    for (const std::string& name : secret.names) {
      const auto pattern = HostPattern::parse(name);
      const auto host = pattern ? settled_.find(*pattern) : settled_.end();
      if (host != settled_.end() && !host->second.empty()) {
        const Owner owner = owner_of(*host->second.begin()->second.candidate);
        if (owner != self && !brought_.contains({owner, chain})) {
          return fmt::format("The certificate is also for `{}`, a host of namespace `{}`.", name,
                             owner.second);
        }
      }
      const auto taken = names_.find(name);
      if (taken == names_.end() || taken->second.first == self || taken->second.second == chain) {
        continue;
      }
      return fmt::format("An older Ingress of namespace `{}` has another certificate for `{}`.",
                         taken->second.first.second, name);
    }
    return std::nullopt;
  }

  void serve(const Entry& entry, const kube::Secret& secret, const std::string& key,
             const std::vector<HostPattern>& good) {
    for (const HostPattern& host : good) certified_.insert({&entry.candidate, host});
    for (const std::string& name : secret.names) {
      names_.try_emplace(name, owner_of(entry.candidate), secret.pair->chain);
    }
    if (!door_.certificates.emplace(key, secret.pair).second) return;
    for (const model::Listener& listener : door_.exposure.listeners) {
      if (listener.tls.mode != TlsMode::secrets) continue;
      door_.served_certificates[listener.name].push_back(key);
    }
  }

  /// Who may come in hangs on a certificate here: half of it is worse than nothing.
  void bar(const Candidate* candidate, const HostPattern& host, const std::string& cause) {
    for (const model::Listener& listener : door_.exposure.listeners) {
      if (listener.tls.mode != TlsMode::secrets) continue;
      if (policy_of(listener.tls, host).client != model::ClientCertificate::required) continue;
      barred_.emplace(std::tuple(listener.name, candidate, host), cause);
    }
  }

  const Settled& settled_;
  const std::size_t room_;  // For certificates of Secrets.
  Findings& findings_;
  snapshot::Door& door_;
  std::map<const Candidate*, std::set<HostPattern>> won_;
  std::set<std::pair<Owner, std::string>> brought_;  // Chains that each namespace brings.
  std::map<std::string, std::pair<Owner, std::string>> names_;  // To who brought it first.
  std::set<Place> certified_;
  std::map<Place, std::string> lacking_;  // To the cause.
  Barred barred_;
};

}  // namespace

bool serves_secrets(const model::Exposure& exposure) {
  return std::ranges::any_of(exposure.listeners, [](const model::Listener& listener) {
    return listener.tls.mode == TlsMode::secrets;
  });
}

Barred serve_certificates(const Settled& settled, const std::vector<const Candidate*>& candidates,
                          std::size_t room, Findings& findings, snapshot::Door& door) {
  if (!serves_secrets(door.exposure)) return {};
  return Certifier(settled, room, findings, door).run(candidates);
}

void say_tls_ignored(const Candidate& candidate, const config::Config& config, Findings& findings) {
  if (candidate.ingress->tls.empty()) return;
  for (const std::string& name : candidate.served) {
    const model::Exposure& exposure = *find_exposure(config, name);
    if (serves_secrets(exposure)) continue;
    findings.add({Severity::info,
                  "tls-ignored",
                  candidate.ingress->meta.ref,
                  "spec.tls",
                  ends_tls(exposure)
                      ? "The exposure has its certificates from the configuration; spec.tls "
                        "has no effect."
                      : "The balancer ends TLS before this exposure; spec.tls has no effect.",
                  "",
                  {name}});
  }
}

}  // namespace bd::translate
