#include "config/tls.h"

#include <gtest/gtest.h>

#include "config/load_for_test.h"

namespace bd::config {
namespace {

using model::ClientCertificate;
using model::TlsMode;
using model::TlsVersion;
using Texts = std::vector<std::string>;

/// One https exposure whose first listener has these keys, from line 5 on.
std::string with_listener(std::string_view keys, std::string_view exposure_keys = "") {
  std::string out =
      "exposures:\n- name: internal-httpsecure\n" + std::string(exposure_keys) + "  listeners:\n";
  out += "  - port: 10001\n    publicScheme: https\n";
  for (std::size_t at = 0; at < keys.size();) {
    const std::size_t end = std::min(keys.find('\n', at), keys.size());
    out += fmt::format("    {}\n", keys.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

const model::Tls& tls_of(const Loaded& loaded) {
  return loaded.config.exposures.at(0).listeners.at(0).tls;
}

TEST(Tls, IsOffByDefault) {
  for (const model::Exposure& exposure : load({}).config.exposures) {
    EXPECT_EQ(exposure.listeners[0].tls, model::Tls{}) << exposure.name;
    EXPECT_FALSE(exposure.referenced_secrets);
  }
}

TEST(Tls, HasAModeInManyForms) {
  struct Case {
    const char* why;
    std::string yaml;
    TlsMode want;
  };
  const Case cases[] = {
      {"a word", with_listener("tls: self-signed"), TlsMode::self_signed},
      {"a mapping", with_listener("tls: {mode: self-signed}"), TlsMode::self_signed},
      {"off", with_listener("tls: off"), TlsMode::off},
      {"for the whole exposure", with_listener("", "  tls: self-signed\n"), TlsMode::self_signed},
      {"of the listener, against the exposure", with_listener("tls: off", "  tls: secrets\n"),
       TlsMode::off},
      {"of the exposure, beside other keys of the listener",
       with_listener("tls: {minVersion: '1.3'}", "  tls: self-signed\n"), TlsMode::self_signed},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Loaded loaded = load_file(c.yaml);
    EXPECT_EQ(mistakes_of(loaded), Texts{});
    EXPECT_EQ(tls_of(loaded).mode, c.want);
  }
}

TEST(Tls, IsSetByVariables) {
  const Loaded loaded =
      load_variables({{"BLASTDOOR_INTERNAL_HTTPSECURE_TLS", "self-signed"},
                      {"BLASTDOOR_EXTERNAL_HTTPSECURE_TLS_MODE", "secrets"},
                      {"BLASTDOOR_EXTERNAL_HTTPSECURE_TLS_MIN_VERSION", "1.3"},
                      {"BLASTDOOR_EXTERNAL_HTTPSECURE_TLS_CLIENT_CERTIFICATE", "optional"},
                      {"BLASTDOOR_EXTERNAL_HTTPSECURE_TLS_CLIENT_CA", "/ca.pem"},
                      {"BLASTDOOR_EXTERNAL_HTTPSECURE_PROXY_PROTOCOL_FROM", "10.0.0.0/8,fd00::/8"},
                      {"BLASTDOOR_INTERNAL_HTTP_SECRETS", "referenced"}});
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  const auto& exposures = loaded.config.exposures;
  EXPECT_TRUE(exposures[0].referenced_secrets);
  EXPECT_EQ(exposures[1].listeners[0].tls.mode, TlsMode::self_signed);
  EXPECT_FALSE(exposures[1].referenced_secrets);
  const model::Listener& external = exposures[3].listeners[0];
  EXPECT_EQ(external.tls.mode, TlsMode::secrets);
  EXPECT_TRUE(exposures[3].referenced_secrets) << "certificates in Secrets imply it";
  EXPECT_EQ(external.tls.policy.min_version, TlsVersion::tls13);
  EXPECT_EQ(external.tls.policy.client, ClientCertificate::optional);
  EXPECT_EQ(external.tls.policy.client_ca, "file /ca.pem");
  EXPECT_EQ(external.proxy_protocol_from.size(), 2u);
}

TEST(Tls, ReadsCertificatesAndHosts) {
  const Loaded loaded = load_file(with_listener(
      "tls:\n  mode: files\n  minVersion: 1.2\n  clientCertificate: optional\n"
      "  clientCa: /etc/ca.pem\n  certificates:\n  - {certificate: /a.crt, key: /a.key}\n"
      "  - {certificate: /b.crt, key: /b.key}\n  hosts:\n"
      "  - {host: Admin.example.com, clientCertificate: required, minVersion: 1.3}\n"
      "  - {host: '*.example.com', clientCertificate: none}\n"
      "  - {host: api.example.com, clientCa: /etc/api.pem}"));
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  EXPECT_TRUE(loaded.warnings.empty());
  const model::Tls& tls = tls_of(loaded);
  const std::vector<model::CertificateFiles> files = {{"/a.crt", "/a.key"}, {"/b.crt", "/b.key"}};
  EXPECT_EQ(tls.files, files);
  EXPECT_EQ(tls.policy,
            (model::TlsPolicy{TlsVersion::tls12, ClientCertificate::optional, "file /etc/ca.pem"}));
  const std::map<std::string, model::TlsPolicy> hosts = {
      {"admin.example.com", {TlsVersion::tls13, ClientCertificate::required, "file /etc/ca.pem"}},
      {"*.example.com", {TlsVersion::tls12, ClientCertificate::none, ""}},
      {"api.example.com", {TlsVersion::tls12, ClientCertificate::optional, "file /etc/api.pem"}},
  };
  EXPECT_EQ(tls.hosts, hosts);
}

TEST(Tls, MistakesSayWhatDoesNotFit) {
  const std::string pair = "{certificate: /a.crt, key: /a.key}";
  struct Case {
    std::string yaml;
    const char* key;
    const char* what;
  };
  const Case cases[] = {
      {"exposures: [{name: internal-http, tls: self-signed}]", "exposures[0].tls",
       "would be told that the client spoke http"},
      {"exposures: [{name: internal-http, listeners: [{tls: self-signed}]}]",
       "exposures[0].listeners[0].tls", "would be told that the client spoke http"},
      {with_listener("tls: self_signed"), "exposures[0].listeners[0].tls.mode", "one of off"},
      {with_listener("tls: {mode: files}"), "exposures[0].listeners[0].tls",
       "names no certificates"},
      {with_listener("tls: {certificates: [" + pair + "]}"),
       "exposures[0].listeners[0].tls.certificates", "only with `mode: files`"},
      {with_listener("tls: {mode: files, certificates: [{certificate: /a.crt}]}"),
       "exposures[0].listeners[0].tls.certificates[0]", "key is missing"},
      {with_listener("tls: {mode: files, certificates: [/a.crt]}"),
       "exposures[0].listeners[0].tls.certificates[0]", "expected a mapping"},
      {with_listener("tls: {mode: files, certificates: [" + pair + ", " + pair + "]}"),
       "exposures[0].listeners[0].tls.certificates[1].certificate", "there already"},
      {with_listener("tls: {mode: files, certificates: [" + pair + "]}") +
           "  - name: two\n    port: 2\n    tls: {mode: files, certificates: [{certificate: "
           "/a.crt, key: /b.key}]}\n",
       "exposures[0].listeners[1].tls.certificates[0].key", "has the key /a.key elsewhere"},
      {with_listener("tls: {mode: files, certificates: [{certificate: /" + std::string(508, 'a') +
                     ", key: /k}]}"),
       "exposures[0].listeners[0].tls.certificates[0].certificate", "at most 507"},
      {with_listener("tls: {mode: self-signed, clientCertificate: required}"),
       "exposures[0].listeners[0].tls.clientCertificate", "which certificates are good"},
      {with_listener("tls: {mode: self-signed, hosts: [{host: a.test, clientCertificate: "
                     "optional}]}"),
       "exposures[0].listeners[0].tls.hosts[0].clientCertificate", "which certificates are good"},
      {with_listener("tls: {mode: self-signed, hosts: [{minVersion: '1.3'}]}"),
       "exposures[0].listeners[0].tls.hosts[0]", "host is missing"},
      {with_listener("tls: {mode: self-signed, hosts: [{host: 10.0.0.1}]}"),
       "exposures[0].listeners[0].tls.hosts[0].host", "the host"},
      {with_listener("tls: {mode: self-signed, hosts: [{host: a.test}, {host: A.test}]}"),
       "exposures[0].listeners[0].tls.hosts[1].host", "there already"},
      {with_listener("tls: {mode: self-signed, minVersion: 1.1}"),
       "exposures[0].listeners[0].tls.minVersion", "found 1.1"},
      {with_listener("tls: secrets", "  secrets: none\n"), "exposures[0].secrets",
       "certificates of a listener are Secrets"},
      {with_listener("proxyProtocolFrom: [all]"), "exposures[0].listeners[0].proxyProtocolFrom[0]",
       "expected a CIDR block"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.yaml);
    const Loaded loaded = load_file(c.yaml);
    ASSERT_EQ(loaded.mistakes.size(), 1u)
        << fmt::format("{}", fmt::join(mistakes_of(loaded), "\n"));
    EXPECT_EQ(loaded.mistakes[0].key, c.key);
    EXPECT_NE(loaded.mistakes[0].what.find(c.what), std::string::npos) << loaded.mistakes[0].what;
  }
}

TEST(Tls, WarnsOfWhatHasNoEffect) {
  const Loaded off = load_file(with_listener("tls: {minVersion: 1.3}"));
  ASSERT_EQ(off.warnings.size(), 1u);
  EXPECT_NE(off.warnings[0].find("no effect while the mode is off"), std::string::npos);
  const Loaded own = load_file(with_listener("tls: self-signed", "  tls: off\n"));
  ASSERT_EQ(own.warnings.size(), 1u);
  EXPECT_NE(own.warnings[0].find("every listener sets its own"), std::string::npos);
  const Loaded all = load_file(with_listener("proxyProtocolFrom: ['::/0']"));
  ASSERT_EQ(all.warnings.size(), 1u);
}

}  // namespace
}  // namespace bd::config
