#include <gtest/gtest.h>

#include "text/dump_for_test.h"
#include "text/value.h"

namespace bd::text {
namespace {

struct Case {
  const char* why;
  std::string_view yaml;
  std::string_view want;
};

template <std::size_t N>
void check(const Case (&cases)[N]) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(dump(parse_yaml(c.yaml)), c.want);
  }
}

TEST(Yaml, GivesPlainScalarsTheTypesOfTheCoreSchema) {
  struct Scalar {
    std::string_view yaml;
    Value::Kind kind;
    std::string_view want;
  };
  using Kind = Value::Kind;
  constexpr Scalar cases[] = {
      {"null", Kind::null, "null"},
      {"~", Kind::null, "null"},
      {"", Kind::null, "null"},
      {"nUll", Kind::string, R"("nUll")"},
      {"true", Kind::boolean, "true"},
      {"FALSE", Kind::boolean, "false"},
      {"tRue", Kind::string, R"("tRue")"},
      {"yes", Kind::string, R"("yes")"},
      {"on", Kind::string, R"("on")"},
      {"No", Kind::string, R"("No")"},
      {"0", Kind::integer, "0"},
      {"-12", Kind::integer, "-12"},
      {"+7", Kind::integer, "7"},
      {"010", Kind::integer, "10"},
      {"0o14", Kind::integer, "12"},
      {"0o18", Kind::string, R"("0o18")"},
      {"0x1F", Kind::integer, "31"},
      {"0x", Kind::string, R"("0x")"},
      {"-0x1", Kind::string, R"("-0x1")"},
      {"0b11", Kind::string, R"("0b11")"},
      {"1_000", Kind::string, R"("1_000")"},
      {"12:30:45", Kind::string, R"("12:30:45")"},
      {"9223372036854775807", Kind::integer, "9223372036854775807"},
      {"-9223372036854775808", Kind::integer, "-9223372036854775808"},
      {"9223372036854775808", Kind::real, "9.223372036854776e+18"},
      {"0xFFFFFFFFFFFFFFFF", Kind::real, "1.8446744073709552e+19"},
      {"0xFFFFFFFFFFFFFFFFFFFF", Kind::real, "null"},
      {"1e3", Kind::real, "1000"},
      {"+.5", Kind::real, "0.5"},
      {"1.", Kind::real, "1"},
      {"1e999", Kind::real, "null"},
      {"1e-999", Kind::real, "0"},
      {"-.INF", Kind::real, "null"},
      {".nan", Kind::real, "null"},
      {".", Kind::string, R"(".")"},
      {"-", Kind::array, "[null]"},
      {"+", Kind::string, R"("+")"},
      {"1e", Kind::string, R"("1e")"},
      {"1.2.3", Kind::string, R"("1.2.3")"},
      {"10.0.0.1", Kind::string, R"("10.0.0.1")"},
      {"2024-05-01T10:00:00Z", Kind::string, R"("2024-05-01T10:00:00Z")"},
      {"\"80\"", Kind::string, R"("80")"},
      {"'true'", Kind::string, R"("true")"},
      {"|-\n  80", Kind::string, R"("80")"},
      {"!!str 80", Kind::string, R"("80")"},
      {"!!str null", Kind::string, R"("null")"},
      {"! 80", Kind::string, R"("80")"},
      {"!!int 80", Kind::integer, "80"},
      {"!!float 1.5", Kind::real, "1.5"},
      {"!!bool true", Kind::boolean, "true"},
  };
  for (const Scalar& c : cases) {
    SCOPED_TRACE(c.yaml);
    const YamlResult result = parse_yaml("v: " + std::string(c.yaml) + "\n");
    if (c.kind == Kind::array) continue;  // `v: -` is an error in YAML; see below.
    ASSERT_EQ(result.errors.size(), 0u) << dump(result);
    ASSERT_EQ(result.documents.size(), 1u);
    const Value* value = result.documents[0].find("v");
    ASSERT_NE(value, nullptr);
    EXPECT_EQ(name(value->kind()), name(c.kind));
    EXPECT_EQ(dump(*value), c.want);
  }
}

