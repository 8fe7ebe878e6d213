#include "model/selector.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace bd::model {
namespace {

Selector selector(std::string_view text) {
  auto out = Selector::parse(text);
  EXPECT_TRUE(out) << text << ": " << (out ? "" : out.error());
  return out.value_or(Selector());
}

TEST(Selector, MatchesAsKubectlDoes) {
  const Labels none;
  const Labels web = {{"expose", "internal-http"}, {"tier", "web"}, {"empty", ""}};
  struct Case {
    const char* text;
    const Labels& labels;
    bool want;
  };
  const Case cases[] = {
      {"expose=internal-http", web, true},
      {"expose==internal-http", web, true},
      {"expose = internal-http", web, true},
      {"expose=internal-httpsecure", web, false},
      {"expose=internal-http", none, false},
      {"Expose=internal-http", web, false},
      {"expose!=internal-http", web, false},
      {"expose!=external-http", web, true},
      {"expose!=internal-http", none, true},  // Also objects without the key.
      {"tier in (web, api)", web, true},
      {"tier in (api)", web, false},
      {"tier in (web)", none, false},
      {"tier notin (web,api)", web, false},
      {"tier notin (api)", web, true},
      {"tier notin (api)", none, true},  // The same.
      {"tier", web, true},
      {"tier", none, false},
      {"!tier", web, false},
      {"! tier", none, true},
      {"empty=", web, true},
      {"empty", web, true},
      {"empty!=", web, false},
      {"tier=", web, false},
      {"missing=", web, false},
      {"empty in (,a)", web, true},
      {"expose=internal-http,tier", web, true},
      {"expose=internal-http,!tier", web, false},
      {"expose in (internal-http), tier notin (qa), !legacy, env!=dev", web, true},
  };
  for (const Case& c : cases) EXPECT_EQ(selector(c.text).matches(c.labels), c.want) << c.text;
}

TEST(Selector, ThatIsEmptyMatchesNothing) {
  EXPECT_FALSE(Selector().matches({}));
  EXPECT_FALSE(Selector().matches({{"expose", "internal-http"}}));
  EXPECT_FALSE(Selector().needs_a_label());
}

TEST(Selector, KnowsWhetherTheUnlabelledCouldMatch) {
  for (const char* text : {"a=b", "a in (b)", "a", "!x,a", "x!=y,a in (b)", "a="}) {
    EXPECT_TRUE(selector(text).needs_a_label()) << text;
    EXPECT_FALSE(selector(text).matches({})) << text;
  }
  for (const char* text : {"!a", "a!=b", "a notin (b)", "!a,b!=c"}) {
    EXPECT_FALSE(selector(text).needs_a_label()) << text;
    EXPECT_TRUE(selector(text).matches({})) << text;
  }
}

TEST(Selector, SaysWhatItExpectedAndWhere) {
  struct Case {
    const char* text;
    const char* want;
  };
  constexpr Case cases[] = {
      {"", "expected a label selector such as expose=internal-http, found nothing"},
      {"  ", "expected a label selector such as expose=internal-http, found nothing"},
      {"=b", "expected a label key at character 1, found '='"},
      {"a=b,", "expected a label key at character 5, found the end"},
      {"a=b,,c", "expected a label key at character 5, found ','"},
      {"!", "expected a label key at character 2, found the end"},
      {"a=b c", "expected ',' or the end at character 5, found 'c'"},
      {"a=b=c", "expected ',' or the end at character 4, found '='"},
      {"a > 1", "expected '=', '!=', 'in', 'notin', ',' or the end at character 3, found '>'"},
      {"a is b", "expected '=', '!=', 'in', 'notin', ',' or the end at character 3, found 'i'"},
      {"a ! = b", "expected '!=' at character 5, found '='"},
      {"!a=b", "expected ',' or the end at character 3, found '='"},
      {"a in b", "expected '(' at character 6, found 'b'"},
      {"a in (b", "expected ',' or ')' at character 8, found the end"},
      {"a in ()", "expected a label value at character 7, found ')'"},
      {"a in (b) c", "expected ',' or the end at character 10, found 'c'"},
      {"a=\"b\"", "expected ',' or the end at character 3, found '\"'"},
      {"\xc3\xa4=b", "expected a label key at character 1, found byte 0xc3"},
  };
  for (const Case& c : cases) {
    const auto got = Selector::parse(c.text);
    ASSERT_FALSE(got) << c.text;
    EXPECT_EQ(got.error(), c.want) << c.text;
  }
}

TEST(Selector, HoldsKeysAndValuesToKubernetesRules) {
  const std::string s63(63, 'x');
  const std::string s64(64, 'x');
  const std::string dns253 = s63 + "." + s63 + "." + s63 + "." + std::string(61, 'y');
  const std::string good[] = {
      "a",
      "a=" + s63,
      s63 + "=b",
      "example.com/a=b",
      dns253 + "/" + s63,
      "A_b.c-D=E_f.g-H",
      "in in (in, notin)",
      "a=1.2",
  };
  for (const std::string& text : good) EXPECT_TRUE(Selector::parse(text)) << text;
  const std::string bad[] = {
      "a=" + s64, s64 + "=b", "-a=b",  "a-=b",   "a=-b",         "a=b.",  "Example.com/a",
      "/a",       "a/",       "a/b/c", "a..b/c", dns253 + "z/a", "a=b/c", "a_b/c",
  };
  for (const std::string& text : bad) EXPECT_FALSE(Selector::parse(text)) << text;
}

TEST(Selector, PrintsOneFormOfEqualSelectors) {
  EXPECT_EQ(selector("expose==a,tier in (web,api , web),!x , y,z!=1").text(),
            "expose=a, tier in (api,web), !x, y, z!=1");
  EXPECT_EQ(selector("t in (b,a)"), selector("t in (a,b,a)"));
  EXPECT_EQ(selector("expose=internal-http"), Selector::equals("expose", "internal-http"));
}

/// A number from `least` to `most`. Without a fixed size, small ranges give little but their least.
int number(int least, int most) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(least, most + 1));
}

RC_GTEST_PROP(Selector, ParsesWhatItPrints, ()) {
  const auto word = [] {
    std::string out;
    for (int left = number(1, 3); left > 0; --left)
      out += *rc::gen::elementOf(std::string("abz09"));
    return out;
  };
  std::string text;
  for (int left = number(1, 4); left > 0; --left) {
    const std::string key = number(0, 1) == 1 ? "x.y/" + word() : word();
    const std::string forms[] = {key + "=" + word(),
                                 key + "!=" + word(),
                                 key + "==",
                                 key,
                                 "!" + key,
                                 key + " in (" + word() + "," + word() + ")",
                                 key + " notin (," + word() + ")"};
    text += (text.empty() ? "" : ",") + forms[number(0, 6)];
  }
  const auto first = Selector::parse(text);
  RC_ASSERT(first.has_value());
  const auto second = Selector::parse(first->text());
  RC_ASSERT(second.has_value());
  RC_ASSERT(*first == *second);
}

RC_GTEST_PROP(Selector, TakesAnyTextOrSaysWhatIsWrong, ()) {
  std::string text;
  for (int left = number(0, 12); left > 0; --left) {
    text += *rc::gen::element<std::string>("a", "b/c", " ", ",", "=", "!", "(", ")", "in", "notin",
                                           "-", "\t", "\xff");
  }
  const auto got = Selector::parse(text);
  if (got) {
    const bool same = Selector::parse(got->text()) == got;
    RC_ASSERT(same);
  } else {
    RC_ASSERT(got.error().starts_with("expected "));
  }
}

}  // namespace
}  // namespace bd::model
