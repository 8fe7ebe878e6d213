#include "config/schema.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "config/load_for_test.h"

namespace bd::config {
namespace {

using Texts = std::vector<std::string>;

std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

/// One line of YAML that sets the key of `path` in the first default exposure, its listener, or at
/// the top.
std::string yaml_that_sets(const Key& key, std::string_view value) {
  if (key.path == "exposures[].name") return fmt::format("exposures: [{{name: {}}}]", value);
  if (key.path == "manifests[].directory")
    return fmt::format("manifests: [{{directory: {}}}]", value);
  std::string_view path = key.path;
  std::string before;
  std::string after;
  const auto enter = [&](std::string_view prefix, std::string_view opening,
                         std::string_view closing) {
    if (!path.starts_with(prefix)) return;
    path.remove_prefix(prefix.size());
    before += opening;
    after.insert(0, closing);
  };
  enter("exposures[].", "exposures: [{name: internal-http, ", "}]");
  enter("listeners[].", "listeners: [{", "}]");
  enter("tls.", "tls: {", "}");
  enter("certificates[].", "certificates: [{", "}]");
  enter("hosts[].", "hosts: [{", "}]");
  enter("limits.", "limits: {", "}");
  enter("timeouts.", "timeouts: {", "}");
  enter("manifests[].", "manifests: [{directory: /a, ", "}]");
  return before + fmt::format("{}: {}", path, value) + after;
}

TEST(Schema, EveryPathVariableAndFlagIsUnique) {
  std::set<std::string> seen;
  for (const Key& key : schema()) {
    EXPECT_TRUE(seen.emplace(key.path).second) << key.path;
    const std::string name = variable(key, "internal-http");
    EXPECT_TRUE(name.empty() || seen.insert(name).second) << name;
    EXPECT_TRUE(key.flag.empty() || seen.emplace(key.flag).second) << key.flag;
  }
}

TEST(Schema, EveryKeyBelowAnotherComesAfterIt) {
  for (const Key& key : schema()) {
    const std::size_t dot = key.path.rfind('.');
    if (dot == std::string_view::npos) continue;
    std::string_view above = key.path.substr(0, dot);
    if (above.ends_with("[]")) above.remove_suffix(2);
    const Key* holder = find_key(above);
    ASSERT_NE(holder, nullptr) << key.path;
    EXPECT_LT(holder, &key) << key.path;
    EXPECT_TRUE(holder->kind == Kind::object || holder->kind == Kind::objects) << key.path;
  }
}

TEST(Schema, EveryDefaultThatIsShownIsTheDefault) {
  for (const Key& key : schema()) {
    if (key.fallback.empty() || !key.in_file) continue;
    const std::string yaml = yaml_that_sets(key, key.fallback);
    const Loaded loaded = load_file(yaml);
    EXPECT_EQ(mistakes_of(loaded), Texts{}) << yaml;
    Config want;
    if (is_per_exposure(key)) want.exposures.resize(1);
    if (key.path.starts_with("manifests[]")) want.manifests = {{"/a", false}};
    EXPECT_EQ(loaded.config, want) << yaml;
  }
}

TEST(Schema, EveryKeyIsReadAndSaysWhatItExpects) {
  for (const Key& key : schema()) {
    EXPECT_FALSE(key.about.empty()) << key.path;
    EXPECT_FALSE(expected(key).empty()) << key.path;
    if (!key.in_file) continue;
    const std::string yaml = yaml_that_sets(key, "!!float 1.5");
    const Loaded loaded = load_file(yaml);
    bool is_named = false;
    for (const Mistake& mistake : loaded.mistakes)
      is_named |= mistake.what.find("found 1.5") != std::string::npos;
    EXPECT_TRUE(is_named) << yaml;
  }
}

TEST(Schema, VariablesAndFlagsFollowThePaths) {
  struct Case {
    const char* path;
    const char* variable;
    const char* flag;
  };
  constexpr Case cases[] = {
      {"config", "BLASTDOOR_CONFIG", "config"},
      {"enabled", "BLASTDOOR_EXPOSURES", "exposures"},
      {"manifests", "BLASTDOOR_MANIFESTS", "manifests"},
      {"allowLoopback", "BLASTDOOR_ALLOW_LOOPBACK", "allowLoopback"},
      {"labelSelector", "BLASTDOOR_LABEL_SELECTOR", "labelSelector"},
      {"stateDir", "BLASTDOOR_STATE_DIR", "stateDir"},
      {"exposures", "", ""},
      {"exposures[].name", "", ""},
      {"exposures[].redirect", "BLASTDOOR_INTERNAL_HTTP_REDIRECT", ""},
      {"exposures[].listeners", "", ""},
      {"exposures[].listeners[].name", "", ""},
      {"exposures[].listeners[].trustedPeers", "BLASTDOOR_INTERNAL_HTTP_TRUSTED_PEERS", ""},
      {"exposures[].listeners[].limits", "", ""},
      {"exposures[].listeners[].limits.requestLineMax",
       "BLASTDOOR_INTERNAL_HTTP_LIMITS_REQUEST_LINE_MAX", ""},
      {"manifests[].directory", "", ""},
      {"exposures[].tls", "BLASTDOOR_INTERNAL_HTTP_TLS", ""},
      {"exposures[].secrets", "BLASTDOOR_INTERNAL_HTTP_SECRETS", ""},
      {"exposures[].listeners[].tls", "", ""},
      {"exposures[].listeners[].tls.mode", "BLASTDOOR_INTERNAL_HTTP_TLS_MODE", ""},
      {"exposures[].listeners[].tls.certificates", "", ""},
      {"exposures[].listeners[].tls.certificates[].key", "", ""},
      {"upstreamCa", "BLASTDOOR_UPSTREAM_CA", "upstreamCa"},
  };
  for (const Case& c : cases) {
    const Key* key = find_key(c.path);
    ASSERT_NE(key, nullptr) << c.path;
    EXPECT_EQ(variable(*key, "internal-http"), c.variable);
    EXPECT_EQ(flag_key(*key), c.flag);
  }
}

TEST(Schema, EveryFlagSetsItsKey) {
  ASSERT_FALSE(flags().empty());
  for (const Flag& flag : flags()) {
    Inputs inputs;
    inputs.flags = {{flag.key, {"1.5.?"}}};
    const Loaded loaded = load(inputs);
    const bool any_text = flag.key == "config" || flag.key == "manifests" ||
                          flag.key == "kubeconfig" || flag.key == "stateDir" ||
                          flag.key == "upstreamCa";
    EXPECT_EQ(loaded.mistakes.empty(), any_text) << flag.name;
    for (const Mistake& mistake : loaded.mistakes) EXPECT_EQ(mistake.where, flag.name);
  }
}

TEST(NeedsRestart, SaysSoForEveryKeyThatTheReferenceMarks) {
  // A value that differs from the default, for every key that stands in a file.
  const std::map<std::string_view, const char*> others = {
      {"exposures[].side", "external"},
      {"exposures[].selector", "a=b"},
      {"exposures[].ingressClass", "a"},
      {"exposures[].class", "any"},
      {"exposures[].allow", "[wildcard]"},
      {"exposures[].hosts", "owned"},
      {"exposures[].listeners[].name", "other"},
      {"exposures[].listeners[].address", "10.1.2.3"},
      {"exposures[].listeners[].port", "7"},
      {"exposures[].listeners[].publicScheme", "https"},
      {"exposures[].listeners[].publicPort", "7"},
      {"exposures[].listeners[].acceptFrom", "[10.0.0.0/8]"},
      {"exposures[].listeners[].trustedPeers", "[10.0.0.0/8]"},
      {"exposures[].listeners[].healthPath", "/up"},
      {"exposures[].listeners[].proxyProtocolFrom", "[10.0.0.0/8]"},
      {"exposures[].listeners[].tls.minVersion", "1.3"},
      {"exposures[].secrets", "referenced"},
      {"upstreamCa", "/ca"},
      {"enabled", "[internal-http]"},
      {"manifests", "[/a]"},
      {"manifests[].allowLoopback", "true"},
      {"kubeconfig", "/k"},
      {"caConfigMaps", "true"},
      {"admin", "127.0.0.1:7"},
      {"probes", "127.0.0.1:7"},
      {"metrics", "127.0.0.1:7"},
      {"stateDir", "/s"},
      {"workers", "1"},
      {"logLevel", "warn"},
      {"nodeAddresses", "[192.0.2.1]"},
  };
  for (const auto& [path, value] : others) {
    const Key* key = find_key(path);
    ASSERT_NE(key, nullptr) << path;
    Config before;
    if (is_per_exposure(*key)) before = load_file("exposures: [{name: internal-http}]").config;
    if (path.starts_with("manifests[]")) before = load_file("manifests: [/a]").config;
    const Loaded after = load_file(yaml_that_sets(*key, value));
    ASSERT_EQ(mistakes_of(after), Texts{}) << path;
    ASSERT_NE(after.config, before) << path;
    Texts keys;
    EXPECT_EQ(needs_restart(before, after.config, keys), key->effect == Effect::restart) << path;
    EXPECT_EQ(keys.empty(), key->effect == Effect::live) << path;
    EXPECT_FALSE(needs_restart(after.config, after.config, keys)) << path;
  }
}

TEST(NeedsRestart, NamesTheKeysThatDiffer) {
  const Config a = load_file("exposures: [{name: internal-http}, {name: external-http}]").config;
  const Config b = load_file(
                       "exposures: [{name: internal-http, listeners: [{port: 1}]}, {name: "
                       "internal-httpsecure}]\nworkers: 2\n")
                       .config;
  Texts keys;
  EXPECT_TRUE(needs_restart(a, b, keys));
  EXPECT_EQ(keys, (Texts{"exposures[external-http]", "exposures[internal-http].listeners",
                         "exposures[internal-httpsecure]", "workers"}));
}

TEST(Reference, IsTheCommittedFile) {
  const std::string path = BD_SOURCE_DIR "/docs/reference/configuration.md";
  if (std::getenv("BLASTDOOR_BLESS") != nullptr) std::ofstream(path) << reference();
  EXPECT_EQ(read_file(path), reference())
      << "run this test with BLASTDOOR_BLESS=1 to rewrite " << path;
}

struct Block {
  std::string language;  ///< What follows the opening fence: `yaml`, `yaml wrong`, `text`.
  std::string text;
};

std::vector<Block> fenced_blocks(const std::string& markdown) {
  std::vector<Block> out;
  std::istringstream in(markdown);
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      inside = !inside;
      if (inside) out.push_back({line.substr(3), ""});
    } else if (inside) {
      out.back().text += line + "\n";
    }
  }
  return out;
}

