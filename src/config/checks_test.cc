#include "config/checks.h"

#include "config/load_for_test.h"

namespace bd::config {
namespace {

using Texts = std::vector<std::string>;

struct Case {
  const char* why;
  const char* yaml;
  Texts want;  ///< After "blastdoor.yaml:".
};

void expect_mistakes(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Texts want;
    for (const std::string& text : c.want) want.push_back("blastdoor.yaml:" + text);
    EXPECT_EQ(mistakes_of(load_file(c.yaml)), want) << c.why;
  }
}

TEST(Checks, NamesAreThereAndUnique) {
  expect_mistakes({
      {"no name",
       "exposures:\n  - {side: internal, listeners: [{port: 1}]}\n",
       {"2: exposures[0]: name is missing"}},
      {"no side",
       "exposures:\n  - {name: a, listeners: [{port: 1}]}\n",
       {"2: exposures[0]: side is missing (say `side: internal` or `side: external`)"}},
      {"no listener",
       "exposures:\n  - {name: a, side: internal}\n",
       {"2: exposures[0].listeners[0]: port is missing"}},
      {"no port",
       "exposures:\n  - name: a\n    side: internal\n    listeners:\n      - {publicPort: 80}\n",
       {"5: exposures[0].listeners[0]: port is missing"}},
      {"no port beside main",
       "exposures:\n  - name: internal-http\n    listeners:\n      - {}\n      - {name: b}\n",
       {"5: exposures[0].listeners[1]: port is missing"}},
      {"one name twice",
       "exposures:\n  - name: internal-http\n    hosts: owned\n  - name: internal-http\n    "
       "listeners: [{port: 5}]\n",
       {"4: exposures[1].name: internal-http is already the name of exposures[0]"}},
      {"one listener name twice",
       "exposures:\n  - name: internal-http\n    listeners:\n      - {port: 1}\n      - {port: "
       "2}\n",
       {"5: exposures[0].listeners[1].name: main is already the name of "
        "exposures[0].listeners[0]"}},
      {"no DNS label",
       "exposures:\n  - {name: -a, side: internal, listeners: [{port: 1}]}\n",
       {"2: exposures[0].name: expected a DNS label (a-z, 0-9 and -, at most 63), found \"-a\""}},
      {"no mapping",
       "exposures: [7]\nenabled: [a]\n",
       {"1: exposures[0]: expected a mapping of an exposure's keys, found 7",
        "2: enabled: there is no exposure a (known are )"}},
  });
}

TEST(Checks, CountsStayWithinTheSupervisorsTables) {
  const auto exposures = [](unsigned count) {
    std::string yaml = "exposures:\n";
    for (unsigned i = 0; i < count; ++i) {
      yaml += fmt::format("  - {{name: e{}, side: internal, listeners: [{{port: {}}}]}}\n", i,
                          1000 + i);
    }
    return mistakes_of(load_file(yaml));
  };
  const auto listeners = [](unsigned count) {
    std::string yaml = "exposures:\n  - name: internal-http\n    listeners:\n";
    for (unsigned i = 0; i < count; ++i)
      yaml += fmt::format("      - {{name: l{}, port: {}}}\n", i, 1000 + i);
    return mistakes_of(load_file(yaml));
  };
  EXPECT_EQ(exposures(model::kDoorsMax), Texts{});
  EXPECT_EQ(exposures(model::kDoorsMax + 1),
            Texts{"blastdoor.yaml:2: exposures: names 33 exposures; at most 32 are possible"});
  EXPECT_EQ(listeners(model::kListenersPerDoorMax), Texts{});
  EXPECT_EQ(
      listeners(model::kListenersPerDoorMax + 1),
      Texts{
          "blastdoor.yaml:4: exposures[0].listeners: names 17 listeners; at most 16 are possible"});
}

TEST(Checks, EnabledExposuresAreKnown) {
  expect_mistakes({
      {"known", "enabled: [external-http, internal-http]\n", {}},
      {"a typo",
       "enabled: [external-htp]\n",
       {"1: enabled: there is no exposure external-htp (did you mean `external-http`?)"}},
      {"far from all",
       "enabled: [dmz]\n",
       {"1: enabled: there is no exposure dmz (known are internal-http, "
        "internal-httpsecure, external-http, "
        "external-httpsecure)"}},
      {"a default that the list replaced",
       "exposures: [{name: internal-http}]\nenabled: [external-http]\n",
       {"2: enabled: there is no exposure external-http (did you mean `internal-http`?)"}},
      {"twice",
       "enabled: [internal-http, internal-http]\n",
       {"1: enabled: names internal-http twice"}},
  });
}

TEST(Checks, OneLabelSelectorIsForOneExposure) {
  expect_mistakes({
      {"one", "labelSelector: a=b\nenabled: [internal-http]\n", {}},
      {"two",
       "labelSelector: a=b\nenabled: [internal-http, external-http]\n",
       {"1: labelSelector: is the selector of one exposure, and 2 are enabled (enable one with "
        "--exposures, or set "
        "`selector` of each exposure)"}},
      {"purely negative",
       "labelSelector: '!a'\nenabled: [internal-http]\n",
       {"1: labelSelector: the selector `!a` also matches objects without any label (add a "
        "requirement that needs a "
        "label: `key=value`, `key in (a, b)` or `key`)"}},
  });
}

TEST(Checks, OnlyHttpRedirectsAndOnlyToHttpsOfItsSide) {
  constexpr const char* secure =
      "\n  - {name: s, side: internal, listeners: [{port: 2, publicScheme: https}]}";
  struct Redirect {
    const char* exposures;  ///< After the redirecting exposure `a`, line 2.
    const char* redirect;
    const char* want;
  };
  const Redirect cases[] = {
      {secure, "twin", ""},
      {secure, "{twin: s}", ""},
      {"", "twin", "there is no https exposure on side internal to redirect to"},
      {"\n  - {name: s, side: external, listeners: [{port: 2, publicScheme: https}]}", "twin",
       "there is no https exposure on side internal to redirect to"},
      {"\n  - {name: s, side: external, listeners: [{port: 2, publicScheme: https}]}", "{twin: s}",
       "s is on side external"},
      {"\n  - {name: s, side: internal, listeners: [{port: 2}]}", "{twin: s}", "s is not https"},
      {"\n  - {name: s, side: internal, listeners: [{port: 2, publicScheme: https}, {name: b, "
       "port: 3}]}",
       "{twin: s}", "s is not https"},
      {secure, "{twin: a}", "an exposure can't redirect to itself (possible twins are s)"},
      {secure, "{twin: zzz}", "there is no exposure zzz (possible twins are s)"},
      {"\n  - {name: secure, side: internal, listeners: [{port: 2, publicScheme: https}]}",
       "{twin: secur}", "there is no exposure secur (did you mean `secure`?)"},
      {"\n  - {name: s, side: internal, listeners: [{port: 2, publicScheme: https}]}"
       "\n  - {name: t, side: internal, listeners: [{port: 3, publicScheme: https}]}",
       "twin", "side internal has several https exposures: s, t (name one: `redirect: {twin: s}`)"},
  };
  for (const Redirect& c : cases) {
    const Loaded loaded = load_file(fmt::format(
        "exposures:\n  - {{name: a, side: internal, listeners: [{{port: 1}}], redirect: {}}}{}\n",
        c.redirect, c.exposures));
    const Texts want =
        *c.want == '\0' ? Texts{}
                        : Texts{std::string("blastdoor.yaml:2: exposures[0].redirect: ") + c.want};
    EXPECT_EQ(mistakes_of(loaded), want) << c.redirect << c.exposures;
    if (want.empty()) {
      EXPECT_EQ(loaded.config.exposures[0].redirect_twin, "s");
    }
  }
  expect_mistakes({
      {"an https exposure redirects, and another one to it",
       "exposures:\n  - {name: internal-http, redirect: {twin: internal-httpsecure}}\n"
       "  - {name: internal-httpsecure, redirect: {twin: internal-http}}\n",
       {"2: exposures[0].redirect: internal-httpsecure redirects itself",
        "3: exposures[1].redirect: only an http exposure can redirect to https, and "
        "internal-httpsecure is https"}},
  });
}

TEST(Checks, NoTwoSocketsOverlap) {
  constexpr const char* two =
      "exposures:\n  - {{name: a, side: internal, listeners: [{{{}}}]}}\n  - {{name: b, side: "
      "internal, listeners: [{{{}}}]}}\n";
  struct Pair {
    const char* first;
    const char* second;
    const char* want;
  };
  constexpr Pair pairs[] = {
      {"port: 1", "port: 2", ""},
      {"port: 1", "port: 1", "0.0.0.0:1 overlaps with 0.0.0.0:1"},
      {"port: 0", "port: 0", ""},
      {"port: 1, address: 10.0.0.1", "port: 1, address: 10.0.0.2", ""},
      {"port: 1, address: 10.0.0.1", "port: 1, address: 10.0.0.1",
       "10.0.0.1:1 overlaps with 10.0.0.1:1"},
      {"port: 1", "port: 1, address: 10.0.0.2", "10.0.0.2:1 overlaps with 0.0.0.0:1"},
      {"port: 1, address: 10.0.0.2", "port: 1", "0.0.0.0:1 overlaps with 10.0.0.2:1"},
      {"port: 1", "port: 1, address: '::'", ""},
      {"port: 1, address: '::1'", "port: 1, address: '::'", "[::]:1 overlaps with [::1]:1"},
      {"port: 1", "port: 1, address: '::ffff:10.0.0.1'", "10.0.0.1:1 overlaps with 0.0.0.0:1"},
  };
  for (const Pair& c : pairs) {
    const Loaded loaded = load_file(fmt::format(fmt::runtime(two), c.first, c.second));
    Texts want;
    if (*c.want != '\0') {
      want = {
          fmt::format("blastdoor.yaml:3: exposures[1].listeners[0].port: {}, the address of "
                      "listener main of a (give "
                      "one of them another port)",
                      c.want)};
    }
    EXPECT_EQ(mistakes_of(loaded), want) << c.first << " and " << c.second;
  }
  expect_mistakes({
      {"two listeners of one exposure",
       "exposures:\n  - name: internal-http\n    listeners:\n      - {port: 1}\n      - {name: b, "
       "port: 1}\n",
       {"5: exposures[0].listeners[1].port: 0.0.0.0:1 overlaps with 0.0.0.0:1, the address of "
        "listener main of "
        "internal-http (give one of them another port)"}},
      {"a listener and a default address of ours",
       "exposures:\n  - name: internal-http\n    listeners:\n      - {port: 9900}\n",
       {"4: exposures[0].listeners[0].port: 0.0.0.0:9900 overlaps with 127.0.0.1:9900, the address "
        "of admin (give one "
        "of them another port)"}},
      {"an address of ours and a default listener",
       "metrics: 0.0.0.0:10003\n",
       {"1: metrics: 0.0.0.0:10003 overlaps with 0.0.0.0:10003, the address of listener main of "
        "external-httpsecure "
        "(give one of them another port)"}},
      {"two addresses of ours",
       "metrics: 0.0.0.0:9901\n",
       {"1: metrics: 0.0.0.0:9901 overlaps with 0.0.0.0:9901, the address of probes (give one of "
        "them another port)"}},
      {"only what is enabled is bound", "metrics: 0.0.0.0:10003\nenabled: [internal-http]\n", {}},
  });
}

TEST(Checks, TheAdminApiStaysOnLoopback) {
  const char* hint =
      "the admin API knows no users: listen on 127.0.0.1 and reach it with kubectl port-forward";
  for (const char* address : {"0.0.0.0:9900", "10.1.2.3:9900", "[::]:9900", ":9900"}) {
    const Loaded loaded = load_file(fmt::format("admin: '{}'\n", address));
    ASSERT_EQ(loaded.mistakes.size(), 1u) << address;
    EXPECT_EQ(loaded.mistakes[0].hint, hint);
  }
  for (const char* address : {"127.0.0.1:9900", "127.9.9.9:1", "[::1]:9900"}) {
    EXPECT_EQ(mistakes_of(load_file(fmt::format("admin: '{}'\n", address))), Texts{}) << address;
  }
}

TEST(Checks, AHeadHoldsItsRequestLine) {
  expect_mistakes({
      {"above",
       "exposures:\n  - name: internal-http\n    listeners:\n      - limits: {requestLineMax: "
       "64KiB, requestHeadMax: 65535}\n",
       {"4: exposures[0].listeners[0].limits.requestHeadMax: is below requestLineMax, which is a "
        "part of it"}},
      {"equal",
       "exposures:\n  - name: internal-http\n    listeners:\n      - limits: {requestLineMax: "
       "64KiB, requestHeadMax: 64KiB}\n",
       {}},
  });
}

TEST(Checks, WarnsAboutWhatAnAlbWouldTurnIntoErrors) {
  struct Warning {
    const char* members;
    const char* want;
  };
  constexpr Warning cases[] = {
      {"timeouts: {idle: 65s}",
       "timeouts.idle: is not safely above the 60s after which an ALB lets go of a connection: "
       "clients will see 502"},
      {"timeouts: {idle: 65001ms}", ""},
      {"timeouts: {responseHead: 60s}",
       "timeouts.responseHead: an ALB answers 504 after 60s, unless its idle timeout is raised "
       "too"},
      {"timeouts: {responseHead: 59999ms}", ""},
      {"timeouts: {drainDelay: 15s, drain: 71s}",
       "timeouts.drain: drainDelay and drain together exceed a grace period of 90s"},
      {"timeouts: {drainDelay: 15s, drain: 70s}", ""},
      {"limits: {responseHeadMax: 32769}",
       "limits.responseHeadMax: an ALB answers 502 to a response head above 32KiB"},
      {"limits: {responseHeadMax: 32KiB}", ""},
      {"trustedPeers: [10.0.0.0/8, 0.0.0.0/0]",
       "trustedPeers: trusts everyone: any client can choose the address it is known by"},
      {"trustedPeers: ['::/0']",
       "trustedPeers: trusts everyone: any client can choose the address it is known by"},
      {"trustedPeers: [0.0.0.0/1]", ""},
  };
  for (const Warning& c : cases) {
    const Loaded loaded = load_file(fmt::format(
        "exposures:\n  - name: internal-http\n    listeners:\n      - {{{}}}\n", c.members));
    EXPECT_EQ(mistakes_of(loaded), Texts{}) << c.members;
    const Texts want =
        *c.want == '\0'
            ? Texts{}
            : Texts{std::string("blastdoor.yaml:4: exposures[0].listeners[0].") + c.want};
    EXPECT_EQ(loaded.warnings, want) << c.members;
  }
}

TEST(Checks, WarnsAboutOneSelectorOnBothSides) {
  const Loaded loaded = load_file(
      "exposures:\n  - {name: internal-http, selector: expose=web}\n  - {name: external-http, "
      "selector: expose=web}\n");
  EXPECT_EQ(mistakes_of(loaded), Texts{});
  EXPECT_EQ(
      loaded.warnings,
      Texts{
          "blastdoor.yaml:3: exposures[1].selector: is also the selector of internal-http, on the "
          "other side: what it matches is served nowhere"});
}

}  // namespace
}  // namespace bd::config
