#pragma once
// When did something change in these folders? inotify, reduced to what a rescan needs to know: that
// one is due, which files are complete, and which are being written right now. It promises nothing:
// a link's target outside the folders or a network file system is silent, so the caller looks now
// and then anyway.

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace bd::source {

class FolderEvents {
 public:
  using Clock = std::chrono::steady_clock;
  /// A writer that keeps its file open longer than this is read all the same.
  static constexpr std::chrono::seconds kHoldMax{5};

  explicit FolderEvents(const std::string& directory);

  /// Watches exactly `folders` (relative paths) and the folder above the directory, by which it
  /// comes and goes. True if one of them is new: what happened in it before was not seen.
  bool watch(const std::vector<std::string>& folders);
  /// Takes what is queued. True if a rescan is due.
  bool drain(Clock::time_point now);
  /// What somebody finished since the last call: files that were closed after they were written,
  /// and files and folders that were moved or linked to their place.
  [[nodiscard]] std::set<std::string> take_complete();
  /// The file is not closed yet, or it changed since take_complete(): what was read in between may
  /// be half of it, even if it is whole by now.
  [[nodiscard]] bool may_be_torn(const std::string& path) const {
    return open_since_.contains(path) || stirred_.contains(path);
  }
  /// Forgets writers that are over kHoldMax. True if there were any.
  bool give_up_waiting(Clock::time_point now);
  [[nodiscard]] std::optional<Clock::time_point> next_expiry() const;
  [[nodiscard]] int fd() const { return inotify_.get(); }
  /// Why there are no events, or not from everywhere; empty if all is well.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool add(const std::string& path, const std::string& relative, std::uint32_t mask,
           std::map<int, std::string>& watches);
  bool take(int watch, std::uint32_t mask, const std::string& name, Clock::time_point now);
  bool take_file(const std::string& path, std::uint32_t mask, Clock::time_point now);

  std::string directory_;
  UniqueFd inotify_;
  std::string problem_;
  std::map<int, std::string> watches_;  // Watch → relative path of its folder.
  std::map<std::string, Clock::time_point> open_since_;
  std::set<std::string> complete_;
  std::set<std::string> stirred_;  // Contents or name changed since take_complete().
};

}  // namespace bd::source
