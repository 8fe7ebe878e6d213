// The whole source against a scripted API server: threads, sockets, libcurl. Nothing here sleeps.

#include "source/kube_watch.h"

#include "source/api_server_for_test.h"
#include "source/support_for_test.h"

namespace bd::source {
namespace {

using namespace std::chrono_literals;
using State = Recorder::State;
using End = ApiServer::Answer::End;

const std::string kWeb = "Ingress shop/web";

std::string web(int version, const std::string& host, bool in_list = false) {
  return ingress_json("web", version, host, in_list);
}

auto host_is(const std::string& host) {
  return [host](const State& state) { return state.host(kWeb) == host; };
}
auto healthy(bool value) {
  return
      [value](const State& state) { return state.statuses > 0 && state.status.healthy == value; };
}

struct Watching {
  TempFolder files;
  ApiServer server;
  Recorder recorder;  // Outlives the source, which tells it.
  KubeTimes times{.backoff_first = 2ms, .backoff_max = 20ms, .confirm = 20ms, .steady = 20ms};
  KubeAccess access;
  KubeScope scope;
  std::unique_ptr<Source> source;

  void start() {
    access.server = server.url();
    source = watch_kubernetes(access, scope, times);
    source->start(recorder.sink());
  }
  /// One Ingress, listed and watched.
  void start_with_web() {
    server.on_list("ingresses", {{.body = list_json("Ingress", 10, {web(5, "a.test", true)})}});
    start();
    ASSERT_TRUE(recorder.wait(host_is("a.test")));
  }
};

TEST(KubeWatch, TellsTheWholeSetOnceThenChanges) {
  Watching w;
  w.start_with_web();
  EXPECT_EQ(w.recorder.state().replaces, 1u);
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
  EXPECT_EQ(w.recorder.state().objects.at(kWeb).index(), 0u);

  EXPECT_TRUE(w.server.send("ingresses", event_line("MODIFIED", web(11, "b.test"))));
  EXPECT_TRUE(w.recorder.wait(host_is("b.test")));
  EXPECT_TRUE(w.server.send("ingresses", event_line("DELETED", web(12, "b.test"))));
  EXPECT_TRUE(w.recorder.wait([](const State& state) { return !state.has(kWeb); }));
  const State state = w.recorder.state();
  EXPECT_EQ(state.replaces, 1u);
  EXPECT_EQ(state.upserts, 1u);
  EXPECT_EQ(state.removes, 1u);
  EXPECT_EQ(state.statuses, 1u);
}

TEST(KubeWatch, SaysNothingBeforeAllListsAreComplete) {
  Watching w;
  w.server.on_list("endpointslices",
                   {{.status = 500}, {.status = 500}, {.body = list_json("EndpointSlice", 3)}});
  w.start_with_web();
  const State state = w.recorder.state();
  EXPECT_EQ(state.replaces, 1u);
  EXPECT_GE(state.statuses, 1u);
  EXPECT_EQ(w.server.heads("list endpointslices").size(), 3u);
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
}

TEST(KubeWatch, GoesOnWhereAWatchEndedOrBroke) {
  Watching w;
  w.start_with_web();
  EXPECT_TRUE(w.server.send("ingresses", bookmark_line("Ingress", 40)));
  EXPECT_TRUE(w.server.finish("ingresses"));
  EXPECT_TRUE(w.server.wait_for("watch ingresses", 2));
  EXPECT_NE(w.server.heads("watch ingresses")[1].find("resourceVersion=40&"), std::string::npos);
  EXPECT_TRUE(w.server.cut("ingresses"));
  EXPECT_TRUE(w.server.wait_for("watch ingresses", 3));
  EXPECT_NE(w.server.heads("watch ingresses")[2].find("resourceVersion=40&"), std::string::npos);
  EXPECT_TRUE(w.server.send("ingresses", event_line("MODIFIED", web(41, "b.test"))));
  EXPECT_TRUE(w.recorder.wait(host_is("b.test")));
  EXPECT_EQ(w.server.heads("list ingresses").size(), 1u);
  EXPECT_EQ(w.recorder.state().replaces, 1u);
}

TEST(KubeWatch, ListsAgainAfterGone) {
  Watching w;
  w.server.on_watch(
      "ingresses",
      {{.body = event_line("ERROR", R"({"code":410})")}, {.status = 410}, {.end = End::open}});
  w.server.on_list("ingresses", {{.body = list_json("Ingress", 10, {web(5, "a.test", true)})},
                                 {.body = list_json("Ingress", 20, {web(15, "b.test", true)})},
                                 {.body = list_json("Ingress", 30, {web(25, "c.test", true)})}});
  w.start();
  EXPECT_TRUE(w.recorder.wait(host_is("c.test")));
  EXPECT_EQ(w.recorder.state().replaces, 3u);
  EXPECT_EQ(w.recorder.state().upserts, 0u);
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
}

TEST(KubeWatch, SurvivesABadStream) {
  const std::string good = event_line("MODIFIED", web(11, "b.test"));
  struct Case {
    const char* why;
    ApiServer::Answer first;
  };
  const Case cases[] = {
      {"garbage", {.body = "\x01\x02 garbage\n"}},
      {"a line cut in two", {.body = good.substr(0, good.size() / 2), .end = End::cut}},
      {"a line that ends too early", {.body = good.substr(0, good.size() / 2)}},
      {"cut at once", {.end = End::cut}},
      {"an error", {.body = "no", .status = 503}},
      {"a drip", {.body = good, .end = End::open, .piece = 1}},
      {"events told twice", {.body = good + good, .end = End::cut}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Watching w;
    w.server.on_watch("ingresses", {c.first, {.body = good, .end = End::open}});
    w.server.on_list("ingresses", {{.body = list_json("Ingress", 10, {web(5, "a.test", true)})}});
    w.start();
    EXPECT_TRUE(w.recorder.wait(host_is("b.test")));
    EXPECT_TRUE(w.recorder.wait(healthy(true)));
    EXPECT_LE(w.recorder.state().upserts, 1u) << "none where it came before the first set";
    EXPECT_EQ(w.recorder.state().replaces, 1u);
    EXPECT_EQ(w.server.heads("list ingresses").size(), 1u);
  }
}

TEST(KubeWatch, KeepsEverythingWhileTheServerIsDown) {
  Watching w;
  w.start_with_web();
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
  w.server.down();
  EXPECT_TRUE(w.recorder.wait(healthy(false)));
  EXPECT_TRUE(w.recorder.state().has(kWeb));
  EXPECT_EQ(w.recorder.state().status.message,
            "the API server can't be reached: Connection refused");
  w.server.up();
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
  EXPECT_TRUE(w.server.send("ingresses", event_line("MODIFIED", web(11, "b.test"))));
  EXPECT_TRUE(w.recorder.wait(host_is("b.test")));
  EXPECT_EQ(w.recorder.state().replaces, 1u) << "nothing was lost, so nothing is told again";
}

TEST(KubeWatch, AnEmptyListAfterAnErrorIsAskedForTwice) {
  Watching w;
  w.server.on_watch("ingresses", {{.status = 410}, {.end = End::open}});
  w.server.on_list("ingresses", {{.body = list_json("Ingress", 10, {web(5, "a.test", true)})},
                                 {.body = list_json("Ingress", 20)},
                                 {.body = list_json("Ingress", 30, {web(25, "b.test", true)})}});
  w.start();
  EXPECT_TRUE(w.recorder.wait([](const State& state) {
    EXPECT_TRUE(state.replaces == 0 || state.has(kWeb));
    return state.host(kWeb) == "b.test";
  }));
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
  EXPECT_EQ(w.recorder.state().replaces, 2u);
}

TEST(KubeWatch, NamesTheRightThatIsMissing) {
  Watching w;
  w.server.on_list("services", {{.body = R"({"message":"no"})", .status = 403}});
  w.start();
  EXPECT_TRUE(w.recorder.wait(healthy(false)));
  EXPECT_NE(w.recorder.state().status.message.find(
                R"({apiGroups: [""], resources: [services], verbs: [get, list, watch]})"),
            std::string::npos)
      << w.recorder.state().status.message;
  w.server.on_list("services", {{.body = list_json("Service", 4)}});
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
  EXPECT_EQ(w.recorder.state().replaces, 1u);
}

TEST(KubeWatch, DoesWithoutNamespaces) {
  Watching w;
  w.server.on_list("namespaces", {{.body = "{}", .status = 403}});
  w.start_with_web();
  EXPECT_TRUE(w.recorder.wait([](const State& state) {
    return state.status.healthy &&
           state.status.message.find("resources: [namespaces]") != std::string::npos;
  }));
}

TEST(KubeWatch, ReadsTheTokenAgainWhenItIsRefused) {
  Watching w;
  w.files.write("token", "old\n");
  w.access.token_file = w.files.path("token");
  w.access.user_agent = "blastdoor/test";
  w.start_with_web();
  const std::string head = w.server.heads("list ingresses")[0];
  EXPECT_NE(head.find("Authorization: Bearer old\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("User-Agent: blastdoor/test\r\n"), std::string::npos) << head;
  w.files.write("token", "new\n");
  w.server.on_watch("ingresses", {{.status = 401}, {.end = End::open}});
  EXPECT_TRUE(w.server.finish("ingresses"));
  EXPECT_TRUE(w.server.send("ingresses", event_line("MODIFIED", web(11, "b.test"))));
  EXPECT_TRUE(w.recorder.wait(host_is("b.test")));
  EXPECT_NE(w.server.heads("watch ingresses").back().find("Bearer new\r\n"), std::string::npos);
}

TEST(KubeWatch, AMissingTokenFileIsSaid) {
  Watching w;
  w.access.token_file = w.files.path("token");
  w.start();
  EXPECT_TRUE(w.recorder.wait(healthy(false)));
  EXPECT_NE(w.recorder.state().status.message.find("token: No such file"), std::string::npos)
      << w.recorder.state().status.message;
  w.files.write("token", "late");
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
}

TEST(KubeWatch, GoesToTheServerUnderTheNameOfItsCertificate) {
  Watching w;
  w.access.server_name = "kubernetes.default";
  w.start_with_web();
  const std::string host = w.server.url().substr(7);
  EXPECT_NE(w.server.heads("list ingresses")[0].find("Host: " + host + "\r\n"), std::string::npos)
      << w.server.heads("list ingresses")[0];
}

TEST(KubeWatch, StopsAtOnceInTheMiddleOfAWatch) {
  Watching w;
  w.start_with_web();
  const auto before = std::chrono::steady_clock::now();
  w.source.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 900ms);
}

std::string secret_json(const std::string& name, const std::string& type) {
  return fmt::format(
      R"({{"kind":"Secret","apiVersion":"v1","type":"{}","metadata":{{"name":"{}",)"
      R"("namespace":"shop","resourceVersion":"5"}},"data":{{"tls.crt":"c2VzYW1l","tls.key":"eA=="}}}})",
      type, name);
}

// A process that needs no Secret must not be seen to ask for one.
TEST(KubeWatch, AsksForSecretsAndConfigMapsOnlyIfItIsToldTo) {
  Watching w;
  w.start_with_web();
  EXPECT_TRUE(w.server.wait_for("watch namespaces", 1));
  EXPECT_TRUE(w.server.heads("list secrets").empty());
  EXPECT_TRUE(w.server.heads("list configmaps").empty());
}

TEST(KubeWatch, AsksForTlsSecretsAndLabelledConfigMapsAlone) {
  Watching w;
  w.scope = {.secrets = true, .ca_config_maps = true};
  w.server.on_list("secrets", {{.body = list_json("Secret", 9,
                                                  {secret_json("tls", "kubernetes.io/tls"),
                                                   secret_json("password", "Opaque")})}});
  w.start_with_web();
  EXPECT_TRUE(w.recorder.wait(healthy(true)));
  // A server that knows no selectors: what it sends beyond them is dropped.
  EXPECT_TRUE(w.recorder.state().has("Secret shop/tls"));
  EXPECT_FALSE(w.recorder.state().has("Secret shop/password"));
  EXPECT_TRUE(w.recorder.state().findings.empty());

  EXPECT_TRUE(w.server.wait_for("watch secrets", 1));
  EXPECT_TRUE(w.server.wait_for("watch configmaps", 1));
  for (const char* verb : {"list", "watch"}) {
    for (const std::string& head : w.server.heads(fmt::format("{} secrets", verb))) {
      EXPECT_NE(head.find("?fieldSelector=type%3Dkubernetes.io%2Ftls&"), head.npos) << head;
    }
    for (const std::string& head : w.server.heads(fmt::format("{} configmaps", verb))) {
      EXPECT_NE(head.find("?labelSelector=blastdoor.io%2Fca%3Dtrue&"), head.npos) << head;
    }
  }
}

TEST(KubeWatch, GoesOnWithoutSecretsWhereTheyAreForbidden) {
  Watching w;
  w.scope.secrets = true;
  w.server.on_list("secrets", {{.body = "{}", .status = 403}});
  w.start_with_web();
  EXPECT_TRUE(w.recorder.wait([](const State& state) {
    return state.status.healthy &&
           state.status.message.find("secrets: list is forbidden") != std::string::npos;
  }));
}

}  // namespace
}  // namespace bd::source