TEST(Yaml, ReadsEveryDocumentOfAStream) {
  constexpr Case cases[] = {
      {"nothing", "", ""},
      {"comments only", "# a\n\n# b\n", ""},
      {"empty documents", "---\n---\n# c\n---\nnull\n---\n", ""},
      {"no marker", "a: 1\n", "{\"a\":1}\n"},
      {"three", "a: 1\n---\nb: 2\n--- # third\nc: 3", "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"},
      {"content on the marker's line", "--- {a: 1}\n--- [2]\n", "{\"a\":1}\n[2]\n"},
      {"end markers", "a: 1\n...\n---\nb: 2\n...\nc: 3\n", "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"},
      {"a directive", "%YAML 1.2\n---\na: 1\n", "{\"a\":1}\n"},
      {"CRLF", "a: 1\r\nb: |\r\n  x\r\n---\r\nc: 3\r\n", "{\"a\":1,\"b\":\"x\\n\"}\n{\"c\":3}\n"},
      {"a byte order mark", "\xEF\xBB\xBF---\na: 1\n", "{\"a\":1}\n"},
      {"dashes that are no marker", "a: ---b\nc: |\n  ---\n",
       "{\"a\":\"---b\",\"c\":\"---\\n\"}\n"},
      {"JSON is YAML", R"({"a":{"b":[1,"2",null,true]},"c":"\u00e9\/"})",
       "{\"a\":{\"b\":[1,\"2\",null,true]},\"c\":\"é/\"}\n"},
      {"JSON indented by tabs", "{\n\t\"a\": [\n\t\t1,\n\t\t2\n\t]\n}\n", "{\"a\":[1,2]}\n"},
      {"keys of other types become text", "1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}\n"},
  };
  check(cases);
}

TEST(Yaml, BrokenDocumentsHideNoOthers) {
  constexpr Case cases[] = {
      {"before and after", "a: 1\n---\nb: [\n---\nc: 3\n",
       "{\"a\":1}\n{\"c\":3}\n4: end of sequence flow not found\n"},
      {"cut inside quotes", "a: 1\n---\nb: \"x\n---\nc: 3\n",
       "{\"a\":1}\n{\"c\":3}\n4: quotes that the end of the document cuts\n"},
      {"cut inside quotes at the end of the file", "a: 1\n---\nb: \"x\n",
       "{\"a\":1}\n4: quotes that the end of the document cuts\n"},
      {"cut inside single quotes", "b: 'x", "2: quotes that the end of the document cuts\n"},
      {"a bad byte in the second", "a: 1\n---\nb: \x01\n---\nc: 3\n",
       "{\"a\":1}\n{\"c\":3}\n3: a control character (byte 0x01)\n"},
      {"anchors end with their document", "a: &x 1\n---\nb: *x\n---\nc: 3\n",
       "{\"a\":1}\n{\"c\":3}\n3: the referenced anchor is not defined (text that starts with * "
       "must be "
       "in quotes)\n"},
  };
  check(cases);
}

