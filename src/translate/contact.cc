#include "translate/contact.h"

#include <algorithm>

#include "base/ascii.h"
#include "kube/names.h"
#include "translate/service_reader.h"
#include "translate/traffic.h"

namespace bd::translate {
namespace {

using model::ProxyHeader;
using model::Severity;
using model::UpstreamProtocol;
using model::UpstreamTls;

constexpr Word<UpstreamProtocol> kProtocols[] = {{"http1", UpstreamProtocol::http1},
                                                 {"h2", UpstreamProtocol::h2}};
constexpr Word<UpstreamTls> kTlsModes[] = {{"off", UpstreamTls::off},
                                           {"prefer", UpstreamTls::prefer},
                                           {"require", UpstreamTls::require},
                                           {"verify", UpstreamTls::verify}};
constexpr Word<ProxyHeader> kProxyHeaders[] = {
    {"none", ProxyHeader::none}, {"v1", ProxyHeader::v1}, {"v2", ProxyHeader::v2}};

/// Names of Kubernetes' standard and of IANA; the latter know no letter case.
struct AppProtocol {
  std::string_view name;
  UpstreamProtocol protocol;
  UpstreamTls tls;
};
constexpr AppProtocol kAppProtocols[] = {
    {"http", UpstreamProtocol::http1, UpstreamTls::off},
    {"kubernetes.io/ws", UpstreamProtocol::http1, UpstreamTls::off},
    {"kubernetes.io/h2c", UpstreamProtocol::h2, UpstreamTls::off},
    {"grpc", UpstreamProtocol::h2, UpstreamTls::off},
    {"https", UpstreamProtocol::http1, UpstreamTls::verify},
    {"kubernetes.io/wss", UpstreamProtocol::http1, UpstreamTls::verify},
};

class ContactReader : ServiceReader {
 public:
  ContactReader(const kube::Service& service, const kube::ServicePort& port,
                const std::vector<std::string>& exposures, Findings& findings)
      : ServiceReader(service, exposures, findings), port_(port) {}

  Contact read() {
    if (service_.annotations_unreadable) {
      refuse("upstream-annotations-unreadable", "metadata.annotations",
             "The annotations can't be read, and they may ask for TLS to the endpoints.",
             "Write them as a map of texts.");
    }
    read_app_protocol();
    read_word(kUpstreamProtocol, "upstream-protocol-invalid", kProtocols, false, out_.protocol);
    read_word(kUpstreamTls, "upstream-tls-invalid", kTlsModes, true, out_.tls);
    read_word(kProxyHeader, "proxy-header-invalid", kProxyHeaders, false, out_.proxy_header);
    read_server_name();
    read_ca();
    read_client_certificate();
    warn_of_what_has_no_effect();
    warn_of_unknown();
    say_what_is_not_verified();
    out_.refused = refused_;
    return std::move(out_);
  }

 private:
  void read_app_protocol() {
    if (port_.app_protocol.empty()) return;
    for (const AppProtocol& known : kAppProtocols) {
      if (!ascii::equal_fold(known.name, port_.app_protocol)) continue;
      out_.protocol = known.protocol;
      out_.tls = known.tls;
      return;
    }
    say(Severity::info, "app-protocol-unknown",
        fmt::format("spec.ports[{}].appProtocol", port_.index),
        fmt::format("{} is no protocol that we know; the port is spoken to in plain HTTP/1.1.",
                    backquoted(port_.app_protocol)),
        fmt::format("The annotations {} and {} say what it should be.", kUpstreamProtocol,
                    kUpstreamTls));
  }

  void read_server_name() {
    constexpr std::string_view code = "upstream-server-name-invalid";
    const std::string own = fmt::format("{}.{}.svc", service_.meta.ref.name, service_.meta.ref.ns);
    if (const std::string* value = text(kUpstreamServerName, code, false)) {
      std::string name = ascii::to_lower(*value);
      if (kube::is_dns_subdomain(name) || IpAddress::parse(name)) {
        named_ = true;
        out_.server_name = std::move(name);
      } else {
        reject(kUpstreamServerName, code, false,
               fmt::format("{} is neither a DNS name nor an IP address.", backquoted(*value)),
               fmt::format("The certificate must be for `{}` as long as this is so.", own));
      }
    }
    if (out_.tls == UpstreamTls::off) {
      out_.server_name.clear();
    } else if (out_.server_name.empty()) {
      out_.server_name = own;
    }
  }

