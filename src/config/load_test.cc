#include "config/load_for_test.h"

namespace bd::config {
namespace {

using Texts = std::vector<std::string>;

constexpr std::string_view kEverything = R"(
exposures:
  - name: internal-http
    side: internal
    listeners:
      - name: main
        address: 10.1.2.3
        port: 20000
        publicScheme: http
        publicPort: 8080
        acceptFrom: [10.0.0.0/8, "fd00::/8"]
        trustedPeers: [10.1.0.0/16]
        healthPath: /up
        limits:
          requestLineMax: 8KiB
          requestHeadMax: 32768
          requestFieldsMax: 50
          responseHeadMax: 16KiB
          requestBodyMax: 10MiB
          connectionsMax: 100
        timeouts:
          requestHead: 5s
          idle: 2m
          bodyIdle: 20s
          connect: 500ms
          responseHead: 50s
          total: 90s
          upstreamIdle: 3s
          drainDelay: 0s
          drain: 30s
    selector: tier in (web, api)
    ingressClass: blastdoor-internal
    class: any
    allow: [wildcard, default_backend]
    hosts: owned
    redirect: {twin: secure}
  - name: secure
    side: internal
    listeners:
      - {name: a, port: 20001, publicScheme: https}
      - {name: b, port: 20002, publicScheme: https, publicPort: 8443}
    ingressClass: [one, two]
enabled: [internal-http]
manifests:
  - {directory: /apps, allowLoopback: true}
  - directory: /more
  - /plain
kubeconfig: /etc/kubeconfig
admin: 127.0.0.1:8900
probes: 10.1.2.3:8901
metrics: "[::1]:8902"
stateDir: /var/lib/blastdoor
workers: 2
logLevel: debug
nodeAddresses: [192.0.2.1, "2001:DB8::1"]
)";

TEST(Load, ReadsEveryKeyOfTheFile) {
  const Loaded loaded = load_file(std::string(kEverything));
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  EXPECT_EQ(loaded.warnings, Texts{});
  const Config& config = loaded.config;
  ASSERT_EQ(config.exposures.size(), 2u);

  model::Exposure want;
  want.name = "internal-http";
  want.side = model::Side::internal;
  want.selector = *model::Selector::parse("tier in (web, api)");
  want.custom_selector = true;
  want.any_class = true;
  want.ingress_classes = {"blastdoor-internal"};
  want.allow = {.wildcard = true, .empty_host = false, .default_backend = true};
  want.hosts = model::HostOwnership::owned;
  want.redirect_twin = "secure";
  model::Listener listener;
  listener.name = "main";
  listener.bind = *SocketAddress::parse("10.1.2.3:20000");
  listener.public_scheme = model::Scheme::http;
  listener.public_port = 8080;
  listener.accept_from = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("fd00::/8")};
  listener.trusted_peers = {*Cidr::parse("10.1.0.0/16")};
  listener.health_path = "/up";
  listener.limits = {8192, 32768, 50, 16384, 10u << 20, 100};
  using namespace std::chrono_literals;
  listener.timeouts = {5s, 2min, 20s, 500ms, 50s, 90s, 3s, 0s, 30s};
  want.listeners = {listener};
  EXPECT_EQ(config.exposures[0], want);

  const model::Exposure& secure = config.exposures[1];
  EXPECT_EQ(secure.ingress_classes, (Texts{"one", "two"}));
  ASSERT_EQ(secure.listeners.size(), 2u);
  EXPECT_EQ(secure.listeners[0].public_port, 443);
  EXPECT_EQ(secure.listeners[1].public_port, 8443);

