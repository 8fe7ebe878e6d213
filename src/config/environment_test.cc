#include "config/environment.h"

#include "config/load_for_test.h"

namespace bd::config {
namespace {

using Texts = std::vector<std::string>;

TEST(Environment, IgnoresWhatKubernetesInjects) {
  struct Case {
    const char* name;
    const char* value;
    bool want;
  };
  constexpr Case cases[] = {
      {"BLASTDOOR_SERVICE_HOST", "10.96.0.7", true},
      {"BLASTDOOR_SERVICE_PORT", "80", true},
      {"BLASTDOOR_SERVICE_PORT_INTERNAL_HTTP", "80", true},
      {"BLASTDOOR_PORT", "tcp://10.96.0.7:80", true},
      {"BLASTDOOR_PORT", "udp://10.96.0.7:80", true},
      {"BLASTDOOR_PORT", "8080", false},
      {"BLASTDOOR_PORT_10000_TCP", "tcp://10.96.0.7:10000", true},
      {"BLASTDOOR_PORT_10000_TCP_PROTO", "tcp", true},
      {"BLASTDOOR_PORT_10000_TCP_PORT", "10000", true},
      {"BLASTDOOR_PORT_10000_TCP_ADDR", "10.96.0.7", true},
      {"BLASTDOOR_PORT_53_UDP_ADDR", "10.96.0.7", true},
      {"BLASTDOOR_PORT_9_SCTP", "sctp://10.96.0.7:9", true},
      {"BLASTDOOR_PORT_10000", "1", false},
      {"BLASTDOOR_PORT_10000_TCP_X", "1", false},
      {"BLASTDOOR_PORT_X_TCP", "1", false},
      {"BLASTDOOR_INTERNAL_HTTP_SERVICE_HOST", "10.96.0.8", true},
      {"BLASTDOOR_INTERNAL_HTTP_SERVICE_PORT", "80", true},
      {"BLASTDOOR_INTERNAL_HTTP_PORT", "tcp://10.96.0.8:80", true},
      {"BLASTDOOR_INTERNAL_HTTP_PORT_80_TCP_ADDR", "10.96.0.8", true},
      {"BLASTDOOR_INTERNAL_HTTP_PORT", "20000", false},
      {"BLASTDOOR_ADMIN", "127.0.0.1:1", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(is_injected(c.name, c.value), c.want) << c.name << '=' << c.value;
    if (!c.want) continue;
    const Loaded loaded = load_variables({{c.name, c.value}});
    EXPECT_EQ(mistakes_of(loaded), Texts{}) << c.name;
    EXPECT_EQ(loaded.config, Config{}) << c.name;
  }
}

TEST(Environment, IgnoresWhatIsNotOurs) {
  const Loaded loaded = load_variables({{"PATH", "/bin"},
                                        {"BLASTDOORS", "1"},
                                        {"blastdoor_admin", "1"},
                                        {"BLASTDOOR_TEST_ETCD", "/x"},
                                        {"TRAEFIK_LABEL_SELECTOR", "a=b"}});
  EXPECT_EQ(mistakes_of(loaded), Texts{});
  EXPECT_EQ(loaded.config, Config{});
}

TEST(Environment, SetsEveryTopLevelKey) {
  const Loaded loaded =
      load_variables({{"BLASTDOOR_CONFIG", "/etc/blastdoor.yaml"},
                      {"BLASTDOOR_EXPOSURES", "external-http, external-httpsecure"},
                      {"BLASTDOOR_MANIFESTS", "/a,/b"},
                      {"BLASTDOOR_ALLOW_LOOPBACK", "true"},
                      {"BLASTDOOR_KUBECONFIG", "/k"},
                      {"BLASTDOOR_ADMIN", "127.0.0.1:1"},
                      {"BLASTDOOR_PROBES", ":2"},
                      {"BLASTDOOR_METRICS", "[::]:3"},
                      {"BLASTDOOR_STATE_DIR", "/s"},
                      {"BLASTDOOR_WORKERS", "3"},
                      {"BLASTDOOR_LOG_LEVEL", "warn"},
                      {"BLASTDOOR_NODE_ADDRESSES", "192.0.2.1,192.0.2.2"}});
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  Config want;
  want.enabled = {"external-http", "external-httpsecure"};
  want.manifests = {{"/a", true}, {"/b", true}};
  want.kubeconfig = "/k";
  want.kubernetes = true;
  want.admin = *SocketAddress::parse("127.0.0.1:1");
  want.probes = *SocketAddress::parse("0.0.0.0:2");
  want.metrics = *SocketAddress::parse("[::]:3");
  want.state_dir = "/s";
  want.workers = 3;
  want.log_level = "warn";
  want.node_addresses = {"192.0.2.1", "192.0.2.2"};
  EXPECT_EQ(loaded.config, want);
}

TEST(Environment, SetsKeysOfOneExposure) {
  const Loaded loaded =
      load_variables({{"BLASTDOOR_INTERNAL_HTTP_PORT", "20000"},
                      {"BLASTDOOR_INTERNAL_HTTP_ADDRESS", "10.1.2.3"},
                      {"BLASTDOOR_INTERNAL_HTTP_PUBLIC_SCHEME", "http"},
                      {"BLASTDOOR_INTERNAL_HTTP_PUBLIC_PORT", "8080"},
                      {"BLASTDOOR_INTERNAL_HTTP_ACCEPT_FROM", "10.0.0.0/8,fd00::/8"},
                      {"BLASTDOOR_INTERNAL_HTTP_TRUSTED_PEERS", "10.1.0.0/16"},
                      {"BLASTDOOR_INTERNAL_HTTP_HEALTH_PATH", "/up"},
                      {"BLASTDOOR_INTERNAL_HTTP_SELECTOR", "tier in (web,api)"},
                      {"BLASTDOOR_INTERNAL_HTTP_INGRESS_CLASS", "one,two"},
                      {"BLASTDOOR_INTERNAL_HTTP_CLASS", "any"},
                      {"BLASTDOOR_INTERNAL_HTTP_ALLOW", "wildcard,empty_host"},
                      {"BLASTDOOR_INTERNAL_HTTP_HOSTS", "owned"},
                      {"BLASTDOOR_INTERNAL_HTTP_REDIRECT", "twin"},
                      {"BLASTDOOR_INTERNAL_HTTP_LIMITS_REQUEST_BODY_MAX", "10MiB"},
                      {"BLASTDOOR_INTERNAL_HTTP_LIMITS_REQUEST_FIELDS_MAX", "9"},
                      {"BLASTDOOR_INTERNAL_HTTP_TIMEOUTS_IDLE", "2m"},
                      {"BLASTDOOR_EXTERNAL_HTTP_REDIRECT", "external-httpsecure"},
                      {"BLASTDOOR_EXTERNAL_HTTP_SIDE", "external"}});
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  Config want;
  model::Exposure& internal = want.exposures[0];
  model::Listener& listener = internal.listeners[0];
  listener.bind = *SocketAddress::parse("10.1.2.3:20000");
  listener.public_port = 8080;
  listener.accept_from = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("fd00::/8")};
  listener.trusted_peers = {*Cidr::parse("10.1.0.0/16")};
  listener.health_path = "/up";
  listener.limits.request_body_max = 10u << 20;
  listener.limits.request_fields_max = 9;
  listener.timeouts.idle = std::chrono::minutes(2);
  internal.selector = *model::Selector::parse("tier in (web,api)");
  internal.custom_selector = true;
  internal.ingress_classes = {"one", "two"};
  internal.any_class = true;
  internal.allow = {.wildcard = true, .empty_host = true, .default_backend = false};
  internal.hosts = model::HostOwnership::owned;
  internal.redirect_twin = "internal-httpsecure";
  want.exposures[2].redirect_twin = "external-httpsecure";
  EXPECT_EQ(loaded.config, want);
}

TEST(Environment, SetsTheListenerMainOfExposuresInTheFile) {
  Inputs inputs = file_inputs(R"(
exposures:
  - {name: one, side: internal}
  - name: two
    side: internal
    listeners: [{name: other, port: 1}, {name: main, port: 2}]
)");
  inputs.environment = {{"BLASTDOOR_ONE_PORT", "3"},
                        {"BLASTDOOR_TWO_PORT", "4"},
                        {"BLASTDOOR_TWO_PUBLIC_SCHEME", "https"}};
  const Loaded loaded = load(inputs);
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  EXPECT_EQ(loaded.config.exposures[0].listeners[0].bind.port, 3);
  EXPECT_EQ(loaded.config.exposures[1].listeners[0].bind.port, 1);
  EXPECT_EQ(loaded.config.exposures[1].listeners[1].bind.port, 4);
  EXPECT_EQ(loaded.config.exposures[1].listeners[1].public_port, 443);
}

TEST(Environment, RefusesEveryOtherVariable) {
  struct Case {
    const char* name;
    const char* value;
    const char* want;
  };
  constexpr Case cases[] = {
      {"BLASTDOOR_ADMN", "127.0.0.1:1",
       "there is no such variable (did you mean `BLASTDOOR_ADMIN`?)"},
      {"BLASTDOOR_ENABLED", "a",
       "there is no such variable (all are in docs/reference/configuration.md)"},
      {"BLASTDOOR_INTERNAL_HTP_PORT", "1",
       "there is no such variable (did you mean `BLASTDOOR_INTERNAL_HTTP_PORT`?)"},
      {"BLASTDOOR_INTERNAL_HTTP_NAME", "x", nullptr},
      {"BLASTDOOR_", "x", nullptr},
      {"BLASTDOOR_PORT", "8080", nullptr},
      {"BLASTDOOR_EXPOSURES", "", "enabled: is set, but empty (leave it out to get the default)"},
      {"BLASTDOOR_EXPOSURES", "internal-http,,external-http",
       "enabled[1]: expected the name of an exposure, found an empty text"},
      {"BLASTDOOR_EXPOSURES", "internal-htp",
       "enabled: there is no exposure internal-htp (did you mean `internal-http`?)"},
      {"BLASTDOOR_WORKERS", "many", "workers: expected a whole number from 0 to 4, found \"many\""},
      {"BLASTDOOR_WORKERS", "+1", "workers: expected a whole number from 0 to 4, found \"+1\""},
      {"BLASTDOOR_ALLOW_LOOPBACK", "yes", "allowLoopback: expected true or false, found \"yes\""},
      {"BLASTDOOR_ADMIN", "0.0.0.0:9900",
       "admin: expected a loopback address, found 0.0.0.0:9900 (the admin API knows no users: "
       "listen on 127.0.0.1 "
       "and reach it with kubectl port-forward)"},
      {"BLASTDOOR_INTERNAL_HTTP_PORT", "70000",
       "exposures[0].listeners[0].port: expected a whole number from 0 to 65535, found 70000"},
      {"BLASTDOOR_EXTERNAL_HTTP_TRUSTED_PEERS", "10.0.0.0/8,alb",
       "exposures[2].listeners[0].trustedPeers[1]: expected a CIDR block such as 10.0.0.0/8, found "
       "\"alb\""},
      {"BLASTDOOR_EXTERNAL_HTTP_REDIRECT", "internal-httpsecure",
       "exposures[2].redirect: internal-httpsecure is on side internal (possible twins are "
       "external-httpsecure)"},
      {"BLASTDOOR_EXTERNAL_HTTP_TIMEOUTS_IDLE", "75",
       "exposures[2].listeners[0].timeouts.idle: expected a duration from 1ms to 24h, such as 10s, "
       "found \"75\""},
  };
  for (const Case& c : cases) {
    const Loaded loaded = load_variables({{c.name, c.value}});
    ASSERT_EQ(loaded.mistakes.size(), 1u) << c.name << '=' << c.value;
    EXPECT_EQ(loaded.mistakes[0].where, std::string("environment ") + c.name);
    if (c.want != nullptr) {
      EXPECT_EQ(loaded.mistakes[0].text(), fmt::format("environment {}: {}", c.name, c.want));
    }
  }
}

TEST(Environment, RefusesWhatCouldMeanTwoThings) {
  constexpr const char* yaml = R"(
exposures:
  - {name: a, side: internal, listeners: [{port: 1}]}
  - {name: a-public, side: internal, listeners: [{port: 2}]}
  - {name: label, side: internal, listeners: [{port: 3}]}
  - name: two
    side: internal
    listeners: [{name: x, port: 4}, {name: y, port: 5}]
)";
  struct Case {
    const char* name;
    const char* value;
    const char* want;
  };
  constexpr Case cases[] = {
      {"BLASTDOOR_A_PUBLIC_PORT", "9",
       "exposures[1].listeners[0].port: could also mean exposures[0].listeners[0].publicPort (set "
       "it in the file)"},
      {"BLASTDOOR_LABEL_SELECTOR", "a=b",
       "exposures[2].selector: could also mean labelSelector (set it in the file)"},
      {"BLASTDOOR_TWO_PORT", "9",
       "exposures[3].listeners[0].port: two has several listeners, and none is called main (set it "
       "in the file)"},
  };
  for (const Case& c : cases) {
    Inputs inputs = file_inputs(yaml);
    inputs.environment = {{c.name, c.value}};
    EXPECT_EQ(mistakes_of(load(inputs)), Texts{fmt::format("environment {}: {}", c.name, c.want)});
  }
}

TEST(Flags, AreStrongerThanTheEnvironmentAndThatThanTheFile) {
  Inputs inputs = file_inputs(
      "{workers: 1, logLevel: debug, stateDir: /file, manifests: [{directory: /file, "
      "allowLoopback: true}]}");
  inputs.environment = {
      {"BLASTDOOR_WORKERS", "2"}, {"BLASTDOOR_LOG_LEVEL", "warn"}, {"BLASTDOOR_MANIFESTS", "/env"}};
  inputs.flags = {{"workers", {"3"}}};
  Loaded loaded = load(inputs);
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  EXPECT_EQ(loaded.config.workers, 3u);
  EXPECT_EQ(loaded.config.log_level, "warn");
  EXPECT_EQ(loaded.config.state_dir, "/file");
  EXPECT_EQ(loaded.config.manifests, (std::vector<ManifestsSource>{{"/env", false}}));

  inputs.flags = {{"manifests", {"/x", "/y,/z"}}, {"allowLoopback", {}}};
  loaded = load(inputs);
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  EXPECT_EQ(loaded.config.manifests,
            (std::vector<ManifestsSource>{{"/x", true}, {"/y", true}, {"/z", true}}));
}

TEST(Flags, AreWrongInTheSameWords) {
  struct Case {
    const char* name;
    Texts values;
    const char* want;
  };
  const Case cases[] = {
      {"exposures",
       {"internal-htp"},
       "--exposures: enabled: there is no exposure internal-htp (did you mean `internal-http`?)"},
      {"exposures",
       {""},
       "--exposures: enabled: is set, but empty (leave it out to get the default)"},
      {"exposures",
       {"internal-http", "internal-http"},
       "--exposures: enabled: names internal-http twice"},
      {"workers", {"1", "2"}, "--workers: workers: is given more than once"},
      {"allowLoopback",
       {"maybe"},
       "--allow-loopback: allowLoopback: expected true or false, found \"maybe\""},
      {"colour", {"red"}, "--colour: there is no such flag"},
      {"labelSelector",
       {"a=b"},
       "--label-selector: labelSelector: is the selector of one exposure, and 4 are enabled "
       "(enable one with "
       "--exposures, or set `selector` of each exposure)"},
  };
  for (const Case& c : cases) {
    Inputs inputs;
    inputs.flags = {{c.name, c.values}};
    EXPECT_EQ(mistakes_of(load(inputs)), Texts{c.want});
  }
}

TEST(Flags, WarnAboutAllowLoopbackThatReachesNoDirectory) {
  Inputs inputs = file_inputs("manifests: [/a]\n");
  inputs.flags = {{"allowLoopback", {"true"}}};
  const Loaded loaded = load(inputs);
  EXPECT_EQ(
      loaded.warnings,
      Texts{"--allow-loopback: allowLoopback: has no effect: no directory was named beside it; "
            "in the file it is a key of manifests[]"});
  EXPECT_FALSE(loaded.config.manifests[0].allow_loopback);
}

TEST(Flags, NameTheConfigurationFile) {
  Inputs inputs;
  EXPECT_EQ(file_name(inputs), "");
  inputs.environment = {{"BLASTDOOR_CONFIG", "/env.yaml"}};
  EXPECT_EQ(file_name(inputs), "/env.yaml");
  inputs.flags = {{"config", {"/flag.yaml"}}};
  EXPECT_EQ(file_name(inputs), "/flag.yaml");
}

TEST(LabelSelector, ReplacesTheSelectorOfTheOneEnabledExposure) {
  const Loaded loaded = load_variables(
      {{"BLASTDOOR_LABEL_SELECTOR", "traffic=inside"}, {"BLASTDOOR_EXPOSURES", "internal-http"}});
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  EXPECT_EQ(loaded.config.exposures[0].selector.text(), "traffic=inside");
  EXPECT_TRUE(loaded.config.exposures[0].custom_selector);
  EXPECT_EQ(loaded.config.exposures[1], model::default_exposures()[1]);

  const Loaded same = load_variables({{"BLASTDOOR_LABEL_SELECTOR", "expose=internal-http"},
                                      {"BLASTDOOR_EXPOSURES", "internal-http"}});
  EXPECT_FALSE(same.config.exposures[0].custom_selector);

  Inputs only =
      file_inputs("exposures: [{name: internal-http, selector: a=b}]\nlabelSelector: c=d\n");
  EXPECT_EQ(mistakes_of(load(only)), Texts{});
  EXPECT_EQ(load(only).config.exposures[0].selector.text(), "c=d")
      << "one exposure that is known is one that is enabled";
}

}  // namespace
}  // namespace bd::config