  void read_ca() {
    constexpr std::string_view code = "upstream-ca-invalid";
    constexpr std::string_view prefix = "configmap ";
    const std::string* value = text(kUpstreamCa, code, true);
    if (value == nullptr || *value == "system") return;
    const std::string name = value->starts_with(prefix) ? value->substr(prefix.size()) : "";
    if (kube::is_dns_subdomain(name)) {
      out_.ca_config_map = name;
      return;
    }
    refuse(code, field(kUpstreamCa),
           fmt::format("{} is neither `system` nor `configmap NAME`.", backquoted(*value)),
           did_you_mean(*value, {"system"},
                        kube::is_dns_subdomain(*value)
                            ? fmt::format("Did you mean `configmap {}`?", *value)
                            : "The ConfigMap is one of the Service's namespace."));
  }

  void read_client_certificate() {
    constexpr std::string_view code = "upstream-client-certificate-invalid";
    const std::string* value = text(kUpstreamClientCertificate, code, true);
    if (value == nullptr) return;
    if (kube::is_dns_subdomain(*value)) {
      out_.client_secret = *value;
      return;
    }
    refuse(code, field(kUpstreamClientCertificate),
           fmt::format("{} is no name of a Secret.", backquoted(*value)),
           "Name a Secret of type kubernetes.io/tls of the Service's namespace.");
  }

  /// Who names a CA means that something is verified.
  void warn_of_what_has_no_effect() {
    const auto warn = [&](std::string_view key, std::string_view needed) {
      say(Severity::warning, "upstream-annotation-unused", field(key),
          fmt::format("It has no effect: {}.", needed),
          fmt::format("Set {}, or remove the annotation.", kUpstreamTls));
    };
    constexpr std::string_view no_tls = "the endpoints are spoken to without TLS";
    const bool has_ca = service_.meta.annotations.contains(kUpstreamCa);
    if (out_.tls == UpstreamTls::off) {
      if (named_) warn(kUpstreamServerName, no_tls);
      if (has_ca) warn(kUpstreamCa, no_tls);
      if (!out_.client_secret.empty()) warn(kUpstreamClientCertificate, no_tls);
      out_.client_secret.clear();
    } else if (out_.tls != UpstreamTls::verify && has_ca) {
      warn(kUpstreamCa, "the endpoints' certificates are not verified");
    }
    if (out_.tls != UpstreamTls::verify) out_.ca_config_map.clear();
  }

  void warn_of_unknown() {
    const std::vector<std::string>& known = service_annotations();
    const auto look = [&](const std::string& key) {
      if (!key.starts_with("blastdoor.io/") || std::ranges::find(known, key) != known.end()) return;
      say(Severity::warning, "unknown-annotation", field(key),
          fmt::format("The annotation {} of a Service is unknown and ignored.", backquoted(key)),
          did_you_mean(key, known, fmt::format("Known are {}.", listed(known))));
    };
    for (const auto& [key, value] : service_.meta.annotations) look(key);
    for (const auto& [key, kind] : service_.meta.mistyped_annotations) look(key);
  }

  void say_what_is_not_verified() {
    if (!refused_.empty()) return;
    if (out_.tls != UpstreamTls::prefer && out_.tls != UpstreamTls::require) return;
    const bool may_be_plain = out_.tls == UpstreamTls::prefer;
    say(Severity::info, "upstream-unverified", field(kUpstreamTls),
        fmt::format("Port {} is spoken to {}, and nobody checks who answers.", port_.port,
                    may_be_plain ? "in TLS if the endpoint speaks it" : "in TLS"),
        "With `verify` the endpoint's certificate is checked.");
  }

  const kube::ServicePort& port_;
  Contact out_;
  bool named_ = false;  // The annotation names a server.
};

}  // namespace

const std::vector<std::string>& service_annotations() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out = {
        std::string(kUpstreamProtocol),          std::string(kUpstreamTls),
        std::string(kUpstreamServerName),        std::string(kUpstreamCa),
        std::string(kUpstreamClientCertificate), std::string(kProxyHeader)};
    const std::vector<std::string> traffic = traffic_annotations();
    out.insert(out.end(), traffic.begin(), traffic.end());
    return out;
  }();
  return names;
}

Contact read_contact(const kube::Service& service, const kube::ServicePort& port,
                     const std::vector<std::string>& exposures, Findings& findings) {
  return ContactReader(service, port, exposures, findings).read();
}

}  // namespace bd::translate