  EXPECT_EQ(config.enabled, Texts{"internal-http"});
  EXPECT_EQ(config.manifests,
            (std::vector<ManifestsSource>{{"/apps", true}, {"/more", false}, {"/plain", false}}));
  EXPECT_EQ(config.kubeconfig, "/etc/kubeconfig");
  EXPECT_TRUE(config.kubernetes);
  EXPECT_EQ(config.admin.text(), "127.0.0.1:8900");
  EXPECT_EQ(config.probes.text(), "10.1.2.3:8901");
  EXPECT_EQ(config.metrics.text(), "[::1]:8902");
  EXPECT_EQ(config.state_dir, "/var/lib/blastdoor");
  EXPECT_EQ(config.workers, 2u);
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.node_addresses, (Texts{"192.0.2.1", "2001:db8::1"}));
}

TEST(Load, GivesTheDefaultsForNoInputAndForAnEmptyFile) {
  for (const char* yaml : {"", "# only a comment\n", "---\n", "{}"}) {
    const Loaded loaded = load_file(yaml);
    EXPECT_EQ(mistakes_of(loaded), Texts{}) << yaml;
    EXPECT_EQ(loaded.config, Config{}) << yaml;
  }
  const Loaded loaded = load({});
  EXPECT_EQ(loaded.config, Config{});
  EXPECT_EQ(loaded.warnings, Texts{});
}

TEST(Load, LetsAnExposureInheritFromTheDefaultOfItsName) {
  const Loaded loaded = load_file(R"(
exposures:
  - name: external-httpsecure
    allow: [wildcard]
  - name: internal-httpsecure
    listeners: [{acceptFrom: [10.0.0.0/8]}]
  - name: external-http
    side: internal
    listeners: [{name: second, port: 10022}, {name: main}]
)");
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  const auto& exposures = loaded.config.exposures;
  ASSERT_EQ(exposures.size(), 3u);
  model::Exposure plain = model::default_exposures()[3];
  plain.allow.wildcard = true;
  EXPECT_EQ(exposures[0], plain);
  EXPECT_EQ(exposures[1].listeners[0].bind.port, 10001);
  EXPECT_EQ(exposures[1].listeners[0].public_scheme, model::Scheme::https);
  EXPECT_EQ(exposures[1].listeners[0].public_port, 443);
  EXPECT_EQ(exposures[2].side, model::Side::internal);
  EXPECT_EQ(exposures[2].hosts, model::HostOwnership::shared) << "ownership follows the side";
  EXPECT_EQ(exposures[2].listeners[0].bind.port, 10022);
  EXPECT_EQ(exposures[2].listeners[1].bind.port, 10002) << "the listener main inherits the port";
}

TEST(Load, DerivesWhatIsNotSaid) {
  const Loaded loaded = load_file(R"(
exposures:
  - {name: a, side: external, listeners: [{port: 1, publicScheme: https}]}
  - {name: b, side: external, hosts: shared, selector: expose=b, listeners: [{port: 2}]}
)");
  ASSERT_EQ(mistakes_of(loaded), Texts{});
  const auto& exposures = loaded.config.exposures;
  EXPECT_EQ(exposures[0].listeners[0].name, "main");
  EXPECT_EQ(exposures[0].listeners[0].public_port, 443);
  EXPECT_EQ(exposures[0].hosts, model::HostOwnership::owned);
  EXPECT_EQ(exposures[0].selector.text(), "expose=a");
  EXPECT_FALSE(exposures[0].custom_selector);
  EXPECT_EQ(exposures[1].listeners[0].public_port, 80);
  EXPECT_EQ(exposures[1].hosts, model::HostOwnership::shared);
  EXPECT_FALSE(exposures[1].custom_selector)
      << "the default selector, spelled out, is no custom one";
}

TEST(Load, WatchesAnApiServerOnlyIfAsked) {
  struct Case {
    const char* yaml;
    bool in_cluster;
    bool want;
  };
  constexpr Case cases[] = {
      {"{}", false, false},
      {"{}", true, true},
      {"manifests: [/apps]", true, false},
      {"{manifests: [/apps], kubeconfig: /k}", false, true},
      {"kubeconfig: /k", false, true},
  };
  for (const Case& c : cases) {
    Inputs inputs = file_inputs(c.yaml);
    inputs.in_cluster = c.in_cluster;
    EXPECT_EQ(load(inputs).config.kubernetes, c.want) << c.yaml << c.in_cluster;
  }
}

