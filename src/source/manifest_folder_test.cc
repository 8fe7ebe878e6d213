#include "source/manifest_folder.h"

#include "source/support_for_test.h"

namespace bd::source {
namespace {

using namespace std::chrono_literals;

/// A folder and the one who looks at it, at times that the test chooses.
struct Looked {
  TempFolder files;
  ManifestFolder folder{files.path(), false};
  ManifestFolder::Clock::time_point now{};

  static constexpr auto kSilent = 1s;

  /// Looks after events told that `complete` is whole: everything, unless a test says otherwise.
  bool look(const std::set<std::string>& complete = {""}) {
    const Listing listing = list_manifests(folder.directory());
    auto changes = folder.read_changes(listing, complete);
    folder.believe(changes, now, kSilent);
    return folder.apply(listing, std::move(changes), now);
  }
  bool look_without_event() { return look({}); }
  /// Looks twice, so that a text may stand still in between.
  bool look_twice() {
    const bool first = look();
    now += ManifestFolder::kStandStill;
    return look_without_event() || first;
  }
  [[nodiscard]] std::string ingresses() const {  // `name=host name=host`
    std::string out;
    for (const kube::Ingress& ingress : folder.objects().ingresses) {
      out += (out.empty() ? "" : " ") + ingress.meta.ref.name + "=" + ingress.rules.at(0).host;
    }
    return out;
  }
  [[nodiscard]] std::string findings() const {  // `code:file:line`
    std::string out;
    for (const model::Finding& found : folder.objects().findings) {
      out += fmt::format("{}{}:{}:{}", out.empty() ? "" : " ", found.code, found.object.file,
                         found.object.line);
    }
    return out;
  }
};

TEST(ManifestListing, LeavesOutWhatToolsLeaveBehind) {
  for (const char* name : {"a.yaml", "b.yml", "c.json", "a.b.yaml"}) {
    EXPECT_TRUE(is_manifest_name(name)) << name;
  }
  for (const char* name : {".a.yaml", ".a.yaml.swp", "a.yaml~", "#a.yaml#", "#a.yaml", "~a.yaml",
                           "4913", "a.yaml.tmp", "a.yaml.swp", "a.txt", "", ".yaml"}) {
    EXPECT_FALSE(is_manifest_name(name)) << name;
  }
}

TEST(ManifestListing, ShowsAMountedConfigMapOnce) {
  const TempFolder folder;
  folder.folder("..2026_1");
  folder.write("..2026_1/a.yaml", "x");
  folder.link("..2026_1", "..data");
  folder.link("..data/a.yaml", "a.yaml");
  folder.link("..data/gone.yaml", "gone.yaml");
  const Listing listing = list_manifests(folder.path());
  ASSERT_EQ(listing.files.size(), 1u);
  EXPECT_TRUE(listing.files.contains("a.yaml"));
  EXPECT_EQ(listing.folders, std::vector<std::string>{""});
  EXPECT_TRUE(listing.unreadable.empty());

  folder.folder("..2026_2");
  folder.link("..2026_2", "..data_tmp");
  folder.rename("..data_tmp", "..data");
  EXPECT_NE(list_manifests(folder.path()).identity, listing.identity);
}

TEST(ManifestListing, EntersSubfoldersButNoLoops) {
  const TempFolder folder;
  folder.folder("team/app");
  folder.write("team/app/a.yaml", "x");
  folder.link("..", "team/up");
  const Listing listing = list_manifests(folder.path());
  EXPECT_TRUE(listing.files.contains("team/app/a.yaml"));
  EXPECT_EQ(listing.files.size(), 1u);
  EXPECT_TRUE(listing.unreadable.contains("team/up"));
}

TEST(ManifestListing, PathsHoldWholeNames) {
  EXPECT_TRUE(is_under("a/b.yaml", "a"));
  EXPECT_TRUE(is_under("a/b.yaml", ""));
  EXPECT_TRUE(is_under("a", "a"));
  EXPECT_FALSE(is_under("ab/c.yaml", "a"));
}

TEST(ManifestFolder, GivesObjectsTheirPlaceAndNamespace) {
  Looked looked;
  looked.files.folder("sub");
  looked.files.write("sub/a.yaml", "---\n" + ingress_yaml("web", "a.test"));
  EXPECT_TRUE(looked.look());
  const kube::SourceObjects objects = looked.folder.objects();
  ASSERT_EQ(objects.ingresses.size(), 1u);
  const model::ObjectRef& ref = objects.ingresses[0].meta.ref;
  EXPECT_EQ(objects.source, "manifests:" + looked.files.path());
  EXPECT_EQ(ref.source, objects.source);
  EXPECT_EQ(ref.ns, "default");
  EXPECT_EQ(ref.file, "sub/a.yaml");
  EXPECT_EQ(ref.line, 2);
  EXPECT_FALSE(looked.look()) << "nothing changed";
}

TEST(ManifestFolder, ReadsJsonThatIsNoYaml) {
  Looked looked;
  looked.files.write("a.json",
                     R"({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a",
	"annotations": {"smile": "\ud83d\ude00"}}})");
  looked.look();
  EXPECT_EQ(looked.findings(), "");
  EXPECT_EQ(looked.folder.objects().namespaces.size(), 1u);
}

