#include "text/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

#include "text/dump_for_test.h"
#include "text/rapidcheck_for_test.h"

namespace bd::text {
namespace {

TEST(JsonWriter, WritesInOrderWithAndWithoutIndentation) {
  const auto fill = [](JsonWriter&& out) {
    out.begin_object().member("name", "a\"b").member("count", 3).key("none").null();
    out.key("list").begin_array().boolean(true).real(0.5).begin_object().end_object().end_array();
    out.key("empty").begin_array().end_array();
    return out.end_object().take();
  };
  EXPECT_EQ(fill(JsonWriter(0)),
            R"({"name":"a\"b","count":3,"none":null,"list":[true,0.5,{}],"empty":[]})");
  EXPECT_EQ(fill(JsonWriter(2)), R"({
  "name": "a\"b",
  "count": 3,
  "none": null,
  "list": [
    true,
    0.5,
    {}
  ],
  "empty": []
}
)");
}

TEST(JsonWriter, WritesNothingThatIsNoJson) {
  struct Case {
    const char* why;
    std::string value;
    std::string_view want;
  };
  const Case cases[] = {
      {"controls", std::string("\0\x01\t\n\r\x1F\x7F", 7),
       R"("\u0000\u0001\t\n\u000d\u001f\u007f")"},
      {"UTF-8 stays", "é🚀", "\"é🚀\""},
      {"stray bytes", "a\xFF\xC3", "\"a\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"a cut sequence", "\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"backslash", "\\", R"("\\")"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(JsonWriter(0).string(c.value).take(), c.want);
    EXPECT_TRUE(parse_json(JsonWriter(0).string(c.value).take()).has_value());
  }
  EXPECT_EQ(JsonWriter(0).real(std::numeric_limits<double>::infinity()).take(), "null");
  EXPECT_EQ(JsonWriter(0).number(std::numeric_limits<std::int64_t>::min()).take(),
            "-9223372036854775808");
}

rc::Gen<Value> any_value(int depth) {
  using rc::gen::map;
  auto scalar = rc::gen::oneOf(
      rc::gen::construct<Value>(), map<bool>([](bool v) { return Value(v); }),
      map<std::int64_t>([](std::int64_t v) { return Value(v); }),
      map(rc::gen::inRange(-1'000'000, 1'000'000), [](int v) { return Value(v / 8.0 + 0.0625); }),
      map(rc::gen::container<std::string>(rc::gen::inRange<char>(0x20, 0x7F)),
          [](std::string v) { return Value(std::move(v)); }));
  if (depth == 0) return scalar;
  auto array = map(rc::gen::container<Value::Array>(any_value(depth - 1)),
                   [](Value::Array v) { return Value(std::move(v)); });
  auto object =
      map(rc::gen::container<Value::Array>(any_value(depth - 1)), [](Value::Array values) {
        Value::Object out;
        for (Value& value : values)
          out.emplace_back("key " + std::to_string(out.size()), std::move(value));
        return Value(std::move(out));
      });
  return rc::gen::oneOf(scalar, array, object);
}

// JSON is YAML, so two parsers that share no code must agree on what the writer writes.
RC_GTEST_PROP(JsonWriter, IsReadBackByBothParsers, ()) {
  const Value value = *rc::gen::scale(0.2, any_value(2));
  const int indent = *rc::gen::element(0, 2);
  JsonWriter out(indent);
  dump(value, out);
  const std::string text = out.take();
  const auto json = parse_json(text);
  RC_ASSERT(json.has_value());
  RC_ASSERT(dump(*json) == dump(value));
  const YamlResult yaml = parse_yaml(text);
  RC_ASSERT(yaml.errors.empty());
  RC_ASSERT(value.is(Value::Kind::null) == yaml.documents.empty());
  if (!yaml.documents.empty()) RC_ASSERT(dump(yaml.documents[0]) == dump(value));
}

}  // namespace
}  // namespace bd::text