// An example of the guide loads without a mistake; one that is marked wrong gives just the messages
// that follow it.
TEST(Guide, ExamplesDoWhatTheGuideSays) {
  const std::vector<Block> blocks =
      fenced_blocks(read_file(BD_SOURCE_DIR "/docs/guide/configure.md"));
  unsigned good = 0;
  unsigned wrong = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].language != "yaml" && blocks[i].language != "yaml wrong") continue;
    const Loaded loaded = load_file(blocks[i].text);
    std::string messages;
    for (const std::string& text : mistakes_of(loaded)) messages += text + "\n";
    if (blocks[i].language == "yaml wrong") {
      ASSERT_LT(i + 1, blocks.size());
      EXPECT_EQ(messages, blocks[i + 1].text);
      ++wrong;
    } else {
      EXPECT_EQ(messages, "") << blocks[i].text;
      EXPECT_EQ(loaded.warnings, Texts{}) << blocks[i].text;
      ++good;
    }
  }
  EXPECT_GE(good, 5u);
  EXPECT_GE(wrong, 1u);
}

// Every variable that the guide names exists, with the four default exposures.
TEST(Guide, VariablesExist) {
  std::set<std::string> known = {"BLASTDOOR_SERVICE_HOST"};
  for (const Key& key : schema()) {
    known.insert(variable(key, {}));
    for (const model::Exposure& exposure : model::default_exposures())
      known.insert(variable(key, exposure.name));
  }
  const std::string guide = read_file(BD_SOURCE_DIR "/docs/guide/configure.md");
  unsigned count = 0;
  for (std::size_t at = guide.find("BLASTDOOR_"); at != std::string::npos;
       at = guide.find("BLASTDOOR_", at + 1)) {
    const std::size_t end = guide.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789", at);
    const std::string name = guide.substr(at, end - at);
    EXPECT_TRUE(name == "BLASTDOOR_" || known.contains(name)) << name;
    ++count;
  }
  EXPECT_GT(count, 5u);
}

}  // namespace
}  // namespace bd::config