TEST(ManifestFolder, KeepsTheLastGoodVersionOfABrokenFile) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("a", "a.test") + "---\n" + ingress_yaml("b", "b.test"));
  looked.files.write("c.yaml", ingress_yaml("c", "c.test"));
  looked.look();
  EXPECT_EQ(looked.ingresses(), "a=a.test b=b.test c=c.test");

  looked.files.write("a.yaml", ingress_yaml("a", "new.test") + "---\nkind: [\n");
  looked.files.write("c.yaml", ingress_yaml("c", "new.test"));
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.ingresses(), "a=a.test b=b.test c=new.test");
  EXPECT_TRUE(looked.findings().starts_with("manifest-syntax:a.yaml:1")) << looked.findings();

  looked.files.write("a.yaml", ingress_yaml("a", "new.test"));
  EXPECT_TRUE(looked.look_twice());
  EXPECT_EQ(looked.ingresses(), "a=new.test c=new.test");
  EXPECT_EQ(looked.findings(), "");
}

TEST(ManifestFolder, UsesWhatComesBeforeAMistakeInAFileThatWasNeverGood) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("a", "a.test") + "---\nkind: [\n");
  looked.look();
  EXPECT_EQ(looked.ingresses(), "a=a.test");
  EXPECT_NE(looked.findings(), "");
}

TEST(ManifestFolder, HoldsAFileThatVanishesForAMoment) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("a", "a.test"));
  looked.files.write("b.yaml", ingress_yaml("b", "b.test"));
  looked.look();
  looked.files.remove("a.yaml");
  EXPECT_FALSE(looked.look());
  EXPECT_EQ(looked.folder.next_expiry(), looked.now + ManifestFolder::kAbsenceMax);
  looked.now += ManifestFolder::kAbsenceMax - 1ms;
  EXPECT_FALSE(looked.look());
  EXPECT_EQ(looked.ingresses(), "b=b.test a=a.test");
  looked.now += 1ms;
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.ingresses(), "b=b.test");
  EXPECT_EQ(looked.folder.next_expiry(), std::nullopt);
}

TEST(ManifestFolder, AFileThatIsBackInTimeWasNeverGone) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("a", "a.test"));
  looked.look();
  looked.files.rename("a.yaml", "a.yaml~");
  looked.look();
  looked.now += 200ms;
  looked.files.write("a.yaml", ingress_yaml("a", "new.test"));
  looked.look();
  looked.now += 200ms;
  looked.look();
  EXPECT_EQ(looked.ingresses(), "a=new.test");
}

