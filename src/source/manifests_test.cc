// The watching thread against a real file system. Nothing here sleeps: the tests wait for what the
// source tells, and time is only an upper bound.

#include <fcntl.h>

#include <atomic>
#include <thread>

#include "base/unique_fd.h"
#include "source/support_for_test.h"

namespace bd::source {
namespace {

using State = Recorder::State;
using namespace std::chrono_literals;

const std::string kWeb = "Ingress default/web";

auto host_is(const std::string& host) {
  return [host](const State& state) { return state.host(kWeb) == host; };
}

struct Watched {
  TempFolder files;
  Recorder recorder;  // Outlives the source, which tells it.
  std::unique_ptr<Source> source;

  void start(const std::string& name = "") {
    source = watch_manifests(files.path(name), false);
    source->start(recorder.sink());
    ASSERT_TRUE(recorder.wait([](const State& state) { return state.replaces > 0; }));
  }
  /// How long the source takes to tell of what `change` does.
  std::chrono::milliseconds latency(const std::function<void()>& change, const std::string& host) {
    const auto before = std::chrono::steady_clock::now();
    change();
    EXPECT_TRUE(recorder.wait(host_is(host))) << host;
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 before);
  }
};

TEST(Manifests, AChangeIsLiveWellBelowASecond) {
  Watched watched;
  watched.files.write("a.yaml", ingress_yaml("web", "first.test"));
  watched.start();
  EXPECT_EQ(watched.recorder.state().host(kWeb), "first.test");
  EXPECT_TRUE(watched.recorder.state().status.healthy);

  std::chrono::milliseconds worst{0};
  for (int i = 0; i < 20; ++i) {
    const std::string host = fmt::format("host-{}.test", i);
    worst = std::max(
        worst,
        watched.latency([&] { watched.files.write("a.yaml", ingress_yaml("web", host)); }, host));
  }
  RecordProperty("worst_ms", static_cast<int>(worst.count()));
  EXPECT_LT(worst, 900ms);
}

TEST(Manifests, ManyFilesAndSubfoldersComeAndGo) {
  Watched watched;
  watched.start();
  watched.files.folder("deep/er");
  watched.files.write("deep/er/a.yaml", ingress_yaml("web", "deep.test"));
  EXPECT_TRUE(watched.recorder.wait(host_is("deep.test")));
  watched.files.write("deep/er/a.yaml", ingress_yaml("web", "deeper.test"));
  EXPECT_TRUE(watched.recorder.wait(host_is("deeper.test")));
  watched.files.remove("deep");
  EXPECT_TRUE(watched.recorder.wait([](const State& state) { return state.objects.empty(); }));
}

TEST(Manifests, EditorsThatRenameLoseNothing) {
  Watched watched;
  watched.files.write("a.yaml", ingress_yaml("web", "old.test"));
  watched.start();
  const unsigned before = watched.recorder.state().replaces;
  // As vim does: the old file steps aside, the new one is written in its place.
  watched.files.rename("a.yaml", "a.yaml~");
  watched.files.write(".a.yaml.swp", "x");
  watched.files.write("4913", "");
  watched.files.write("a.yaml", ingress_yaml("web", "vim.test"));
  watched.files.remove("a.yaml~");
  EXPECT_TRUE(watched.recorder.wait([&](const State& state) {
    EXPECT_TRUE(state.has(kWeb));
    return state.host(kWeb) == "vim.test";
  }));
  EXPECT_GT(watched.recorder.state().replaces, before);
  // As sed -i does: a new file is moved over the old one.
  watched.files.write("sedXYZ", ingress_yaml("web", "sed.test"));
  watched.files.rename("sedXYZ", "a.yaml");
  EXPECT_TRUE(watched.recorder.wait(host_is("sed.test")));
}

TEST(Manifests, AHalfWrittenFileIsNotRead) {
  Watched watched;
  watched.files.write("a.yaml", ingress_yaml("web", "old.test"));
  watched.files.write("b.yaml", ingress_yaml("other", "other.test"));
  watched.start();
  {
    const UniqueFd file(::open(watched.files.path("a.yaml").c_str(), O_WRONLY | O_TRUNC));
    const std::string half = ingress_yaml("first", "first.test") + "---\n";
    ASSERT_EQ(::write(file.get(), half.data(), half.size()), static_cast<ssize_t>(half.size()));
    // Another file changes meanwhile; what is told of it must not carry the half of the first.
    watched.files.write("b.yaml", ingress_yaml("other", "changed.test"));
    ASSERT_TRUE(watched.recorder.wait(
        [](const State& state) { return state.host("Ingress default/other") == "changed.test"; }));
    EXPECT_EQ(watched.recorder.state().host(kWeb), "old.test");
    EXPECT_FALSE(watched.recorder.state().has("Ingress default/first"));
    const std::string rest = ingress_yaml("web", "new.test");
    ASSERT_EQ(::write(file.get(), rest.data(), rest.size()), static_cast<ssize_t>(rest.size()));
  }
  EXPECT_TRUE(watched.recorder.wait([](const State& state) {
    return state.host(kWeb) == "new.test" && state.has("Ingress default/first");
  }));
}

// A route must never be missed because its file is being rewritten, however rough the writer.
TEST(Manifests, AFileThatIsRewrittenInPlaceIsNeverSeenEmpty) {
  Watched watched;
  watched.files.write("a.yaml", ingress_yaml("web", "0.test") + "---\n" + ingress_yaml("b", "b"));
  watched.start();
  std::atomic<unsigned> missed = 0;
  watched.recorder.observe([&](const State& state) {
    if (state.objects.size() != 2) ++missed;
  });
  for (int i = 1; i <= 300; ++i) {
    const std::string host = fmt::format("{}.test", i);
    const UniqueFd file(::open(watched.files.path("a.yaml").c_str(), O_WRONLY | O_TRUNC));
    for (const std::string& part : {ingress_yaml("web", host), "---\n" + ingress_yaml("b", "b")}) {
      ASSERT_EQ(::write(file.get(), part.data(), part.size()), static_cast<ssize_t>(part.size()));
      std::this_thread::yield();
    }
  }
  EXPECT_TRUE(watched.recorder.wait(host_is("300.test")));
  EXPECT_EQ(missed, 0u);
}

TEST(Manifests, ARouteIsWithdrawnWithinASecond) {
  const auto is_empty = [](const State& state) { return state.objects.empty(); };
  struct Case {
    const char* why;
    std::function<void(const TempFolder&)> change;
  };
  const Case cases[] = {
      {"emptied", [](const auto& f) { f.write("a.yaml", ""); }},
      {"removed", [](const auto& f) { f.remove("a.yaml"); }},
      {"replaced",
       [](const auto& f) {
         f.write(".a.yaml", "# nothing\n");
         f.rename(".a.yaml", "a.yaml");
       }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Watched watched;
    watched.files.write("a.yaml", ingress_yaml("web", "a.test"));
    watched.start();
    const auto before = std::chrono::steady_clock::now();
    c.change(watched.files);
    EXPECT_TRUE(watched.recorder.wait(is_empty));
    EXPECT_LT(std::chrono::steady_clock::now() - before, 900ms);
  }
}

TEST(Manifests, AConfigMapSwapIsSeen) {
  Watched watched;
  watched.files.folder("..1");
  watched.files.write("..1/a.yaml", ingress_yaml("web", "one.test"));
  watched.files.link("..1", "..data");
  watched.files.link("..data/a.yaml", "a.yaml");
  watched.start();
  EXPECT_EQ(watched.recorder.state().host(kWeb), "one.test");
  watched.files.folder("..2");
  watched.files.write("..2/a.yaml", ingress_yaml("web", "two.test"));
  watched.files.link("..2", "..data_tmp");
  watched.files.rename("..data_tmp", "..data");
  watched.files.remove("..1");
  EXPECT_TRUE(watched.recorder.wait(host_is("two.test")));
}

TEST(Manifests, AFolderMayComeLateAndBeReplaced) {
  Watched watched;
  watched.start("in");
  EXPECT_FALSE(watched.recorder.state().status.healthy);
  EXPECT_TRUE(watched.recorder.state().found("manifests-unavailable"));

  watched.files.folder("in");
  watched.files.write("in/a.yaml", ingress_yaml("web", "late.test"));
  EXPECT_TRUE(watched.recorder.wait(
      [](const State& state) { return state.status.healthy && state.host(kWeb) == "late.test"; }));
  EXPECT_FALSE(watched.recorder.state().found("manifests-unavailable"));

  watched.files.folder("next");
  watched.files.write("next/a.yaml", ingress_yaml("web", "next.test"));
  watched.files.rename("in", "old");
  watched.files.rename("next", "in");
  EXPECT_TRUE(watched.recorder.wait(host_is("next.test")));
  // The new folder must be watched too, not only read once.
  watched.files.write("in/a.yaml", ingress_yaml("web", "heard.test"));
  EXPECT_TRUE(watched.recorder.wait(host_is("heard.test")));
  EXPECT_TRUE(watched.recorder.wait([](const State& state) { return state.status.healthy; }));
}

TEST(Manifests, ALinkToElsewhereIsLookedAtNowAndThen) {
  Watched watched;
  watched.files.folder("in");
  watched.files.folder("elsewhere");
  watched.files.write("elsewhere/a.yaml", ingress_yaml("web", "old.test"));
  watched.files.link("../elsewhere/a.yaml", "in/a.yaml");
  watched.start("in");
  watched.files.write("elsewhere/a.yaml", ingress_yaml("web", "elsewhere.test"));
  EXPECT_TRUE(watched.recorder.wait(host_is("elsewhere.test")));
}

TEST(Manifests, AreReadOnceForACheck) {
  const TempFolder files;
  files.write("a.yaml", ingress_yaml("web", "a.test"));
  const kube::SourceObjects objects = read_manifests(files.path(), true);
  EXPECT_EQ(objects.ingresses.size(), 1u);
  EXPECT_TRUE(objects.allow_loopback);
  EXPECT_EQ(read_manifests(files.path("none"), false).findings.size(), 1u);
}

TEST(Manifests, StopAtOnce) {
  Watched watched;
  watched.start();
  const auto before = std::chrono::steady_clock::now();
  watched.source.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 900ms);
}

}  // namespace
}  // namespace bd::source
