#pragma once
// What does a folder of manifests say? The last good answer, whatever its editors are doing to it:
//
//   a file that can't be read or parsed   keeps the objects of its last good version; a finding
//   a file that is being written          keeps them until its writer is done
//   a file that vanishes                  keeps them for a moment: editors save by renaming
//   a folder that vanishes                keeps everything until it is back
//
// Most texts that are half of a manifest are manifests too, so a text is believed when it is known
// to be whole. An event says so: its writer closed the file, or moved it to its place. That event
// may be older than a writer that has just emptied the file and whose own event is still on its
// way, so a text in which objects are missing has to stand still for a moment as well. A change
// that no event told of, as on a network file system, always has to.
//
// It knows no events and no clock: manifests.cc says when to look.

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kube/objects.h"
#include "source/file_text.h"
#include "source/manifest_listing.h"

namespace bd::source {

class ManifestFolder {
 public:
  using Clock = std::chrono::steady_clock;
  /// How long a file may be absent while an editor replaces it; measured: vim needs some 10 ms.
  static constexpr std::chrono::milliseconds kAbsenceMax{300};

  /// How long a text must stand still that is new here and that no event told of, or that was told
  /// to be whole but lacks objects. Longer than a writer is kept from telling that it has begun,
  /// and short enough to withdraw a route within a second.
  static constexpr std::chrono::milliseconds kStandStill{200};

  /// What a text says.
  struct Contents {
    std::vector<kube::Object> objects;
    std::vector<std::string> identities;   ///< Of `objects`: kind, namespace, name.
    std::vector<model::Finding> findings;  ///< Of the objects.
    std::vector<model::Finding> mistakes;  ///< Why it can't be parsed.
  };
  /// The new contents of one file, read but not yet believed.
  struct FileText {
    std::string path;
    Signature signature;
    std::expected<std::string, ReadError> text;
    std::string digest;
    bool complete = false;  ///< Somebody has told so.
    Contents contents;      ///< Of `text`.
  };

  ManifestFolder(std::string directory, bool allow_loopback);
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& name() const { return name_; }  ///< "manifests:DIR"

  /// Reads the files whose contents are not those of the last apply(). `complete` are files and
  /// folders that were told to be whole since the last call; at first everything counts as such,
  /// and so does what comes with the swap of the whole folder. What the caller leaves out of
  /// apply(), since it is being written, comes again when it is told to be whole.
  [[nodiscard]] std::vector<FileText> read_changes(const Listing& listing,
                                                   const std::set<std::string>& complete);
  /// Leaves those that may be believed now. The others come again, and next_expiry() says when.
  /// `silent` is how long a known file must stand still that changed without an event.
  void believe(std::vector<FileText>& changes, Clock::time_point now, Clock::duration silent);
  /// True if objects() is now another.
  bool apply(const Listing& listing, std::vector<FileText> changes, Clock::time_point now);
  /// When to look again, for a file that is absent or has to stand still.
  [[nodiscard]] std::optional<Clock::time_point> next_expiry() const;

  [[nodiscard]] kube::SourceObjects objects() const;
  /// Why the folder can't be read; empty if it can.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  struct File {
    Signature signature;
    std::string digest;  ///< Of the text that was last looked at, good or bad.
    ReadError unreadable;
    Contents good;                         ///< Of the last good text, but for `mistakes`.
    std::vector<model::Finding> mistakes;  ///< Why the present text is not the last good one.
    bool was_good = false;
    bool is_doubted = false;  ///< A text in which objects are missing has to stand still.
    std::optional<Clock::time_point> gone_since;
    [[nodiscard]] bool is_going() const { return gone_since || is_doubted; }
  };

  /// A text that has to stand still.
  struct Restless {
    Signature signature;
    std::string digest;
    bool complete = false;
    Clock::time_point since, until;
  };

  [[nodiscard]] bool must_wait(FileText& change, Clock::time_point now, Clock::duration silent);
  [[nodiscard]] static bool lacks_objects(const File& file, const FileText& change);
  void take(File& file, FileText text);
  [[nodiscard]] Contents parse(const std::string& path, const std::string& text) const;
  bool forget_missing(const Listing& listing, Clock::time_point now);
  /// By identity, where an object was seen first. Borrows from files_.
  using Seen = std::unordered_map<std::string_view, const model::ObjectRef*>;
  static void append(const File& file, Seen& seen, kube::SourceObjects& out);
  [[nodiscard]] model::Finding finding(const char* code, const std::string& path, int line,
                                       std::string what, std::string hint) const;

  std::string directory_;
  std::string name_;
  bool allow_loopback_;
  std::string problem_;
  std::string identity_;
  std::map<std::string, std::string> unreadable_;
  std::map<std::string, File> files_;
  std::map<std::string, Restless> restless_;
  bool has_looked_ = false;
};

}  // namespace bd::source
