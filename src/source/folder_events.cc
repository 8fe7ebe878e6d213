#include "source/folder_events.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "source/file_text.h"
#include "source/manifest_listing.h"

namespace bd::source {
namespace {

constexpr std::uint32_t kStructure = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kSelf = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;
constexpr std::uint32_t kInside =
    kStructure | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

/// The relative path that stands for the folder above; no path inside looks like this.
const std::string kAbove = "..";

std::string folder_above(const std::string& directory) {
  const std::size_t slash = directory.rfind('/');
  if (slash == std::string::npos) return directory == ".." ? "../.." : ".";
  return slash == 0 ? "/" : directory.substr(0, slash);
}

std::string last_name(const std::string& directory) {
  return directory.substr(directory.rfind('/') + 1);  // npos + 1 is 0.
}

/// A file that was just created empty waits for its first writer's close. A link has none, and a
/// hard link brings its contents along.
bool awaits_writer(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1;
}

}  // namespace

FolderEvents::FolderEvents(const std::string& directory)
    : directory_(directory), inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (!inotify_) problem_ = "inotify: " + system_message(errno);
}

bool FolderEvents::add(const std::string& path, const std::string& relative, std::uint32_t mask,
                       std::map<int, std::string>& watches) {
  // Watching again what is watched already is cheap, and finds a folder that was replaced.
  const int watch = ::inotify_add_watch(inotify_.get(), path.c_str(), mask | IN_ONLYDIR);
  if (watch < 0) {
    if (errno == ENOSPC || errno == ENOMEM) problem_ = "inotify: " + system_message(errno);
    return false;
  }
  // A folder that is reached by two ways has one watch; the first way is as good as the other.
  watches.emplace(watch, relative);
  return !watches_.contains(watch);
}

bool FolderEvents::watch(const std::vector<std::string>& folders) {
  if (!inotify_) return false;
  problem_.clear();
  std::map<int, std::string> watches;
  bool is_new = false;
  for (const std::string& folder : folders) {
    is_new |= add(directory_ + "/" + folder, folder, kInside, watches);
  }
  const std::string above = folder_above(directory_);
  if (above != directory_) is_new |= add(above, kAbove, kStructure, watches);
  for (const auto& [watch, folder] : watches_) {
    if (!watches.contains(watch)) ::inotify_rm_watch(inotify_.get(), watch);
  }
  watches_ = std::move(watches);
  return is_new;
}

bool FolderEvents::drain(Clock::time_point now) {
  bool due = false;
  alignas(inotify_event) char buffer[16 << 10];
  for (;;) {
    const ssize_t got = ::read(inotify_.get(), buffer, sizeof buffer);
    if (got <= 0) return due;
    for (const char* at = buffer; at < buffer + got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      due |= take(event->wd, event->mask, event->len == 0 ? "" : event->name, now);
      at += sizeof(inotify_event) + event->len;
    }
  }
}

bool FolderEvents::take(int watch, std::uint32_t mask, const std::string& name,
                        Clock::time_point now) {
  if ((mask & IN_Q_OVERFLOW) != 0) {
    open_since_.clear();  // Whether they were closed is lost: they have to stand still instead.
    return true;
  }
  const auto folder = watches_.find(watch);
  if (folder == watches_.end()) return false;
  if ((mask & kSelf) != 0) {
    if ((mask & IN_IGNORED) != 0) watches_.erase(folder);
    return true;
  }
  if (folder->second == kAbove) return name == last_name(directory_);
  if (name.starts_with('.')) {
    if (name != "..data") return false;
    if ((mask & IN_MOVED_TO) != 0) complete_.insert(folder->second);
    return true;
  }
  const std::string path = folder->second.empty() ? name : folder->second + "/" + name;
  if (is_manifest_name(name) && (mask & IN_ISDIR) == 0) return take_file(path, mask, now);
  // A folder, a link to one, or nothing of ours. What is made here is filled later.
  if ((mask & IN_MOVED_TO) != 0) complete_.insert(path);
  return (mask & kStructure) != 0;
}

bool FolderEvents::take_file(const std::string& path, std::uint32_t mask, Clock::time_point now) {
  if ((mask & IN_ATTRIB) != 0) return true;  // Says nothing of the contents: `install` does both.
  stirred_.insert(path);
  if ((mask & IN_MODIFY) != 0) {
    complete_.erase(path);
    open_since_.try_emplace(path, now);
    return false;
  }
  if ((mask & IN_CREATE) != 0 && awaits_writer(directory_ + "/" + path)) {
    open_since_.try_emplace(path, now);
    return false;
  }
  open_since_.erase(path);
  if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0) {
    complete_.erase(path);
  } else {
    complete_.insert(path);
  }
  return true;
}

std::set<std::string> FolderEvents::take_complete() {
  stirred_.clear();
  return std::exchange(complete_, {});
}

bool FolderEvents::give_up_waiting(Clock::time_point now) {
  return std::erase_if(open_since_, [&](const auto& open) {
           if (now - open.second < kHoldMax) return false;
           complete_.insert(open.first);
           return true;
         }) > 0;
}

std::optional<FolderEvents::Clock::time_point> FolderEvents::next_expiry() const {
  std::optional<Clock::time_point> next;
  for (const auto& [path, since] : open_since_) {
    if (!next || since + kHoldMax < *next) next = since + kHoldMax;
  }
  return next;
}

}  // namespace bd::source
