#pragma once
// What does a folder of manifests say? The last good answer, whatever its editors are doing to it:
//
//   a file that can't be read or parsed   keeps the objects of its last good version; a finding
//   a file that vanishes                  keeps them for a moment: editors save by renaming
//   a folder that vanishes                keeps everything until it is back
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

  enum class Reread : std::uint8_t {
    all,      ///< After an event: a signature is too coarse to tell two quick writes apart.
    changed,  ///< Without one: only files whose signature is new, and the same twice.
  };
  /// The new contents of one file, read but not yet believed.
  struct FileText {
    std::string path;
    Signature signature;
    std::expected<std::string, ReadError> text;
    std::string digest;
  };

  ManifestFolder(std::string directory, bool allow_loopback);
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& name() const { return name_; }  ///< "manifests:DIR"

  /// Reads the files whose contents are not those of the last apply(). The caller may leave out of
  /// apply() those that are being written; they come again.
  [[nodiscard]] std::vector<FileText> read_changes(const Listing& listing, Reread reread);
  /// True if objects() is now another.
  bool apply(const Listing& listing, std::vector<FileText> changes, Clock::time_point now);
  /// When apply() must be called again for a file that is absent.
  [[nodiscard]] std::optional<Clock::time_point> next_expiry() const;

  [[nodiscard]] kube::SourceObjects objects() const;
  /// Why the folder can't be read; empty if it can.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  struct File {
    Signature signature;
    std::string digest;  ///< Of the text that was last looked at, good or bad.
    ReadError unreadable;
    std::vector<kube::Object> objects;     ///< Of the last good text.
    std::vector<std::string> identities;   ///< Of `objects`: kind, namespace, name.
    std::vector<model::Finding> findings;  ///< Of the last good text.
    std::vector<model::Finding> mistakes;  ///< Why the present text is not the last good one.
    bool was_good = false;
    std::optional<Clock::time_point> gone_since;
  };

  void take(File& file, FileText text);
  void parse(File& file, const std::string& path, const std::string& text);
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
  std::map<std::string, Signature> restless_;  // Seen once with this signature, and no event.
};

}  // namespace bd::source