struct Wrong {
  const char* yaml;
  Texts want;
};

void expect_mistakes(const std::vector<Wrong>& cases) {
  for (const Wrong& c : cases) {
    const Loaded loaded = load_file(c.yaml);
    Texts want;
    for (const std::string& text : c.want) want.push_back("blastdoor.yaml:" + text);
    EXPECT_EQ(mistakes_of(loaded), want) << c.yaml;
  }
}

TEST(Load, RefusesWhatIsNoConfiguration) {
  expect_mistakes({
      {"- a\n", {"1: expected a mapping, found a list"}},
      {"hello\n", {"1: expected a mapping, found \"hello\""}},
      {"workers: 1\n---\nworkers: 2\n",
       {"3: a second document begins here (a configuration is one YAML document)"}},
  });
  const Loaded broken = load_file("workers: 1\nadmin: [\n");
  ASSERT_EQ(broken.mistakes.size(), 1u);
  EXPECT_TRUE(broken.mistakes[0].where.starts_with("blastdoor.yaml:")) << broken.mistakes[0].text();
  EXPECT_FALSE(load_file("workers: 1\nworkers: 2\n").mistakes.empty()) << "a key given twice";
}

TEST(Load, NamesTheNearestKeyOfAnUnknownOne) {
  expect_mistakes({
      {"worker: 1\n", {"1: worker: there is no such key (did you mean `workers`?)"}},
      {"exposures:\n  - name: internal-http\n    ingresClass: a\n",
       {"3: exposures[0].ingresClass: there is no such key (did you mean `ingressClass`?)"}},
      {"exposures:\n  - name: internal-http\n    publicPort: 1\n",
       {"3: exposures[0].publicPort: there is no such key (`publicPort` is a key of "
        "exposures[].listeners[])"}},
      {"manifests:\n  - directory: /a\n    zzz: 1\n",
       {"3: manifests[0].zzz: there is no such key (the keys here are directory, allowLoopback)"}},
      {"allowLoopback: true\n",
       {"1: allowLoopback: there is no such key (`allowLoopback` is a key of manifests[])"}},
      {"a.b: 1\nlimits: {}\n",
       {"1: a.b: there is no such key (the keys here are exposures, enabled, labelSelector, "
        "manifests, "
        "kubeconfig, caConfigMaps, admin, probes, metrics, stateDir, handover, workers, "
        "logLevel, nodeAddresses, "
        "upstreamCa)",
        "2: limits: there is no such key (`limits` is a key of exposures[].listeners[])"}},
  });
}