TEST(Yaml, RefusesWhatIsAmbiguousAndSaysWhere) {
  constexpr Case cases[] = {
      {"duplicate keys", "a: 1\nb: 2\na: 3\n",
       "3: key `a` stands twice in this map, first in line 1\n"},
      {"duplicate keys deep down", "x:\n- {k: 1, l: 2,\n   k: 3}\n",
       "3: key `k` stands twice in this map, first in line 2\n"},
      {"quoted and plain keys are one", "\"a\": 1\na: 2\n",
       "2: key `a` stands twice in this map, first in line 1\n"},
      {"the first duplicate of many members",
       "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\nj: 1\nk: 1\nl: 1\nk: 2\na: 2\n",
       "13: key `k` stands twice in this map, first in line 11\n"},
      {"a wildcard host without quotes", "host: *.example.com\n",
       "1: the referenced anchor is not defined (text that starts with * must be in "
       "quotes)\n"},
      {"an alias inside itself", "a: &x\n  b: *x\n",
       "2: an alias inside the value that it stands for\n"},
      {"two roots", "a: 1\n]\n", "2: illegal flow end\n"},
      {"a map after a sequence", "- a\nb: 1\n", "2: text after the end of the document\n"},
      {"a null key", "~: 1\n", "1: a key of a map is missing or null\n"},
      {"a key without a colon", "a: 1\nhost\n", "2: no `:` after `host`\n"},
      {"a key without a colon in the middle", "a: 1\nhost\nb: 2\n", "3: illegal map value\n"},
      {"a map as a key", "? {a: 1}\n: 2\n", "1: a key of a map must be a string\n"},
      {"an alias as a key", "a: &x k\n*x : 2\n", "2: an alias can't be a key\n"},
      {"an unknown tag", "a: !secret x\n",
       "1: an unknown tag: a text that begins with `!` needs quotes\n"},
      {"binary", "a: !!binary aGk=\n",
       "1: the value is not of the type that its tag names: remove the tag, or mend the value\n"},
      {"a tag that does not fit", "a: !!int x\n",
       "1: the value is not of the type that its tag names: remove the tag, or mend the value\n"},
      {"a tab as indentation", "a:\n\tb: 1\n",
       "2: illegal map value (indented by a tab; YAML wants spaces)\n"},
      {"a map in a scalar", "a: b: c\n", "1: illegal map value\n"},
      {"a scalar that goes on as a map", "a: b\n  c: d\n", "2: illegal map value\n"},
      {"text after quotes", "a: \"x\" y\n", "1: end of map not found\n"},
  };
  check(cases);
}

TEST(Yaml, ExpandsAliasesAndMergeKeys) {
  constexpr Case cases[] = {
      {"a set", "? a\n? b\n", "{\"a\":null,\"b\":null}\n"},
      {"a flow key without a colon", "{a: 1, b}", "{\"a\":1,\"b\":null}\n"},
      {"an empty value", "a:\nb:\n  c:\n", "{\"a\":null,\"b\":{\"c\":null}}\n"},
      {"a scalar", "a: &x 80\nb: *x\n", "{\"a\":80,\"b\":80}\n"},
      {"a later anchor wins", "a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}\n"},
      {"a map", "a: &x {k: [1]}\nb: *x\n", "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]}}\n"},
      {"an anchor on nothing", "a: &x\nb: *x\n", "{\"a\":null,\"b\":null}\n"},
      {"own keys win over merged ones", "a: &x {k: 1, l: 2}\nb:\n  l: 3\n  <<: *x\n",
       "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"l\":3,\"k\":1}}\n"},
      {"earlier sources win", "b:\n  <<: [{k: 1}, {k: 2, l: 3}]\n", "{\"b\":{\"k\":1,\"l\":3}}\n"},
      {"a quoted << is a key", "a:\n  '<<': 1\n", "{\"a\":{\"<<\":1}}\n"},
      {"merging no map", "a:\n  <<: 1\n", "2: `<<` needs a map, or a list of maps\n"},
      {"two merges", "a:\n  <<: {k: 1}\n  <<: {l: 1}\n",
       "3: key `<<` stands twice in this map, first in line 2\n"},
  };
  check(cases);
}

TEST(Yaml, KnowsThePlaceOfEveryValue) {
  const YamlResult result =
      parse_yaml("# head\n---\nspec:\n  rules:\n  - host: a.example.com\n    n: 1\n");
  ASSERT_EQ(result.documents.size(), 1u) << dump(result);
  const Value& root = result.documents[0];
  EXPECT_EQ(root.line, 3);
  EXPECT_EQ(root.column, 1);
  const Value* rules = root.at({"spec", "rules"});
  ASSERT_NE(rules, nullptr);
  EXPECT_EQ(rules->line, 5);
  const Value* host = rules->array()->front().find("host");
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->line, 5);
  EXPECT_EQ(host->column, 11);
  EXPECT_EQ(root.at({"spec", "rules", "host"}), nullptr);
  EXPECT_EQ(root.at({"nothing"}), nullptr);
}

}  // namespace
}  // namespace bd::text