TEST(ManifestFolder, ARenamedFileIsNotADuplicateOfItself) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("x", "old.test"));
  looked.look();
  looked.files.remove("a.yaml");
  looked.files.write("b.yaml", ingress_yaml("x", "new.test"));
  looked.look();
  EXPECT_EQ(looked.ingresses(), "x=new.test");
  EXPECT_EQ(looked.findings(), "");
}

TEST(ManifestFolder, ASwappedFolderIsTakenAsItIs) {
  Looked looked;
  looked.files.folder("..1");
  looked.files.folder("..2");
  looked.files.write("..1/a.yaml", ingress_yaml("a", "a.test"));
  looked.files.write("..1/b.yaml", ingress_yaml("b", "b.test"));
  looked.files.write("..2/b.yaml", ingress_yaml("b", "new.test"));
  looked.files.link("..1", "..data");
  looked.files.link("..data/a.yaml", "a.yaml");
  looked.files.link("..data/b.yaml", "b.yaml");
  looked.look();
  EXPECT_EQ(looked.ingresses(), "a=a.test b=b.test");
  looked.files.link("..2", "..data_tmp");
  looked.files.rename("..data_tmp", "..data");
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.ingresses(), "b=new.test");
}

TEST(ManifestFolder, AMissingFolderLosesNothing) {
  Looked looked;
  looked.files.folder("in");
  looked.files.write("in/a.yaml", ingress_yaml("a", "a.test"));
  looked.files.write("in/b.yaml", ingress_yaml("b", "b.test"));
  looked.folder = ManifestFolder(looked.files.path("in/"), true);
  EXPECT_EQ(looked.folder.name(), "manifests:" + looked.files.path("in"));
  looked.look();
  looked.files.remove("in/b.yaml");
  looked.look();
  EXPECT_TRUE(looked.folder.next_expiry());
  looked.files.rename("in", "away");
  EXPECT_TRUE(looked.look());
  EXPECT_FALSE(looked.folder.next_expiry()) << "nothing runs out while the folder is away";
  looked.now += 1h;
  looked.look();
  EXPECT_EQ(looked.ingresses(), "a=a.test b=b.test");
  EXPECT_TRUE(looked.findings().starts_with("manifests-unavailable:")) << looked.findings();
  looked.files.rename("away", "in");
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.findings(), "");
  EXPECT_TRUE(looked.folder.objects().allow_loopback);
}

TEST(ManifestFolder, TheFirstFileByNameWinsADuplicate) {
  Looked looked;
  looked.files.write("b.yaml", ingress_yaml("x", "b.test"));
  looked.files.write("a.yaml", "\n" + ingress_yaml("x", "a.test"));
  looked.look();
  EXPECT_EQ(looked.ingresses(), "x=a.test");
  const kube::SourceObjects objects = looked.folder.objects();
  ASSERT_EQ(objects.findings.size(), 1u);
  EXPECT_EQ(objects.findings[0].code, "duplicate-object");
  EXPECT_EQ(objects.findings[0].object.text(), "Ingress default/x (b.yaml:1)");
  EXPECT_NE(objects.findings[0].what.find("a.yaml:2"), std::string::npos);
}

TEST(ManifestFolder, TellsWhatCannotBeRead) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("a", "a.test"));
  looked.look();
  // A file that is too large stands for one that can't be read: permissions do not bind root.
  std::filesystem::resize_file(looked.files.path("a.yaml"), (16u << 20) + 1);
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.ingresses(), "a=a.test");
  EXPECT_EQ(looked.findings(), "manifest-unreadable:a.yaml:0");
  EXPECT_FALSE(looked.look()) << "the same error is no news";
  looked.files.write("a.yaml", ingress_yaml("a", "new.test"));
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.ingresses(), "a=new.test");
}

