// Bytes from somebody who wants the parsers to fall over: each must end in a clear error, soon.
#include <gtest/gtest.h>

#include "text/dump_for_test.h"
#include "text/value.h"

namespace bd::text {
namespace {

std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

/// The only error of `result`; its text if there is not exactly one.
std::string only_error(const YamlResult& result) {
  if (result.errors.size() != 1) return std::to_string(result.errors.size()) + " errors";
  return result.errors[0].what;
}

TEST(HostileYaml, BadBytesNeverReachTheParser) {
  struct Case {
    const char* why;
    std::string bytes;
    std::string want;
    int column;
  };
  const Case cases[] = {
      {"NUL", std::string("a: x\0y", 6), "a control character (byte 0x00)", 5},
      {"0x04 ends a yaml-cpp stream", "a: 1\x04\nb: 2\n", "a control character (byte 0x04)", 5},
      {"DEL", "a: \x7F", "a control character (byte 0x7F)", 4},
      {"a lone carriage return", "a: 1\rb: 2\n",
       "a carriage return without a line feed (byte 0x0D)", 5},
      {"Latin-1", "a: \xE9t\xE9\n", "no valid UTF-8 (byte 0xE9)", 4},
      {"an overlong slash", "a: \xC0\xAF\n", "no valid UTF-8 (byte 0xC0)", 4},
      {"a surrogate", "a: \xED\xA0\x80\n", "no valid UTF-8 (byte 0xED)", 4},
      {"above the last code point", "a: \xF4\x90\x80\x80\n", "no valid UTF-8 (byte 0xF4)", 4},
      {"a cut sequence", "a: \xE2\x82", "no valid UTF-8 (byte 0xE2)", 4},
      {"UTF-16",
       std::string("\xFF\xFE"
                   "a\0:\0",
                   6),
       "no valid UTF-8 (byte 0xFF)", 1},
      {"UTF-16 without a mark", std::string("\0a\0:", 4), "a control character (byte 0x00)", 1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const YamlResult result = parse_yaml(c.bytes);
    EXPECT_EQ(only_error(result), c.want);
    EXPECT_EQ(result.documents.size(), 0u);
    if (!result.errors.empty()) EXPECT_EQ(result.errors[0].column, c.column);
  }
}

TEST(HostileYaml, NestingIsBounded) {
  const std::string deeper = "nested deeper than 64";
  constexpr std::size_t kMany = 100'000;
  EXPECT_EQ(only_error(parse_yaml(repeat("[", kMany) + repeat("]", kMany))), deeper);
  EXPECT_EQ(only_error(parse_yaml(repeat("{a: ", kMany) + repeat("}", kMany))), deeper);
  EXPECT_EQ(parse_yaml(repeat("[", kMany)).errors.size(), 1u);
  EXPECT_EQ(parse_yaml(repeat("{a: ", kMany)).errors.size(), 1u);
  EXPECT_EQ(parse_yaml(repeat("]", kMany)).errors.size(), 1u);
  EXPECT_EQ(only_error(parse_yaml(repeat("- ", kMany))), deeper);
  EXPECT_EQ(only_error(parse_yaml(repeat("? ", kMany))), "a key of a map must be a string");
  std::string steps;
  for (std::size_t i = 0; i < 2000; ++i) steps += std::string(i, ' ') + "a:\n";
  EXPECT_EQ(only_error(parse_yaml(steps)), deeper);

  const ParseLimits limits{.depth_max = 5};
  EXPECT_EQ(dump(parse_yaml("[[[[[1]]]]]", limits)), "[[[[[1]]]]]\n");
  EXPECT_EQ(only_error(parse_yaml("[[[[[[1]]]]]]", limits)), "nested deeper than 5");
  EXPECT_EQ(dump(parse_yaml("- &x [[1]]\n- [[*x]]\n", limits)), "[[[1]],[[[[1]]]]]\n");
  EXPECT_EQ(only_error(parse_yaml("- &x [[1]]\n- [[[*x]]]\n", limits)), "nested deeper than 5");
}

TEST(HostileYaml, AliasesCannotMakeAShortFileLong) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int n = 0; n < 9; ++n) bomb += "," + before;
    bomb += "]\n";
  }
  const ParseLimits limits{.nodes_max = 100'000};
  const std::string too_many = "more than 100000 values in one file";
  EXPECT_EQ(only_error(parse_yaml(bomb, limits)), too_many);

  const std::string text =
      "a: &x " + std::string(1 << 20, 'x') + "\nb: [" + repeat("*x,", 50) + "]\n";
  EXPECT_EQ(only_error(parse_yaml(text)), "aliases copy more than 16777216 bytes");

  std::string merges = "m0: &m0 {k0: 1}\n";
  for (int i = 1; i < 40; ++i) {
    const std::string n = std::to_string(i);
    const std::string p = std::to_string(i - 1);
    merges += "m" + n + ": &m" + n + " {<<: [*m" + p + ", *m" + p + "], a: *m" + p + ", b: *m" + p +
              "}\n";
  }
  const std::string error = only_error(parse_yaml(merges, limits));
  EXPECT_TRUE(error == too_many || error.starts_with("nested deeper")) << error;
}

TEST(HostileYaml, SizesAreBounded) {
  EXPECT_EQ(only_error(parse_yaml(std::string(64u << 20, 'a'))),
            "67108864 bytes; the most is 16777216");
  const ParseLimits limits{.bytes_max = 8, .nodes_max = 4};
  EXPECT_EQ(dump(parse_yaml("a: 12345", limits)), "{\"a\":12345}\n");
  EXPECT_EQ(only_error(parse_yaml("a: 123456", limits)), "9 bytes; the most is 8");
  EXPECT_EQ(dump(parse_yaml("[1,2,3]", limits)), "[1,2,3]\n");
  EXPECT_EQ(only_error(parse_yaml("[1,2,3,4]", {.nodes_max = 4})),
            "more than 4 values in one file");
  const YamlResult result = parse_yaml("[1,2]\n---\n[3]\n---\n[4]\n", {.nodes_max = 4});
  EXPECT_EQ(result.documents.size(), 1u) << dump(result);
  EXPECT_FALSE(result.errors.empty());
}

TEST(HostileYaml, BrokenDocumentsAreNotCountedForever) {
  const YamlResult result = parse_yaml(repeat("---\n]\n", 100'000));
  EXPECT_EQ(result.errors.size(), 101u);
  EXPECT_EQ(result.errors.back().what,
            "the rest of the file is not read: too many errors or values");
}

TEST(HostileYaml, ManyMembersCostNoSquare) {
  std::string wide;
  for (int i = 0; i < 300'000; ++i) wide += "k" + std::to_string(i) + ": 1\n";
  const YamlResult unique = parse_yaml(wide);
  ASSERT_EQ(unique.errors.size(), 0u) << dump(unique);
  EXPECT_EQ(unique.documents[0].object()->size(), 300'000u);
  EXPECT_EQ(only_error(parse_yaml(wide + "k7: 2\n")),
            "key `k7` stands twice in this map, first in line 8");
}

// A half-written file is any prefix of a good one: it must parse to a prefix of its documents, or
// fail, but never crash or invent a document.
TEST(HostileYaml, EveryPrefixOfAManifestIsReadOrRefused) {
  const std::string whole =
      "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: \"b c\"}}\n---\n"
      "kind: Ingress\nspec:\n  rules:\n  - host: 'a.example.com'\n    text: >-\n      folded\n     "
      " more\n"
      "---\n# last\n{\"kind\": \"Namespace\", \"n\": [1, 2]}\n";
  const YamlResult all = parse_yaml(whole);
  ASSERT_EQ(all.errors.size(), 0u) << dump(all);
  ASSERT_EQ(all.documents.size(), 3u);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    const YamlResult part = parse_yaml(std::string_view(whole).substr(0, size));
    ASSERT_LE(part.documents.size(), 3u);
    for (std::size_t i = 0; i + 1 < part.documents.size(); ++i) {
      EXPECT_EQ(dump(part.documents[i]), dump(all.documents[i]));
    }
  }
}

TEST(HostileJson, EndsInAClearError) {
  struct Case {
    const char* why;
    std::string bytes;
    std::string want;
  };
  const Case cases[] = {
      {"deep arrays", repeat("[", 100'000) + repeat("]", 100'000), "nested deeper than 64"},
      {"deep objects", repeat("{\"a\":", 100'000) + "1" + repeat("}", 100'000),
       "nested deeper than 64"},
      {"too large", std::string(64u << 20, ' '), "67108864 bytes; the most is 16777216"},
      {"duplicate keys", R"({"a":1,"b":{"c":1,"c":2}})", "key `c` stands twice in one object"},
      {"duplicate keys by escapes", R"({"a":1,"\u0061":2})", "key `a` stands twice in one object"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto result = parse_json(c.bytes);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().what, c.want);
  }
}

}  // namespace
}  // namespace bd::text