TEST(Load, RefusesWrongTypes) {
  expect_mistakes({
      {"handover: The Edge\n",
       {"1: handover: expected a DNS label (a-z, 0-9 and -, at most 63), found \"The Edge\""}},
      {"workers: two\n", {"1: workers: expected a whole number from 0 to 4, found \"two\""}},
      {"workers: \"2\"\n", {"1: workers: expected a whole number from 0 to 4, found \"2\""}},
      {"workers: 5\n", {"1: workers: expected a whole number from 0 to 4, found 5"}},
      {"workers: -1\n", {"1: workers: expected a whole number from 0 to 4, found -1"}},
      {"workers: 1.5\n", {"1: workers: expected a whole number from 0 to 4, found 1.5"}},
      {"workers: null\n",
       {"1: workers: expected a whole number from 0 to 4, found nothing (remove the key to get its "
        "default)"}},
      {"stateDir: 5\n", {"1: stateDir: expected a directory, found 5 (put it in quotes)"}},
      {"stateDir: ''\n", {"1: stateDir: expected a directory, found an empty text"}},
      {"stateDir: {a: b}\n", {"1: stateDir: expected a directory, found a mapping"}},
      {"logLevel: warning\n",
       {"1: logLevel: expected one of debug, info, warn, error, found \"warning\""}},
      {"logLevel: inof\n",
       {"1: logLevel: expected one of debug, info, warn, error, found \"inof\" (did you mean "
        "`info`?)"}},
      {"admin: 9900\n",
       {"1: admin: expected a loopback address with a port such as 127.0.0.1:9900, found 9900 (put "
        "it in quotes)"}},
      {"admin: localhost:9900\n",
       {"1: admin: expected a loopback address with a port such as 127.0.0.1:9900, found "
        "\"localhost:9900\""}},
      {"probes: 0.0.0.0:99999\n",
       {"1: probes: expected an address with a port such as 0.0.0.0:9901, found "
        "\"0.0.0.0:99999\""}},
      {"enabled: internal-http\n",
       {"1: enabled: expected a list, each the name of an exposure, found \"internal-http\""}},
      {"enabled: []\n", {"1: enabled: names no exposure (remove the key to serve all of them)"}},
      {"enabled:\n  - 7\n", {"2: enabled[0]: expected the name of an exposure, found 7"}},
      {"nodeAddresses: [10.0.0.0/8]\n",
       {"1: nodeAddresses[0]: expected an IP address, found \"10.0.0.0/8\""}},
      {"manifests: {directory: /a}\n",
       {"1: manifests: expected a list, each a directory, or a mapping with the key directory, "
        "found a mapping"}},
      {"manifests:\n  - allowLoopback: true\n", {"2: manifests[0]: directory is missing"}},
      {"manifests:\n  - {directory: /a, allowLoopback: 1}\n",
       {"2: manifests[0].allowLoopback: expected true or false, found 1"}},
      {"exposures: {}\n",
       {"1: exposures: expected a list, each a mapping of an exposure's keys, found a mapping"}},
      {"exposures: []\n",
       {"1: exposures: names no exposure (remove the key to get the four defaults)"}},
      {"exposures: [internal-http]\n",
       {"1: exposures[0]: expected a mapping of an exposure's keys, found \"internal-http\""}},
  });
}

/// `internal-http` with one more line, which is line 3 of the file.
std::string exposure_with(std::string_view line) {
  return fmt::format("exposures:\n  - name: internal-http\n    {}\n", line);
}

std::string listener_with(std::string_view members) {
  return exposure_with(fmt::format("listeners: [{{{}}}]", members));
}

TEST(Load, RefusesWrongValuesOfAnExposure) {
  struct Case {
    const char* line;
    const char* want;
  };
  constexpr Case cases[] = {
      {"side: inside", "side: expected one of internal, external, found \"inside\""},
      {"side: internl",
       "side: expected one of internal, external, found \"internl\" (did you mean `internal`?)"},
      {"class: foreign", "class: expected `any`, found \"foreign\""},
      {"allow: wildcard",
       "allow: expected a list of wildcard, empty_host, default_backend, found \"wildcard\""},
      {"allow: [wildcards]",
       "allow[0]: expected one of wildcard, empty_host, default_backend, found \"wildcards\" (did "
       "you mean "
       "`wildcard`?)"},
      {"hosts: mine", "hosts: expected one of owned, shared, found \"mine\""},
      {"ingressClass: {a: b}",
       "ingressClass: expected the name of an IngressClass, or a list of such, found a mapping"},
      {"ingressClass: [a, 1]", "ingressClass[1]: expected the name of an IngressClass, found 1"},
      {"redirect: https", "redirect: expected `twin` or {twin: NAME}, found \"https\""},
      {"redirect: {to: a}", "redirect: expected `twin` or {twin: NAME}, found a mapping"},
      {"redirect: {twin: ''}", "redirect: expected `twin` or {twin: NAME}, found a mapping"},
      {"redirect: {twin: a, b: c}", "redirect: expected `twin` or {twin: NAME}, found a mapping"},
      {"listeners: []", "listeners: names no listener (an exposure needs at least one)"},
      {"listeners: 80",
       "listeners: expected a list, each a mapping of a listener's keys, found 80"},
      {"listeners: [80]", "listeners[0]: expected a mapping of a listener's keys, found 80"},
      {"selector: 5", "selector: expected a label selector, found 5 (put it in quotes)"},
      {"selector: '!expose'",
       "selector: the selector `!expose` also matches objects without any label (add a requirement "
       "that "
       "needs a label: `key=value`, `key in (a, b)` or `key`)"},
      {"selector: env!=dev,team notin (qa)",
       "selector: the selector `env!=dev,team notin (qa)` also matches objects without any label "
       "(add a "
       "requirement that needs a label: `key=value`, `key in (a, b)` or `key`)"},
  };
  for (const Case& c : cases) {
    const Loaded loaded = load_file(exposure_with(c.line));
    EXPECT_EQ(mistakes_of(loaded), Texts{std::string("blastdoor.yaml:3: exposures[0].") + c.want})
        << c.line;
  }
  const Loaded loaded = load_file(exposure_with("selector: 'expose in ('"));
  ASSERT_EQ(loaded.mistakes.size(), 1u);
  EXPECT_TRUE(loaded.mistakes[0].what.starts_with("the selector `expose in (` does not parse: "))
      << loaded.mistakes[0].text();
}

