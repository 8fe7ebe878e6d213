#include <gtest/gtest.h>

#include <cmath>

#include "text/dump_for_test.h"
#include "text/value.h"

namespace bd::text {
namespace {

TEST(Json, ReadsEveryKindOfValue) {
  struct Case {
    std::string_view json;
    Value::Kind kind;
    std::string_view want;
  };
  using Kind = Value::Kind;
  constexpr Case cases[] = {
      {"null", Kind::null, "null"},
      {" true ", Kind::boolean, "true"},
      {"-5", Kind::integer, "-5"},
      {"9223372036854775807", Kind::integer, "9223372036854775807"},
      {"18446744073709551615", Kind::real, "1.8446744073709552e+19"},
      {"1.5", Kind::real, "1.5"},
      {"1e3", Kind::real, "1000"},
      {R"("")", Kind::string, R"("")"},
      {R"("\ud83d\ude80\n\"")", Kind::string, "\"🚀\\n\\\"\""},
      {R"("\u0000")", Kind::string, R"("\u0000")"},
      {"[]", Kind::array, "[]"},
      {"{}", Kind::object, "{}"},
      {"[1,[2,{\"a\":[]}]]", Kind::array, "[1,[2,{\"a\":[]}]]"},
      {"\xEF\xBB\xBF{\"a\":1}", Kind::object, "{\"a\":1}"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.json);
    const auto result = parse_json(c.json);
    ASSERT_TRUE(result.has_value()) << result.error().what;
    EXPECT_EQ(name(result->kind()), name(c.kind));
    EXPECT_EQ(dump(*result), c.want);
  }
}

TEST(Json, RefusesWhatIsNoJson) {
  const std::string cases[] = {
      "",
      " ",
      "{",
      "}",
      "{\"a\"}",
      "{a:1}",
      "[1,]",
      "[1 2]",
      "01",
      "+1",
      ".5",
      "1.",
      "NaN",
      "tru",
      "'a'",
      "\"a",
      "\"\\x\"",
      "1 2",
      "{} {}",
      "// a\n1",
      "1e999",
      "\"\x01\"",
      "\"\xFF\"",
      "\"\xC0\xAF\"",
      "\"\xED\xA0\x80\"",
      std::string("\"a\0b\"", 5),
      "\"\\ud800\"",
      "99999999999999999999999",
  };
  for (const std::string& json : cases) {
    SCOPED_TRACE(json);
    const auto result = parse_json(json);
    EXPECT_FALSE(result.has_value()) << dump(*result);
    if (!result) EXPECT_FALSE(result.error().what.empty());
  }
}

TEST(Json, HoldsItsBounds) {
  const ParseLimits limits{.bytes_max = 9, .depth_max = 3, .nodes_max = 4};
  EXPECT_TRUE(parse_json("[1,2,3]", limits).has_value());
  EXPECT_TRUE(parse_json("[[[1]]]", limits).has_value());
  const auto error = [&limits](std::string_view json) {
    const auto result = parse_json(json, limits);
    return result ? dump(*result) : result.error().what;
  };
  EXPECT_EQ(error("[[[[]]]]"), "nested deeper than 3");
  EXPECT_EQ(error("[[[[[]]]]]").substr(0, 8), "10 bytes");
  EXPECT_EQ(error("[1,2,3,4]"), "more than 4 values");
  EXPECT_EQ(error("[1,2,3,40]"), "10 bytes; the most is 9");
}

TEST(Value, FindsMembersOnlyInObjects) {
  const auto parsed = parse_json(R"({"a":{"b":{"c":7}},"d":[1]})");
  ASSERT_TRUE(parsed.has_value());
  const Value* found = parsed->at({"a", "b", "c"});
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(*found->integer(), 7);
  EXPECT_EQ(parsed->at({"a", "x", "c"}), nullptr);
  EXPECT_EQ(parsed->at({"d", "0"}), nullptr);
  EXPECT_EQ(parsed->at({}), &*parsed);
  EXPECT_TRUE(Value("text").is(Value::Kind::string)) << "a literal must not become a boolean";
}

}  // namespace
}  // namespace bd::text
