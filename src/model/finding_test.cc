#include "model/finding.h"

#include <gtest/gtest.h>

namespace bd::model {
namespace {

TEST(ObjectRef, SaysWhatAPersonNeedsToFindTheObject) {
  EXPECT_EQ((ObjectRef{"Ingress", "shop", "web", "kube", "", 0}).text(), "Ingress shop/web");
  EXPECT_EQ((ObjectRef{"Ingress", "shop", "web", "manifests:a", "apps.yaml", 12}).text(),
            "Ingress shop/web (apps.yaml:12)");
  EXPECT_EQ((ObjectRef{"Ingress", "shop", "web", "manifests:a", "apps.json", 0}).text(),
            "Ingress shop/web (apps.json)");
  EXPECT_EQ((ObjectRef{"IngressClass", "", "nginx", "kube", "", 0}).text(), "IngressClass nginx");
}

Finding unknown_exposure() {
  Finding out;
  out.severity = Severity::refused;
  out.code = "unknown-exposure";
  out.object = {"Ingress", "shop", "web", "manifests:a", "apps.yaml", 12};
  out.field = "metadata.labels.expose";
  out.what = "no exposure is named 'extrenal-http'.";
  out.hint = "Did you mean 'external-http'?";
  return out;
}

TEST(FindingText, IsOneLine) {
  Finding finding = unknown_exposure();
  EXPECT_EQ(text(finding),
            "refused Ingress shop/web (apps.yaml:12) metadata.labels.expose: no exposure is named "
            "'extrenal-http'. hint: Did you mean 'external-http'?");
  finding.severity = Severity::served;
  finding.field.clear();
  finding.hint.clear();
  finding.what = "served on internal-http";
  EXPECT_EQ(text(finding), "served Ingress shop/web (apps.yaml:12): served on internal-http");
}

TEST(FindingText, LetsNoQuotedTextFakeASecondLine) {
  Finding finding = unknown_exposure();
  finding.object.name = "web\nserved";
  finding.what = "no exposure is named '\x1b[2J\r'.";
  EXPECT_EQ(
      text(finding),
      "refused Ingress shop/web\\x0aserved (apps.yaml:12) metadata.labels.expose: no exposure "
      "is named '\\x1b[2J\\x0d'. hint: Did you mean 'external-http'?");
}

TEST(Severity, HasAWordForEach) {
  EXPECT_EQ(name(Severity::served), "served");
  EXPECT_EQ(name(Severity::info), "info");
  EXPECT_EQ(name(Severity::warning), "warning");
  EXPECT_EQ(name(Severity::refused), "refused");
}

TEST(Nearest, FindsTheWordThatWasMeant) {
  const std::vector<std::string> exposures = {"internal-http", "internal-httpsecure",
                                              "external-http", "external-httpsecure"};
  struct Case {
    const char* word;
    const char* want;
  };
  constexpr Case cases[] = {
      {"internal-http", "internal-http"},
      {"extrenal-http", "external-http"},  // Two neighbours swapped count one.
      {"internal-htp", "internal-http"},   // One missing.
      {"internal_httpsecure", "internal-httpsecure"},
      {"INTERNAL-HTTP", "internal-http"},  // Case is no distance.
      {"internal-https", "internal-http"},
      {"external-httpsecur", "external-httpsecure"},
      {"nginx", ""},
      {"", ""},
      {"public-facing-and-far-away", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(nearest(c.word, exposures), c.want) << c.word;
}

TEST(Nearest, AllowsAThirdOfTheLengthButAtLeastOne) {
  EXPECT_EQ(nearest("ab", {"abc"}), "abc");            // 1 of 2 letters: the least that is allowed.
  EXPECT_EQ(nearest("ab", {"abcd"}), "");              // 2 of 2.
  EXPECT_EQ(nearest("abcdef", {"abcdxy"}), "abcdxy");  // 2 of 6: a third.
  EXPECT_EQ(nearest("abcdef", {"abcxyz"}), "");        // 3 of 6.
  EXPECT_EQ(nearest("abcdef", {"abdcfe"}), "abdcfe");  // Two swaps.
}

TEST(Nearest, BreaksTiesByOrder) {
  EXPECT_EQ(nearest("port", {"sort", "fort"}), "sort");
  EXPECT_EQ(nearest("port", {"fort", "sort"}), "fort");
  EXPECT_EQ(nearest("ports", {"sorts", "port"}), "sorts");
  EXPECT_EQ(nearest("port", {"portal", "ports"}),
            "ports");  // A nearer one wins whatever the order.
}

}  // namespace
}  // namespace bd::model
