#include <gtest/gtest.h>

#include "kube/base64.h"
#include "kube/decode_for_test.h"
#include "model/limits.h"
#include "tls/certificate.h"

namespace bd::kube {
namespace {

TEST(Base64, IsStrict) {
  struct Case {
    std::string_view text;
    std::optional<std::string> want;
  };
  const Case cases[] = {
      {"", ""},
      {"Zg==", "f"},
      {"Zm8=", "fo"},
      {"Zm9v", "foo"},
      {"Zm9vYg==", "foob"},
      {"+/+/", "\xfb\xff\xbf"},
      {"Zg", {}},
      {"Zg=", {}},
      {"Zg===", {}},
      {"=", {}},
      {"====", {}},
      {"Z===", {}},
      {"Zm9v\n", {}},
      {"Zm 9v", {}},
      {"Zg==Zg==", {}},
      {"Z=g=", {}},
      {"-_-_", {}},
      {"Zh==", {}},
      {"Zm9=", {}},
      {std::string_view("Zm9\0", 4), {}},
      {"Zm9\xff", {}},
  };
  for (const Case& c : cases) EXPECT_EQ(decode_base64(c.text), c.want) << c.text;
}

std::string encoded(std::string_view bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      three = three << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j > bytes.size() ? '=' : digits[three >> (18 - 6 * j) & 63];
    }
  }
  return out;
}

const tls::KeyPair& pair() {
  static const tls::KeyPair made = [] {
    const std::string names[] = {"shop.example.com", "*.shop.example.com"};
    return tls::self_signed(names, 1).value();
  }();
  return made;
}

std::string secret(std::string_view members, std::string_view type = "kubernetes.io/tls") {
  return fmt::format(
      "{{apiVersion: v1, kind: Secret, type: {}, metadata: {{name: web, namespace: shop}}, {}}}",
      type, members);
}

std::string quoted(std::string text) {
  std::string out = "\"";
  for (const char c : text) out += c == '\n' ? "\\n" : std::string(1, c);
  return out + '"';
}

std::string data(std::string_view chain, std::string_view key) {
  return fmt::format("data: {{tls.crt: {}, tls.key: {}}}", quoted(encoded(chain)),
                     quoted(encoded(key)));
}

TEST(Secret, OfTypeTlsIsACertificateWithItsKey) {
  const Decoded decoded = decode_yaml(secret(data(pair().chain, pair().key)));
  EXPECT_EQ(brief(decoded.findings), "");
  const Secret got = only<Secret>(decoded);
  EXPECT_EQ(got.meta.ref.text(), "Secret shop/web (test.yaml:1)");
  EXPECT_EQ(got.problem, "");
  EXPECT_EQ(got.names, (std::vector<std::string>{"shop.example.com", "*.shop.example.com"}));
  ASSERT_NE(got.pair, nullptr);
  EXPECT_EQ(got.pair->chain, pair().chain);
  EXPECT_EQ(got.pair->key, pair().key);
}

TEST(Secret, MayBeWrittenAsTextInFilesAlone) {
  const std::string both =
      fmt::format("stringData: {{tls.key: {}}}, {}", quoted(pair().key), data(pair().chain, "x"));
  EXPECT_EQ(only<Secret>(decode_yaml(secret(both))).problem, "");
  const Secret got = only<Secret>(decode_yaml(secret(both), "kube"));
  EXPECT_EQ(got.pair, nullptr);
  EXPECT_NE(got.problem, "");
}

TEST(Secret, ThatCantBeUsedSaysWhy) {
  const tls::KeyPair other = tls::self_signed(std::array<std::string, 1>{"a.example"}, 1).value();
  const struct {
    std::string members;
    const char* want;
  } cases[] = {
      {"data: {}", "its key tls.crt is missing"},
      {"immutable: true", "its key tls.crt is missing"},
      {"data: [tls.crt]", "its key tls.crt is missing"},
      {data("", pair().key), "its key tls.crt is missing"},
      {data(pair().chain, ""), "its key tls.key is missing"},
      {fmt::format("data: {{tls.crt: {}, tls.key: 5}}", quoted(encoded(pair().chain))),
       "its key tls.key is no text"},
      {"data: {tls.crt: 'TUlJ*', tls.key: ''}", "its key tls.crt is no base64"},
      {data(std::string(model::kCertificateChainMax + 3, 'x'), pair().key),
       "its key tls.crt has 87388 bytes; the most is 87384"},
      {fmt::format("stringData: {{tls.crt: {}, tls.key: {}}}", quoted(pair().chain),
                   std::string(model::kCertificateKeyMax + 1, 'x')),
       "its key tls.key has 16385 bytes; the most is 16384"},
      {data("MIIB", pair().key),
       "the chain holds no certificate: a PEM block CERTIFICATE is needed"},
      {data(pair().chain, other.key), "the key does not belong to the leaf certificate"},
  };
  for (const auto& c : cases) {
    const Decoded decoded = decode_yaml(secret(c.members));
    EXPECT_EQ(brief(decoded.findings), "") << c.want;
    const Secret got = only<Secret>(decoded);
    EXPECT_EQ(got.problem, c.want);
    EXPECT_EQ(got.pair, nullptr) << c.want;
  }
}