TEST(ManifestFolder, WithoutEventsAChangeMustStandStill) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("a", "a.test"));
  looked.look_without_event();
  EXPECT_EQ(looked.ingresses(), "a=a.test") << "at the start there is nobody to ask";
  looked.files.write("a.yaml", ingress_yaml("a", "longer.test"));
  EXPECT_FALSE(looked.look_without_event());
  looked.now += Looked::kSilent;
  looked.files.write("a.yaml", ingress_yaml("a", "longest-of-all.test"));
  EXPECT_FALSE(looked.look_without_event()) << "it changed meanwhile";
  EXPECT_EQ(looked.folder.next_expiry(), looked.now + Looked::kSilent);
  looked.now += Looked::kSilent - 1ms;
  EXPECT_FALSE(looked.look_without_event());
  looked.now += 1ms;
  EXPECT_TRUE(looked.look_without_event());
  EXPECT_EQ(looked.ingresses(), "a=longest-of-all.test");
  EXPECT_FALSE(looked.look_without_event());
  EXPECT_FALSE(looked.folder.next_expiry());
}

TEST(ManifestFolder, ANewFileThatNoEventToldOfWaitsForAMoment) {
  Looked looked;
  looked.look();
  looked.files.write("a.yaml", ingress_yaml("a", "a.test"));
  EXPECT_FALSE(looked.look_without_event());
  looked.now += ManifestFolder::kStandStill;
  EXPECT_TRUE(looked.look_without_event());
  EXPECT_EQ(looked.ingresses(), "a=a.test");
}

// The event that told of a whole file may be that of the writer before the one who empties it now.
TEST(ManifestFolder, ATextThatLacksObjectsMustStandStillThoughItWasTold) {
  const std::string both = ingress_yaml("a", "a.test") + "---\n" + ingress_yaml("b", "b.test");
  struct Case {
    const char* why;
    std::string text;
    std::string after;
    bool waits;
  };
  const Case cases[] = {
      {"empty", "", "", true},
      {"half", ingress_yaml("a", "new.test") + "---\n", "a=new.test", true},
      {"half, and longer", std::string(4096, '#') + "\n" + ingress_yaml("b", "b.test"), "b=b.test",
       true},
      {"all there, and shorter", ingress_yaml("b", "b") + "---\n" + ingress_yaml("a", "a"),
       "b=b a=a", false},
      {"more", both + "---\n" + ingress_yaml("c", "c.test"), "a=a.test b=b.test c=c.test", false},
      {"broken", "kind: [", "a=a.test b=b.test", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Looked looked;
    looked.files.write("a.yaml", both);
    looked.look();
    looked.files.write("a.yaml", c.text);
    EXPECT_EQ(looked.look({"a.yaml"}), !c.waits);
    EXPECT_EQ(looked.ingresses(), c.waits ? "a=a.test b=b.test" : c.after);
    EXPECT_EQ(looked.folder.next_expiry().has_value(), c.waits);
    looked.now += ManifestFolder::kStandStill;
    EXPECT_EQ(looked.look_without_event(), c.waits);
    EXPECT_EQ(looked.ingresses(), c.after);
    EXPECT_FALSE(looked.folder.next_expiry());
  }
}

TEST(ManifestFolder, WhatAFileLacksIsGoneHoweverOftenItIsWritten) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("a", "a.test") + "---\n" + ingress_yaml("b", "b.test"));
  looked.look();
  looked.files.write("a.yaml", ingress_yaml("a", "1.test"));
  EXPECT_FALSE(looked.look());
  looked.now += ManifestFolder::kStandStill - 1ms;
  looked.files.write("a.yaml", ingress_yaml("a", "22.test"));
  EXPECT_FALSE(looked.look());
  looked.now += 1ms;
  looked.files.write("a.yaml", ingress_yaml("a", "333.test"));
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.ingresses(), "a=333.test");
}

