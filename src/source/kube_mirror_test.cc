// Every fault of a server, played to one mirror at times that the test chooses.

#include "source/kube_mirror.h"

#include "model/limits.h"
#include "source/support_for_test.h"

namespace bd::source {
namespace {

using namespace std::chrono_literals;

constexpr Resource kIngresses{"Ingress", "networking.k8s.io", "ingresses"};
constexpr Resource kNamespaces{"Namespace", "", "namespaces", false};

struct Played {
  KubeTimes times;
  Clock::time_point now{1h};
  Mirror mirror;
  std::string target;  // Of the request that runs.

  explicit Played(const Resource& resource = kIngresses) : mirror(resource, times, 1) {}

  /// Waits as long as the mirror wants, then starts its next request.
  void begin() {
    now = std::max(now, mirror.due());
    target = mirror.begin(now).target;
  }
  void answer(long status, const std::string& body, const std::string& error = "") {
    if (status != 0) mirror.head(status, now);
    mirror.data(body, now);
    mirror.done({status, error, 0s}, now);
  }
  void list(int version, const std::vector<std::string>& items, const std::string& next = "") {
    begin();
    ASSERT_EQ(target.find("watch="), std::string::npos) << target;
    answer(200, list_json(std::string(mirror.resource().kind), version, items, next));
  }
  void watch() {
    begin();
    ASSERT_NE(target.find("watch=true"), std::string::npos) << target;
    mirror.head(200, now);
  }
  bool line(const std::string& text) { return mirror.data(text, now); }
  void end(const std::string& error = "") { mirror.done({200, error, 0s}, now); }
  void pass(std::chrono::milliseconds time) {
    now += time;
    mirror.tick(now);
  }
  [[nodiscard]] std::string names() const {  // `a@1 b@2`
    std::string out;
    for (const auto& [key, entry] : mirror.entries()) {
      out += fmt::format("{}{}@{}{}", out.empty() ? "" : " ", key.second, entry.version,
                         entry.object ? "" : "!");
    }
    return out;
  }
};

std::string item(const std::string& name, int version) {
  return ingress_json(name, version, name + ".test", true);
}
std::string added(const std::string& name, int version) {
  return event_line("ADDED", ingress_json(name, version, name + ".test"));
}
std::string deleted(const std::string& name, int version) {
  return event_line("DELETED", ingress_json(name, version, name + ".test"));
}

TEST(Mirror, ListsInPagesThenWatchesFromTheirMoment) {
  Played played;
  played.list(7, {item("a", 1)}, "token/1=");
  EXPECT_FALSE(played.mirror.synced());
  EXPECT_EQ(played.target, "/apis/networking.k8s.io/v1/ingresses?limit=500");
  played.list(9, {item("b", 2)});
  EXPECT_EQ(played.target, "/apis/networking.k8s.io/v1/ingresses?limit=500&continue=token%2F1%3D");
  EXPECT_TRUE(played.mirror.synced());
  EXPECT_TRUE(played.mirror.take_changes().replaced);
  EXPECT_EQ(played.names(), "a@1 b@2");

  played.watch();
  EXPECT_TRUE(played.target.starts_with(
      "/apis/networking.k8s.io/v1/ingresses?watch=true&allowWatchBookmarks=true&resourceVersion=7&"
      "timeoutSeconds="))
      << played.target;
  const int seconds = std::stoi(played.target.substr(played.target.rfind('=') + 1));
  EXPECT_GE(seconds, 300);
  EXPECT_LE(seconds, 600);
}

// The server filters: what is not selected never comes over the wire.
TEST(Mirror, SelectsInListsAndWatches) {
  constexpr Resource secrets{"Secret", "", "secrets", false, "fieldSelector=type%3Da%2Fb"};
  Played played(secrets);
  played.list(7, {}, "next");
  EXPECT_EQ(played.target, "/api/v1/secrets?fieldSelector=type%3Da%2Fb&limit=500");
  played.list(7, {});
  EXPECT_EQ(played.target, "/api/v1/secrets?fieldSelector=type%3Da%2Fb&limit=500&continue=next");
  played.watch();
  EXPECT_TRUE(played.target.starts_with(
      "/api/v1/secrets?fieldSelector=type%3Da%2Fb&watch=true&allowWatchBookmarks=true&"))
      << played.target;
}

TEST(Mirror, TellsEachChangeOnce) {
  Played played;
  played.list(5, {item("a", 1)});
  played.mirror.take_changes();
  played.watch();
  EXPECT_TRUE(played.line(added("a", 1)));                      // Known from the list.
  EXPECT_TRUE(played.line(added("b", 6) + added("b", 6)));      // Twice.
  EXPECT_TRUE(played.line(added("b", 8) + added("b", 7)));      // Out of order.
  EXPECT_TRUE(played.line(deleted("a", 9) + deleted("a", 9)));  // Twice.
  EXPECT_TRUE(played.line(deleted("b", 3)));                    // Older than what is known.
  const Mirror::Changes changes = played.mirror.take_changes();
  EXPECT_FALSE(changes.replaced);
  ASSERT_EQ(changes.events.size(), 3u);
  EXPECT_EQ(kube::meta(std::get<Upsert>(changes.events[0]).object).resource_version, "6");
  EXPECT_EQ(kube::meta(std::get<Upsert>(changes.events[1]).object).resource_version, "8");
  EXPECT_EQ(std::get<Remove>(changes.events[2]).name, "a");
  EXPECT_EQ(std::get<Remove>(changes.events[2]).ns, "shop");
  EXPECT_EQ(std::get<Remove>(changes.events[2]).kind, "Ingress");
}

TEST(Mirror, ReadsLinesWhereverTheyAreSplit) {
  const std::string text =
      added("b", 6) + "\r\n" + added("c", 7) + deleted("b", 8) + bookmark_line("Ingress", 12);
  for (const std::size_t piece : {1uz, 2uz, 3uz, 7uz, 31uz, 4096uz}) {
    Played played;
    played.list(5, {});
    played.watch();
    for (std::size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(played.line(text.substr(at, piece)));
    }
    EXPECT_EQ(played.names(), "c@7") << piece;
    played.end();
    played.watch();
    EXPECT_NE(played.target.find("resourceVersion=12&"), std::string::npos) << played.target;
  }
}

TEST(Mirror, NeverGoesBackInsideAWatch) {
  Played played;
  played.list(50, {});
  played.watch();
  EXPECT_TRUE(
      played.line(bookmark_line("Ingress", 90) + bookmark_line("Ingress", 60) + added("a", 55)));
  played.end();
  played.watch();
  EXPECT_NE(played.target.find("resourceVersion=90&"), std::string::npos) << played.target;
}

TEST(Mirror, AnExpiredWatchIsListedAgainAndToldAsOneSet) {
  struct Case {
    const char* why;
    std::function<void(Played&)> expire;
  };
  const Case cases[] = {
      {"by status",
       [](Played& played) {
         played.begin();
         played.answer(410, "{}");
       }},
      {"by event",
       [](Played& played) {
         played.watch();
         EXPECT_FALSE(played.line(event_line("ERROR", R"({"kind":"Status","code":410})")));
         played.end("aborted");
       }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Played played;
    played.list(5, {item("a", 1), item("b", 2)});
    played.mirror.take_changes();
    c.expire(played);
    EXPECT_EQ(played.mirror.due(), played.now) << "the first time there is no reason to wait";
    EXPECT_EQ(played.mirror.problem(), "");
    played.list(30, {item("b", 20), item("c", 21)});
    EXPECT_EQ(played.names(), "b@20 c@21");
    EXPECT_TRUE(played.mirror.take_changes().replaced);
    played.watch();
    EXPECT_NE(played.target.find("resourceVersion=30&"), std::string::npos);
  }
}

TEST(Mirror, AnExpiredWatchAfterALongOutageIsListedAtOnce) {
  Played played;
  played.list(5, {item("a", 1)});
  for (int i = 0; i < 20; ++i) {
    played.begin();
    played.answer(0, "", "Connection refused");
  }
  for (int i = 0; i < 5; ++i) {
    played.begin();
    played.answer(410, "{}");
    const auto bound = i == 0 ? 0ms : played.times.backoff_first * (2 << i);
    EXPECT_LE(played.mirror.due(), played.now + bound) << i;
    played.list(30 + i, {item("a", 1)});
  }
}

TEST(Mirror, AListThatSaysTheSameIsNoNews) {
  Played played;
  played.list(5, {item("a", 1)});
  played.mirror.take_changes();
  played.begin();
  played.answer(410, "{}");
  played.list(30, {item("a", 1)});
  EXPECT_FALSE(played.mirror.take_changes().replaced);
}

TEST(Mirror, DoesNotBelieveALossUntilItIsConfirmed) {
  std::vector<std::string> many, few, half;
  for (int i = 0; i < 22; ++i) many.push_back(item(fmt::format("i{}", i), i + 1));
  half.assign(many.begin(), many.begin() + 11);
  few.assign(many.begin(), many.begin() + 10);
  struct Case {
    const char* why;
    std::vector<std::string> before, after;
    int version;
    bool doubted;
  };
  const Case cases[] = {
      {"half is not most", many, half, 100, false},
      {"more than half", many, few, 100, true},
      {"a few of a few", {item("a", 1), item("b", 2), item("c", 3)}, {item("a", 1)}, 100, false},
      {"everything", {item("a", 1)}, {}, 100, true},
      {"older than what was watched", {item("a", 1)}, {item("a", 1), item("b", 2)}, 3, true},
      {"empty before and after", {}, {}, 100, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Played played;
    played.list(50, c.before);
    const std::string before = played.names();
    played.begin();
    played.answer(410, "{}");
    played.list(c.version, c.after);
    EXPECT_EQ(played.mirror.problem().empty(), !c.doubted) << played.mirror.problem();
    if (!c.doubted) continue;
    EXPECT_TRUE(played.names().starts_with(before)) << "nothing is lost";
    const Clock::time_point listed_at = played.now;
    played.watch();
    played.pass(played.times.steady);
    EXPECT_NE(played.mirror.problem(), "") << "until it is settled";
    EXPECT_EQ(played.mirror.deadline(), listed_at + played.times.confirm);
    played.now = played.mirror.deadline();
    EXPECT_FALSE(played.mirror.tick(played.now));
    played.end("aborted");
    played.list(c.version, c.after);
    EXPECT_EQ(played.mirror.entries().size(), c.after.size());
    EXPECT_EQ(played.mirror.problem(), "");
    played.watch();
    EXPECT_NE(played.target.find(fmt::format("resourceVersion={}&", c.version)), std::string::npos);
  }
}

TEST(Mirror, WhatIsNewIsTakenWhileALossIsInDoubt) {
  Played played;
  played.list(50, {item("a", 1), item("b", 2)});
  played.begin();
  played.answer(410, "{}");
  played.mirror.take_changes();
  played.list(60, {});
  EXPECT_FALSE(played.mirror.take_changes().replaced) << "all is as it was";
  played.watch();
  EXPECT_TRUE(played.line(added("c", 61)));
  EXPECT_EQ(played.names(), "a@1 b@2 c@61");
  played.begin();  // A list that comes too early settles nothing.
  played.answer(410, "{}");
  played.list(62, {item("c", 61)});
  EXPECT_EQ(played.names(), "a@1 b@2 c@61");
  played.watch();
  played.now += played.times.confirm;
  EXPECT_FALSE(played.mirror.tick(played.now));
  played.end("aborted");
  played.list(70, {item("c", 61)});
  EXPECT_TRUE(played.mirror.take_changes().replaced);
  EXPECT_EQ(played.names(), "c@61");
}

TEST(Mirror, ALossThatWasAMomentsErrorLeavesNoTrace) {
  Played played;
  played.list(50, {item("a", 1)});
  played.mirror.take_changes();
  played.begin();
  played.answer(410, "{}");
  played.list(60, {});
  played.watch();
  played.now += played.times.confirm;
  played.mirror.tick(played.now);
  played.end("aborted");
  played.list(61, {item("a", 1)});
  EXPECT_EQ(played.mirror.problem(), "");
  EXPECT_FALSE(played.mirror.take_changes().replaced);
  EXPECT_EQ(played.names(), "a@1");
}

TEST(Mirror, BadAnswersToAListAreTriedAgainAndHarmNothing) {
  const std::string good = list_json("Ingress", 9, {item("a", 1)});
  struct Case {
    const char* why;
    long status;
    std::string body, error, said;
  };
  const Case cases[] = {
      {"refused", 0, "", "Connection refused",
       "the API server can't be reached: Connection refused"},
      {"cut", 200, good.substr(0, 40), "transfer closed", "ingresses: list: transfer closed"},
      {"truncated", 200, good.substr(0, good.size() - 1), "", "is no JSON"},
      {"html", 200, "<html>", "", "is no JSON"},
      {"another kind", 200, list_json("Service", 9), "", "expected a list of kind IngressList"},
      {"no version", 200, R"({"kind":"IngressList","items":[]})", "", "has no resourceVersion"},
      {"expired", 410, R"({"message":"too old"})", "", "HTTP 410: too old"},
      {"busy", 429, R"({"message":"wait"})", "", "HTTP 429: wait"},
      {"error", 500, "oops", "", "HTTP 500: oops"},
      {"unknown", 404, "404 page not found", "",
       "does not know /apis/networking.k8s.io/v1/ingresses"},
      {"forbidden", 403, R"({"message":"x is forbidden: User \"sa:bd\" cannot list"})", "",
       "ingresses: list is forbidden for sa:bd: its ClusterRole needs the rule {apiGroups: "
       "[networking.k8s.io], resources: [ingresses], verbs: [get, list, watch]}"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Played played;
    played.begin();
    played.answer(c.status, c.body, c.error);
    EXPECT_FALSE(played.mirror.synced());
    EXPECT_NE(played.mirror.problem().find(c.said), std::string::npos) << played.mirror.problem();
    EXPECT_LE(played.mirror.due(), played.now + played.times.backoff_first);
    played.list(9, {item("a", 1)});
    EXPECT_TRUE(played.mirror.synced());
    played.watch();
    played.pass(played.times.steady);
    EXPECT_EQ(played.mirror.problem(), "");
  }
}

TEST(Mirror, AnExpiredPageStartsTheListOver) {
  Played played;
  played.list(7, {item("a", 1)}, "next");
  played.begin();
  played.answer(410, "{}");
  played.list(8, {item("b", 2)});
  EXPECT_EQ(played.target.find("continue"), std::string::npos);
  EXPECT_EQ(played.names(), "b@2") << "nothing of the first attempt is left";
}

TEST(Mirror, PausesGrowToABoundAndAreRandom) {
  Played played;
  played.list(7, {item("a", 1)});
  std::chrono::nanoseconds longest{0};
  for (int i = 0; i < 50; ++i) {
    played.begin();
    played.answer(0, "", "Connection refused");
    const auto pause = played.mirror.due() - played.now;
    const auto bound = played.times.backoff_first * (1 << std::min(i, 10));
    EXPECT_LE(pause, std::min<std::chrono::nanoseconds>(bound, played.times.backoff_max)) << i;
    longest = std::max<std::chrono::nanoseconds>(longest, pause);
    EXPECT_EQ(played.mirror.problem().empty(), i == 0) << "one broken watch is no news";
  }
  EXPECT_GT(longest, played.times.backoff_max / 2);
  EXPECT_EQ(played.names(), "a@1");
  EXPECT_NE(played.target.find("resourceVersion=7&"), std::string::npos)
      << "no answer, no new list";

  played.watch();
  played.pass(played.times.steady);
  played.end("reset");
  EXPECT_LE(played.mirror.due() - played.now, played.times.backoff_first) << "it had recovered";
}

TEST(Mirror, IsNotKeptWaitingWhenTheServerIsBack) {
  Played played;
  for (int i = 0; i < 20; ++i) {
    played.begin();
    played.answer(0, "", "Connection refused");
  }
  played.mirror.nudge(played.now);
  EXPECT_LE(played.mirror.due(), played.now + played.times.backoff_first);
  played.begin();
  played.mirror.head(429, played.now);
  played.mirror.done({429, "", 20s}, played.now);
  played.mirror.nudge(played.now);
  EXPECT_GE(played.mirror.due(), played.now + 20s) << "it was told when to come back";
}

TEST(Mirror, AServerThatIsBackIsAskedQuicklyWhateverItSays) {
  Played played;
  for (int i = 0; i < 20; ++i) {
    played.begin();
    played.answer(0, "", "Connection refused");
  }
  for (int i = 0; i < 3; ++i) {
    played.begin();
    played.answer(403, "{}");
    EXPECT_LE(played.mirror.due(), played.now + played.times.backoff_first * (1 << i)) << i;
  }
}

TEST(Mirror, ARetryAfterIsKept) {
  Played played;
  played.begin();
  played.mirror.head(429, played.now);
  played.mirror.done({429, "", 7s}, played.now);
  EXPECT_GE(played.mirror.due(), played.now + 7s);
}

TEST(Mirror, ARefusedTokenIsReadAgainAtOnceButNotForEver) {
  Played played;
  played.begin();
  played.answer(401, "");
  EXPECT_EQ(played.mirror.due(), played.now);
  EXPECT_EQ(played.mirror.problem(), "");
  played.begin();
  played.answer(401, R"({"message":"Unauthorized"})");
  EXPECT_NE(played.mirror.problem().find("(401): Unauthorized"), std::string::npos);
  played.list(5, {});
  played.begin();
  played.answer(401, "");
  EXPECT_EQ(played.mirror.due(), played.now) << "it has been accepted in between";
}

TEST(Mirror, GarbageEndsTheWatchAndIsListedAroundAtLast) {
  const std::string lines[] = {"garbage\n", "{}\n",
                               R"({"type":"ADDED","object":7})"
                               "\n",
                               R"({"type":"ADDED","object":{"kind":"Ingress"}})"
                               "\n",
                               event_line("ERROR", R"({"code":500,"message":"etcd"})")};
  for (const std::string& line : lines) {
    SCOPED_TRACE(line);
    Played played;
    played.list(5, {item("a", 1)});
    played.mirror.take_changes();
    for (int i = 0; i < 5; ++i) {
      played.watch();
      EXPECT_TRUE(played.line(added("b", 6)));
      EXPECT_FALSE(played.line(line));
      played.end("aborted");
    }
    EXPECT_NE(played.mirror.problem(), "");
    EXPECT_EQ(played.mirror.take_changes().events.size(), 1u) << "b, once";
    EXPECT_EQ(played.names(), "a@1 b@6");
    played.list(40, {item("a", 1), item("b", 6)});
  }
}

TEST(Mirror, ASilentServerIsLeft) {
  Played played;
  played.list(5, {});
  played.watch();
  played.pass(89s);
  EXPECT_TRUE(played.line(bookmark_line("Ingress", 8)));
  played.now += 89s;
  EXPECT_TRUE(played.mirror.tick(played.now));
  EXPECT_EQ(played.mirror.deadline(), played.now + 1s);
  played.now += 1s;
  EXPECT_FALSE(played.mirror.tick(played.now));
  played.end("silent");
  EXPECT_EQ(played.mirror.problem(), "");
  played.watch();
  EXPECT_NE(played.target.find("resourceVersion=8&"), std::string::npos);
}

TEST(Mirror, AServerThatEndsEachWatchAtOnceIsNotHammered) {
  Played played;
  played.list(5, {});
  for (int i = 0; i < 4; ++i) {
    played.watch();
    played.end();
  }
  EXPECT_NE(played.mirror.problem().find("ends each watch at once"), std::string::npos);
}

TEST(Mirror, SkipsWhatIsTooLargeAndSaysSo) {
  const std::string huge(model::kObjectBytesMax, 'x');
  Played played;
  played.list(5, {item("a", 1), ingress_json("huge", 2, huge, true)});
  EXPECT_EQ(played.names(), "a@1 huge@2!");
  ASSERT_EQ(played.mirror.entries().at({"shop", "huge"}).findings.size(), 1u);
  EXPECT_EQ(played.mirror.entries().at({"shop", "huge"}).findings[0].code, "object-too-large");
  played.mirror.take_changes();

  played.watch();
  EXPECT_TRUE(played.line(event_line("MODIFIED", ingress_json("a", 6, huge))));
  EXPECT_EQ(played.names(), "a@6! huge@2!");
  EXPECT_TRUE(played.mirror.take_changes().replaced) << "only a whole set carries a finding";
  EXPECT_TRUE(played.line(added("a", 7)));
  EXPECT_TRUE(played.mirror.take_changes().replaced) << "and only a whole set takes it back";
  EXPECT_TRUE(played.line(event_line("DELETED", ingress_json("huge", 8, huge))));
  EXPECT_TRUE(played.mirror.take_changes().replaced);
  EXPECT_EQ(played.names(), "a@7");
}

TEST(Mirror, ALineWithoutEndIsNotKept) {
  Played played;
  played.list(5, {});
  played.watch();
  const std::string piece(1u << 20, 'x');
  bool more = true;
  std::size_t sent = 0;
  for (; more && sent < 2 * model::kKubeAnswerMax; sent += piece.size()) more = played.line(piece);
  EXPECT_FALSE(more);
  EXPECT_LE(sent, model::kKubeAnswerMax + piece.size());
}

TEST(Mirror, APageThatIsTooLargeIsAskedForInSmallerOnes) {
  Played played;
  const std::string piece(1u << 20, 'x');
  for (const int limit : {500, 250, 125}) {
    played.begin();
    EXPECT_TRUE(played.target.ends_with(fmt::format("limit={}", limit))) << played.target;
    played.mirror.head(200, played.now);
    while (played.mirror.data(piece, played.now)) {
    }
    played.mirror.done({200, "aborted", 0s}, played.now);
  }
  played.list(5, {item("a", 1)});
  EXPECT_TRUE(played.target.ends_with("limit=62"));
  EXPECT_EQ(played.names(), "a@1");
}

TEST(Mirror, AResourceThatIsNotRequiredMayBeForbidden) {
  Played played(kNamespaces);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(played.mirror.synced()) << "a server that starts forbids all for a moment";
    played.begin();
    played.answer(403, "{}");
    EXPECT_EQ(played.mirror.problem(), "");
  }
  EXPECT_TRUE(played.mirror.synced());
  EXPECT_NE(played.mirror.warning().find(R"({apiGroups: [""], resources: [namespaces])"),
            std::string::npos)
      << played.mirror.warning();
  played.list(5, {R"({"metadata":{"name":"shop","resourceVersion":"2"}})"});
  EXPECT_EQ(played.names(), "shop@2");
  EXPECT_TRUE(played.mirror.take_changes().replaced);
  played.watch();
  played.pass(played.times.steady);
  EXPECT_EQ(played.mirror.warning(), "");
}

}  // namespace
}  // namespace bd::source