TEST(Load, RefusesWrongValuesOfAListener) {
  struct Case {
    const char* members;
    const char* want;
  };
  constexpr Case cases[] = {
      {"name: Main", "name: expected a DNS label (a-z, 0-9 and -, at most 63), found \"Main\""},
      {"address: example.org", "address: expected an IP address, found \"example.org\""},
      {"port: 65536", "port: expected a whole number from 0 to 65535, found 65536"},
      {"port: http", "port: expected a whole number from 0 to 65535, found \"http\""},
      {"publicPort: 0", "publicPort: expected a whole number from 1 to 65535, found 0"},
      {"publicScheme: HTTP",
       "publicScheme: expected one of http, https, found \"HTTP\" (did you mean `http`?)"},
      {"acceptFrom: 10.0.0.0/8",
       "acceptFrom: expected a list, each a CIDR block such as 10.0.0.0/8, found \"10.0.0.0/8\""},
      {"acceptFrom: [10.0.0.0/33]",
       "acceptFrom[0]: expected a CIDR block such as 10.0.0.0/8, found \"10.0.0.0/33\""},
      {"trustedPeers: [alb]",
       "trustedPeers[0]: expected a CIDR block such as 10.0.0.0/8, found \"alb\""},
      {"healthPath: healthz",
       "healthPath: expected a path in normal form such as /-/healthz, found \"healthz\""},
      {"healthPath: /a/../b",
       "healthPath: expected a path in normal form such as /-/healthz, found \"/a/../b\""},
      {"healthPath: '/a?b'",
       "healthPath: expected a path in normal form such as /-/healthz, found \"/a?b\""},
      {"healthPath: //a",
       "healthPath: expected a path in normal form such as /-/healthz, found \"//a\""},
      {"limits: 5", "limits: expected a mapping, found 5"},
      {"limits: {requestLineMax: 16KB}",
       "limits.requestLineMax: expected a size from 256B to 1MiB, such as 16KiB, found \"16KB\""},
      {"limits: {requestLineMax: 255}",
       "limits.requestLineMax: expected a size from 256B to 1MiB, such as 16KiB, found 255"},
      {"limits: {requestHeadMax: 2MiB}",
       "limits.requestHeadMax: expected a size from 1KiB to 1MiB, such as 16KiB, found \"2MiB\""},
      {"limits: {requestFieldsMax: 7}",
       "limits.requestFieldsMax: expected a whole number from 8 to 10000, found 7"},
      {"limits: {requestBodyMax: -1}",
       "limits.requestBodyMax: expected a size of at least 0B, such as 16KiB, found -1"},
      {"limits: {connectionsMax: 0}",
       "limits.connectionsMax: expected a whole number from 1 to 1000000, found 0"},
      {"timeouts: {idle: 75}",
       "timeouts.idle: expected a duration from 1ms to 24h, such as 10s, found 75 (add its unit: "
       "ms, s, m or h)"},
      {"timeouts: {connect: 0s}",
       "timeouts.connect: expected a duration from 1ms to 24h, such as 10s, found \"0s\""},
      {"timeouts: {connect: -1s}",
       "timeouts.connect: expected a duration from 1ms to 24h, such as 10s, found \"-1s\""},
      {"timeouts: {bodyIdle: 25h}",
       "timeouts.bodyIdle: expected a duration from 1ms to 24h, such as 10s, found \"25h\""},
      {"timeouts: {drainDelay: 25h}",
       "timeouts.drainDelay: expected a duration from 0ms to 24h, such as 10s, found \"25h\""},
  };
  for (const Case& c : cases) {
    const Loaded loaded = load_file(listener_with(c.members));
    EXPECT_EQ(mistakes_of(loaded),
              Texts{std::string("blastdoor.yaml:3: exposures[0].listeners[0].") + c.want})
        << c.members;
  }
}

