#include "translate/select.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "translate/objects_for_test.h"

namespace bd::translate {
namespace {

using Names = std::vector<std::string>;
using Change = std::function<void(kube::Ingress&)>;

std::string shown(const Selection& selection) {
  std::string out = fmt::format("{}", fmt::join(selection.exposures, ","));
  for (const std::string& code : codes(selection.findings)) out += (out.empty() ? "" : "; ") + code;
  return out;
}

/// The four exposures; the internal ones list class "inner", one external one lists "edge"; class
/// "plain" is ours by its IngressClass, "nginx" is somebody else's, "gone" has no object.
config::Config with_classes() {
  config::Config out;
  exposure(out, "internal-http").ingress_classes = {"inner"};
  exposure(out, "internal-httpsecure").ingress_classes = {"inner"};
  exposure(out, "external-http").ingress_classes = {"edge"};
  return out;
}
const std::vector<kube::IngressClass> kClasses = {
    ingress_class("plain", "blastdoor.io/ingress-controller"),
    ingress_class("nginx", "k8s.io/ingress-nginx")};

/// The rules of selection once more, over sets of names and with no eye for messages.
Names expected(const std::string& its_class, const std::string& label,
               const std::string& annotation, bool any_class) {
  using Set = std::set<std::string>;
  const Set all = {"external-http", "external-httpsecure", "internal-http", "internal-httpsecure"};
  const std::map<std::string, Set> bounds = {{"", all},
                                             {"inner", {"internal-http", "internal-httpsecure"}},
                                             {"edge", {"external-http"}},
                                             {"plain", all},
                                             {"nginx", any_class ? Set{"internal-http"} : Set{}},
                                             {"gone", any_class ? Set{"internal-http"} : Set{}}};
  const Set& bound = bounds.at(its_class);
  Set chosen;
  if (label.empty() && (its_class == "inner" || its_class == "edge")) chosen = bound;
  if (bound.contains(label)) chosen.insert(label);
  if (chosen.empty() || annotation.empty()) return {chosen.begin(), chosen.end()};
  const std::string side = chosen.begin()->substr(0, 8);
  if (!bound.contains(annotation) || annotation.substr(0, 8) != side) return {};
  chosen.insert(annotation);
  return {chosen.begin(), chosen.end()};
}

TEST(Select, AgreesWithTheRulesOnEveryCombination) {
  int served = 0;
  for (const bool any_class : {false, true}) {
    config::Config config = with_classes();
    exposure(config, "internal-http").any_class = any_class;
    for (const std::string its_class : {"", "inner", "edge", "plain", "nginx", "gone"}) {
      for (const bool legacy : {false, true}) {
        for (const std::string label : {"", "internal-http", "internal-httpsecure", "external-http",
                                        "external-httpsecure", "typo", "Internal-http"}) {
          for (const std::string annotation :
               {"", "internal-http", "internal-httpsecure", "external-http", "external-httpsecure",
                "typo", " "}) {
            kube::Ingress object = ingress("shop", "web", label);
            if (!its_class.empty() && legacy)
              object.meta.annotations[std::string(kClassAnnotation)] = its_class;
            if (!its_class.empty() && !legacy) object.class_name = its_class;
            if (!annotation.empty()) object.meta.annotations["blastdoor.io/expose"] = annotation;
            Selection got = select(object, kClasses, config);
            std::ranges::sort(got.exposures);
            ASSERT_EQ(got.exposures, expected(its_class, label, annotation, any_class))
                << "class '" << its_class << "', label '" << label << "', annotation '"
                << annotation << "', any " << any_class;
            ASSERT_EQ(got.findings.size(), got.exposures.empty() ? 1u : 0u)
                << "a reason, exactly when nowhere";
            served += got.exposures.empty() ? 0 : 1;
          }
        }
      }
    }
  }
  EXPECT_GT(served, 100);
}

TEST(Select, SaysWhyNowhere) {
  struct Case {
    const char* why;
    Change change;
    const char* want;
    const char* hint;
  };
  const auto label = [](std::string key, std::string value) -> Change {
    return [=](kube::Ingress& i) { i.meta.labels[key] = value; };
  };
  const auto annotate = [](std::string key, std::string value) -> Change {
    return [=](kube::Ingress& i) { i.meta.annotations[key] = value; };
  };
  const auto both = [](Change a, Change b) -> Change {
    return [=](kube::Ingress& i) { a(i), b(i); };
  };
  const auto its_class = [](std::string name) -> Change {
    return [=](kube::Ingress& i) { i.class_name = name; };
  };
  const Change internal = label("expose", "internal-http");
  const Case cases[] = {
      {"right", internal, "internal-http", ""},
      {"nothing at all", [](kube::Ingress&) {}, "info unlabelled", "external-httpsecure"},
      {"a typo in the value", label("expose", "internal-htp"), "refused unknown-exposure",
       "`internal-http`"},
      {"a value far from all", label("expose", "yes"), "refused unknown-exposure",
       "The exposures are internal-http,"},
      {"an empty value", label("expose", ""), "refused unknown-exposure", "The exposures are"},
      {"a value in the wrong case", label("expose", "Internal-HTTP"), "refused unknown-exposure",
       "`internal-http`"},
      {"a value with a space", label("expose", "internal-http "), "refused unknown-exposure",
       "`internal-http`"},
      {"a key in the wrong case", label("Expose", "internal-http"), "warning near-label",
       "`expose`"},
      {"a key nearly right", label("exposed", "true"), "warning near-label", "`expose`"},
      {"a key with our prefix", label("blastdoor.io/expose", "internal-http"), "warning near-label",
       "`expose`"},
      {"another key with a right value", label("ingress", "internal-http"), "warning near-label",
       "`expose`"},
      {"an annotation instead of a label", annotate("expose", "internal-http"),
       "warning near-label", "`expose`"},
      {"a label of no concern", label("app", "web"), "info unlabelled", ""},
      {"true", [](kube::Ingress& i) { i.meta.mistyped_labels["expose"] = "boolean"; },
       "refused label-mistyped", "quotes"},
      {"another label with a wrong type",
       both(internal, [](kube::Ingress& i) { i.meta.mistyped_labels["app"] = "integer"; }),
       "internal-http", ""},
      {"our annotation without a label", annotate("blastdoor.io/expose", "internal-http"),
       "refused expose-without-label", "Label the Ingress"},
      {"an annotation of the other side",
       both(internal, annotate("blastdoor.io/expose", "external-http")),
       "refused expose-other-side", "second Ingress"},
      {"an annotation with a typo",
       both(internal, annotate("blastdoor.io/expose", "internal-httpsecur")),
       "refused unknown-exposure", "`internal-httpsecure`"},
      {"an annotation with an empty item",
       both(internal, annotate("blastdoor.io/expose", "internal-http,")),
       "refused unknown-exposure", ""},
      {"a list",
       both(internal, annotate("blastdoor.io/expose", " internal-httpsecure , internal-http")),
       "internal-http,internal-httpsecure", ""},
      {"a list with one of the other side",
       both(internal, annotate("blastdoor.io/expose", "internal-httpsecure,external-http")),
       "refused expose-other-side", ""},
      {"an annotation of the wrong type",
       both(internal,
            [](kube::Ingress& i) { i.meta.mistyped_annotations["blastdoor.io/expose"] = "array"; }),
       "refused expose-mistyped", ""},
      {"a huge annotation",
       both(internal,
            [](kube::Ingress& i) {
              i.meta.mistyped_annotations["blastdoor.io/expose"] = "too long";
            }),
       "refused expose-mistyped", ""},
      {"a foreign class", its_class("nginx"), "info foreign-class", ""},
      {"a foreign class and a label", both(internal, its_class("nginx")), "info foreign-class",
       "Remove the class"},
      {"a foreign class and a typo", both(label("expose", "typo"), its_class("nginx")),
       "info foreign-class", ""},
      {"nearly our class", both(internal, its_class("plan")), "info foreign-class", "`plain`"},
      {"a class that forbids", both(internal, its_class("edge")), "refused class-forbids",
       "ingressClass"},
      {"field and annotation agree",
       both(internal, both(its_class("inner"), annotate("kubernetes.io/ingress.class", "inner"))),
       "internal-http", ""},
      {"field and annotation differ",
       both(internal, both(its_class("inner"), annotate("kubernetes.io/ingress.class", "plain"))),
       "refused class-contradiction", "Remove the annotation"},
      {"an empty class annotation", both(internal, annotate("kubernetes.io/ingress.class", "")),
       "internal-http", ""},
      {"a class that can't be read", both(internal, its_class("")), "refused class-mistyped", ""},
      {"a class annotation that can't be read",
       both(internal,
            [](kube::Ingress& i) {
              i.meta.mistyped_annotations["kubernetes.io/ingress.class"] = "integer";
            }),
       "refused class-mistyped", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    kube::Ingress object = ingress("shop", "web");
    c.change(object);
    const Selection got = select(object, kClasses, with_classes());
    EXPECT_EQ(shown(got), c.want);
    const std::string hint = got.findings.empty() ? "" : got.findings[0].hint;
    EXPECT_NE(hint.find(c.hint), std::string::npos) << hint;
    for (const model::Finding& finding : got.findings) EXPECT_EQ(finding.object, object.meta.ref);
  }
}

TEST(Select, NamesTheLabelThatAForeignClassOverrides) {
  kube::Ingress object = ingress("shop", "web", "external-http");
  object.class_name = "nginx";
  const Selection got = select(object, kClasses, with_classes());
  ASSERT_EQ(got.findings.size(), 1u);
  EXPECT_EQ(
      got.findings[0].what,
      "The labels select external-http, but class `nginx` is not one of ours: served nowhere.");
  EXPECT_EQ(got.findings[0].exposures, Names{"external-http"});
}

TEST(Select, LetsNoClassChooseBothSides) {
  config::Config config;
  exposure(config, "internal-http").ingress_classes = {"both"};
  exposure(config, "external-http").ingress_classes = {"both"};
  kube::Ingress object = ingress("shop", "web");
  object.class_name = "both";
  EXPECT_EQ(shown(select(object, {}, config)), "refused two-sides");
  object.meta.labels["expose"] = "external-http";
  EXPECT_EQ(shown(select(object, {}, config)), "external-http");
}

TEST(Select, ReadsCustomSelectors) {
  config::Config config;
  const auto custom = [&](std::string_view name, std::string_view selector) {
    exposure(config, name).selector = model::Selector::parse(selector).value();
    exposure(config, name).custom_selector = true;
  };
  custom("internal-http", "tier in (web, api)");
  custom("internal-httpsecure", "tier=web,!legacy");
  custom("external-http", "public");
  struct Case {
    model::Labels labels;
    const char* want;
  };
  const Case cases[] = {
      {{{"tier", "api"}}, "internal-http"},
      {{{"tier", "web"}}, "internal-http,internal-httpsecure"},
      {{{"tier", "web"}, {"legacy", ""}}, "internal-http"},
      {{{"tier", "web"}, {"public", ""}}, "refused two-sides"},
      {{{"public", "yes"}, {"expose", "external-httpsecure"}}, "external-http,external-httpsecure"},
      {{{"tier", "api"}, {"expose", "typo"}}, "refused unknown-exposure"},
      {{{"expose", "internal-http"}}, "refused unknown-exposure"},
      {{{"tier", "db"}}, "info unlabelled"},
  };
  for (const Case& c : cases) {
    kube::Ingress object = ingress("shop", "web");
    object.meta.labels = c.labels;
    EXPECT_EQ(shown(select(object, {}, config)), c.want) << testing::PrintToString(c.labels);
  }
  kube::Ingress object = ingress("shop", "web");
  object.meta.labels["tier"] = "web";
  object.meta.mistyped_labels["legacy"] = "boolean";
  EXPECT_EQ(shown(select(object, {}, config)), "refused label-mistyped")
      << "absent and unreadable are not the same";
}

TEST(Select, IgnoresTheLabelExposeIfNoExposureReadsIt) {
  config::Config config;
  config.exposures.resize(1);
  config.exposures[0].selector = model::Selector::equals("team", "web");
  config.exposures[0].custom_selector = true;
  kube::Ingress object = ingress("shop", "web", "anything");
  EXPECT_EQ(shown(select(object, {}, config)), "info unlabelled");
  object.meta.labels["team"] = "web";
  EXPECT_EQ(shown(select(object, {}, config)), "internal-http");
}

TEST(Select, KnowsDisabledExposures) {
  config::Config config;
  config.enabled = {"internal-http"};
  EXPECT_EQ(shown(select(ingress("shop", "web", "external-http"), {}, config)), "external-http");
}

}  // namespace
}  // namespace bd::translate
