#include "source/folder_events.h"

#include <fcntl.h>

#include "source/support_for_test.h"

namespace bd::source {
namespace {

using namespace std::chrono_literals;
using Set = std::set<std::string>;

/// Events are queued before the call returns that causes them, so nothing has to be waited for.
struct Seen {
  TempFolder files;
  FolderEvents events{files.path()};
  FolderEvents::Clock::time_point now{};

  Seen() { EXPECT_TRUE(events.watch({""})); }
  [[nodiscard]] UniqueFd open(const std::string& name, int flags) const {
    return UniqueFd(::open(files.path(name).c_str(), O_WRONLY | O_CLOEXEC | flags, 0600));
  }
  bool drain() { return events.drain(now); }
  /// Begins as if nothing had happened yet.
  void forget() {
    drain();
    static_cast<void>(events.take_complete());
    EXPECT_FALSE(events.may_be_torn("a.yaml"));
  }
};

void put(const UniqueFd& file, std::string_view text) {
  EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

TEST(FolderEvents, AFileIsCompleteWhenItsWriterClosesIt) {
  Seen seen;
  UniqueFd file = seen.open("a.yaml", O_CREAT);
  EXPECT_FALSE(seen.drain()) << "created, and not filled yet";
  EXPECT_TRUE(seen.events.may_be_torn("a.yaml"));
  put(file, "x");
  EXPECT_FALSE(seen.drain());
  EXPECT_EQ(seen.events.take_complete(), Set{});
  EXPECT_TRUE(seen.events.may_be_torn("a.yaml")) << "still open";
  file.reset();
  EXPECT_TRUE(seen.drain());
  EXPECT_EQ(seen.events.take_complete(), Set{"a.yaml"});
  EXPECT_EQ(seen.events.take_complete(), Set{}) << "told once";
  EXPECT_FALSE(seen.events.may_be_torn("a.yaml"));
}

// It was read as empty or half, and everything else happened before anybody asked.
TEST(FolderEvents, WhatWasRewrittenMeanwhileMayBeTornThoughItIsClosedAgain) {
  Seen seen;
  seen.files.write("a.yaml", "old");
  seen.forget();
  seen.files.write("a.yaml", "new");
  EXPECT_TRUE(seen.drain());
  EXPECT_TRUE(seen.events.may_be_torn("a.yaml"));
  EXPECT_FALSE(seen.events.may_be_torn("b.yaml"));
  EXPECT_EQ(seen.events.take_complete(), Set{"a.yaml"});
  EXPECT_FALSE(seen.events.may_be_torn("a.yaml"));
}

TEST(FolderEvents, ANewWriterTakesBackWhatTheLastOneTold) {
  Seen seen;
  seen.files.write("a.yaml", "old");
  UniqueFd file = seen.open("a.yaml", O_TRUNC);
  seen.drain();
  EXPECT_EQ(seen.events.take_complete(), Set{});
  file.reset();  // As `: > a.yaml` does.
  EXPECT_TRUE(seen.drain());
  EXPECT_EQ(seen.events.take_complete(), Set{"a.yaml"});
}

TEST(FolderEvents, AttributesSayNothingOfTheContents) {
  Seen seen;
  UniqueFd file = seen.open("a.yaml", O_CREAT);
  put(file, "half");
  ::fchmod(file.get(), 0644);
  EXPECT_TRUE(seen.drain()) << "it may have become readable";
  EXPECT_TRUE(seen.events.may_be_torn("a.yaml")) << "as `install` does before it closes";
  EXPECT_EQ(seen.events.take_complete(), Set{});
  file.reset();
  seen.forget();
  ::chmod(seen.files.path("a.yaml").c_str(), 0600);
  EXPECT_TRUE(seen.drain());
  EXPECT_EQ(seen.events.take_complete(), Set{});
  EXPECT_FALSE(seen.events.may_be_torn("a.yaml"));
}

TEST(FolderEvents, WhatIsMovedOrLinkedToItsPlaceIsComplete) {
  struct Case {
    const char* why;
    std::function<void(const TempFolder&)> change;
    Set complete;
  };
  const Case cases[] = {
      {"an editor's new file", [](const auto& f) { f.rename(".new", "a.yaml"); }, {"a.yaml"}},
      {"a link", [](const auto& f) { f.link(".new", "a.yaml"); }, {"a.yaml"}},
      {"a hard link",
       [](const auto& f) {
         EXPECT_EQ(::link(f.path(".new").c_str(), f.path("a.yaml").c_str()), 0);
       },
       {"a.yaml"}},
      {"a folder", [](const auto& f) { f.rename(".folder", "team"); }, {"team"}},
      {"a mounted ConfigMap", [](const auto& f) { f.rename(".link", "..data"); }, {""}},
      {"a new folder, filled later", [](const auto& f) { f.folder("team"); }, {}},
      {"moved away, whatever it is",
       [](const auto& f) { f.rename("b.yaml", "b.yaml~"); },
       {"b.yaml~"}},
      {"removed", [](const auto& f) { f.remove("b.yaml"); }, {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Seen seen;
    seen.files.write(".new", "x");
    seen.files.write("b.yaml", "x");
    seen.files.folder(".folder");
    seen.files.link(".folder", ".link");
    seen.forget();
    c.change(seen.files);
    EXPECT_TRUE(seen.drain());
    EXPECT_EQ(seen.events.take_complete(), c.complete);
  }
}

TEST(FolderEvents, AWriterThatNeverClosesIsReadInTheEnd) {
  Seen seen;
  const UniqueFd file = seen.open("a.yaml", O_CREAT);
  put(file, "x");
  seen.drain();
  EXPECT_EQ(seen.events.next_expiry(), seen.now + FolderEvents::kHoldMax);
  EXPECT_FALSE(seen.events.give_up_waiting(seen.now + FolderEvents::kHoldMax - 1ms));
  EXPECT_TRUE(seen.events.give_up_waiting(seen.now + FolderEvents::kHoldMax));
  EXPECT_EQ(seen.events.take_complete(), Set{"a.yaml"});
  EXPECT_FALSE(seen.events.may_be_torn("a.yaml"));
  EXPECT_FALSE(seen.events.next_expiry());
}

}  // namespace
}  // namespace bd::source