TEST(Load, TakesTheBoundsThemselves) {
  for (const char* members :
       {"port: 0", "port: 65535", "publicPort: 1", "limits: {requestLineMax: 256}",
        "limits: {requestLineMax: 1MiB, requestHeadMax: 1MiB}", "limits: {requestFieldsMax: 8}",
        "limits: {requestBodyMax: 9223372036854775807}", "timeouts: {connect: 1ms}",
        "timeouts: {idle: 24h}", "timeouts: {drainDelay: 0s}", "acceptFrom: [0.0.0.0/0, 10.1.2.3]",
        "trustedPeers: []"}) {
    EXPECT_EQ(mistakes_of(load_file(listener_with(members))), Texts{}) << members;
  }
}

// A file may be half written when it is read: any prefix gives a result, and a whole one a good
// result.
TEST(Load, SurvivesEveryPrefixOfAFile) {
  for (std::size_t size = 0; size < kEverything.size(); ++size) {
    const Loaded loaded = load_file(std::string(kEverything.substr(0, size)));
    for (const Mistake& mistake : loaded.mistakes) {
      EXPECT_TRUE(mistake.where.starts_with("blastdoor.yaml:")) << mistake.text();
      EXPECT_FALSE(mistake.what.empty());
    }
  }
}

TEST(Load, ReportsAllMistakesAtOnce) {
  expect_mistakes(
      {{R"(exposures:
  - name: internal-http
    sidde: internal
    listeners:
      - port: ten
        limits: {requestLineMax: big}
  - name: Bad_Name
    side: external
enabled: [internal-htp]
workerz: 3
admin: 0.0.0.0:9900
)",
        {"3: exposures[0].sidde: there is no such key (did you mean `side`?)",
         "5: exposures[0].listeners[0].port: expected a whole number from 0 to 65535, found "
         "\"ten\"",
         "6: exposures[0].listeners[0].limits.requestLineMax: expected a size from 256B to 1MiB, "
         "such as "
         "16KiB, found \"big\"",
         "7: exposures[1].name: expected a DNS label (a-z, 0-9 and -, at most 63), found "
         "\"Bad_Name\"",
         "7: exposures[1].listeners[0]: port is missing",
         "9: enabled: there is no exposure internal-htp (did you mean `internal-http`?)",
         "10: workerz: there is no such key (did you mean `workers`?)",
         "11: admin: expected a loopback address, found 0.0.0.0:9900 (the admin API knows no "
         "users: listen "
         "on 127.0.0.1 and reach it with kubectl port-forward)"}}});
}

}  // namespace
}  // namespace bd::config