TEST(ManifestFolder, ATextThatIsLeftOutDoesNotStandStill) {
  Looked looked;
  looked.files.write("a.yaml", ingress_yaml("a", "a.test"));
  looked.look();
  looked.files.write("a.yaml", "");
  looked.look();
  looked.now += ManifestFolder::kStandStill;
  // The caller knows by now that it is being written.
  const Listing listing = list_manifests(looked.folder.directory());
  auto changes = looked.folder.read_changes(listing, {});
  EXPECT_EQ(changes.size(), 1u);
  changes.clear();
  looked.folder.believe(changes, looked.now, Looked::kSilent);
  EXPECT_FALSE(looked.folder.next_expiry());
  EXPECT_FALSE(looked.look());
  EXPECT_EQ(looked.ingresses(), "a=a.test");
  looked.files.write("a.yaml", ingress_yaml("a", "new.test"));
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.ingresses(), "a=new.test");
  EXPECT_FALSE(looked.folder.next_expiry());
}

TEST(ManifestFolder, AnObjectThatMovesToAnotherFileIsNeitherLostNorDouble) {
  Looked looked;
  looked.files.write("a.yaml",
                     ingress_yaml("x", "old.test") + "---\n" + ingress_yaml("y", "y.test"));
  looked.look();
  looked.files.write("a.yaml", ingress_yaml("y", "y.test"));
  looked.files.write("b.yaml", ingress_yaml("x", "new.test"));
  EXPECT_TRUE(looked.look());
  EXPECT_EQ(looked.ingresses(), "x=new.test y=y.test");
  EXPECT_EQ(looked.findings(), "");
  looked.now += ManifestFolder::kStandStill;
  EXPECT_TRUE(looked.look_without_event());
  EXPECT_EQ(looked.ingresses(), "y=y.test x=new.test");
  EXPECT_EQ(looked.findings(), "");
}

TEST(ManifestFolder, WhatIsToldOfAFolderHoldsForWhatStandsInIt) {
  Looked looked;
  looked.look();
  looked.files.folder("team/deep");
  looked.files.folder("teams");
  looked.files.write("team/deep/a.yaml", ingress_yaml("a", "a.test"));
  looked.files.write("teams/b.yaml", ingress_yaml("b", "b.test"));
  EXPECT_TRUE(looked.look({"team"}));
  EXPECT_EQ(looked.ingresses(), "a=a.test");
}

TEST(ManifestFolder, TakesTlsSecretsAndCaConfigMapsAndForgetsTheRest) {
  Looked l;
  l.files.write("a.yaml",
                "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: tls}\n"
                "stringData: {tls.crt: sesame, tls.key: sesame}\n---\n"
                "apiVersion: v1\nkind: Secret\nmetadata: {name: password}\n"
                "stringData: {password: sesame}\n---\n"
                "apiVersion: v1\nkind: ConfigMap\n"
                "metadata: {name: ca, labels: {blastdoor.io/ca: 'true'}}\n---\n"
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n");
  EXPECT_TRUE(l.look());
  EXPECT_EQ(l.findings(), "");
  const kube::SourceObjects objects = l.folder.objects();
  ASSERT_EQ(objects.secrets.size(), 1u);
  EXPECT_EQ(objects.secrets[0].meta.ref.text(), "Secret default/tls (a.yaml:1)");
  ASSERT_EQ(objects.config_maps.size(), 1u);
  EXPECT_EQ(objects.config_maps[0].meta.ref.text(), "ConfigMap default/ca (a.yaml:12)");
}

// The parser's own words must not show what it stumbled over.
TEST(ManifestFolder, QuotesNoSecretThatItCantParse) {
  for (const char* text :
       {"kind: Secret\ndata: {tls.key: sesame", "kind: Secret\ndata:\n  tls.key: 'sesame\n",
        "kind: Secret\ndata: sesame: sesame\n", "kind: Secret\ndata: *sesame\n",
        "kind: Secret\n\tdata: sesame\n"}) {
    Looked l;
    l.files.write("a.yaml", text);
    l.look();
    EXPECT_NE(l.findings(), "") << text;
    for (const model::Finding& finding : l.folder.objects().findings) {
      EXPECT_EQ(model::text(finding).find("sesame"), std::string::npos) << model::text(finding);
    }
  }
}

}  // namespace
}  // namespace bd::source