// A folder may hold the passwords of a whole cluster: they are none of our business.
TEST(Secret, OfAnotherTypeLeavesNoTrace) {
  for (const char* type : {"Opaque", "kubernetes.io/TLS", "5", "''", "[kubernetes.io/tls]"}) {
    const Decoded decoded = decode_yaml(secret("data: {password: 5}", type));
    EXPECT_TRUE(decoded.objects.empty()) << type;
    EXPECT_TRUE(decoded.findings.empty()) << type;
  }
  const Decoded untyped = decode_yaml("{apiVersion: v1, kind: Secret, metadata: {name: A_B}}");
  EXPECT_TRUE(untyped.objects.empty() && untyped.findings.empty());
}

// kubectl keeps a copy of what it applied, with all its values, in an annotation.
TEST(Secret, KeepsNoAnnotationAndQuotesNoValue) {
  const Decoded decoded = decode_yaml(R"(
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata:
  name: web
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"data":{"tls.key":"c2VzYW1l"}}'
    blastdoor.io/x: [sesame]
  labels: {a: [sesame]}
data: {tls.crt: sesame, tls.key: c2VzYW1l}
stringData: {tls.crt: sesame, tls.key: [sesame]}
)");
  const Secret got = only<Secret>(decoded);
  EXPECT_TRUE(got.meta.annotations.empty());
  EXPECT_TRUE(got.meta.mistyped_annotations.empty());
  EXPECT_EQ(got.problem, "its key tls.key is no text");
  for (const model::Finding& finding : decoded.findings) {
    EXPECT_EQ(model::text(finding).find("sesame"), std::string::npos) << model::text(finding);
    EXPECT_EQ(model::text(finding).find("c2Vz"), std::string::npos) << model::text(finding);
  }
}

TEST(Secret, IsEqualByValue) {
  const std::string yaml = secret(data(pair().chain, pair().key));
  Secret a = only<Secret>(decode_yaml(yaml));
  Secret b = only<Secret>(decode_yaml(yaml));
  EXPECT_NE(a.pair, b.pair);
  EXPECT_EQ(a, b);
  b.pair = std::make_shared<model::Certificate>(model::Certificate{"other", a.pair->key});
  EXPECT_NE(a, b);
  b.pair = nullptr;
  EXPECT_NE(a, b);
}

std::string config_map(std::string_view label, std::string_view members) {
  return fmt::format(
      "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: ca, labels: {{{}}}}}, {}}}", label,
      members);
}

TEST(ConfigMap, WithTheLabelIsABundleOfCertificates) {
  constexpr std::string_view label = "blastdoor.io/ca: 'true'";
  const std::string ca = quoted(pair().chain + pair().chain);
  const ConfigMap got =
      only<ConfigMap>(decode_yaml(config_map(label, fmt::format("data: {{ca.crt: {}}}", ca))));
  EXPECT_EQ(got.problem, "");
  ASSERT_NE(got.ca, nullptr);
  EXPECT_EQ(*got.ca, pair().chain + pair().chain);
  const struct {
    std::string members;
    const char* want;
  } cases[] = {
      {"data: {}", "its key ca.crt is missing"},
      {"data: {ca.crt: 5}", "its key ca.crt is no text"},
      {"data: {ca.crt: hello}",
       "the CA bundle holds no certificate: a PEM block CERTIFICATE is needed"},
      {fmt::format("data: {{ca.crt: {}}}", std::string(model::kCaBundleMax + 1, 'x')),
       "its key ca.crt has 524289 bytes; the most is 524288"},
  };
  for (const auto& c : cases) {
    const ConfigMap bad = only<ConfigMap>(decode_yaml(config_map(label, c.members)));
    EXPECT_EQ(bad.problem, c.want);
    EXPECT_EQ(bad.ca, nullptr) << c.want;
  }
}

TEST(ConfigMap, WithoutTheLabelLeavesNoTrace) {
  for (const char* label : {"", "blastdoor.io/ca: 'false'", "other: 'true'"}) {
    const Decoded decoded = decode_yaml(config_map(label, "data: {ca.crt: 5}"));
    EXPECT_TRUE(decoded.objects.empty()) << label;
    EXPECT_EQ(brief(decoded.findings), "") << label;
  }
  const Decoded boolean = decode_yaml(config_map("blastdoor.io/ca: true", "data: {}"));
  EXPECT_TRUE(boolean.objects.empty());
  EXPECT_EQ(brief(boolean.findings), "warning label-mistyped metadata.labels[blastdoor.io/ca]\n");
}

}  // namespace
}  // namespace bd::kube
