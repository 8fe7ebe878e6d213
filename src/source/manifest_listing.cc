#include "source/manifest_listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "model/limits.h"
#include "source/file_text.h"

namespace bd::source {
namespace {

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::string identity_of(const std::string& directory, const struct stat& info) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink((directory + "/..data").c_str(), target, sizeof target);
  return fmt::format("{}:{}:{}", info.st_dev, info.st_ino,
                     std::string_view(target, length < 0 ? 0 : static_cast<std::size_t>(length)));
}

bool is_gone(int code) {
  return code == ENOENT || code == ENOTDIR;
}

class Lister {
 public:
  explicit Lister(const std::string& directory) : directory_(directory) {}

  Listing list() {
    struct stat info{};
    if (::stat(directory_.c_str(), &info) != 0) {
      listing_.problem = system_message(errno);
    } else if (!S_ISDIR(info.st_mode)) {
      listing_.problem = "is no directory";
    } else {
      listing_.identity = identity_of(directory_, info);
      enter("", info);
    }
    return std::move(listing_);
  }

 private:
  struct Place {
    dev_t device;
    ino_t inode;
    bool operator==(const Place&) const = default;
  };

  void refuse(const std::string& path, std::string why) {
    if (path.empty()) {
      listing_.problem = std::move(why);
    } else {
      listing_.unreadable.emplace(path, std::move(why));
    }
  }

  // Recursion is bounded by the depth, and a link to a folder above ends at once.
  void enter(const std::string& path, const struct stat& info) {
    const Place place{info.st_dev, info.st_ino};
    if (std::find(above_.begin(), above_.end(), place) != above_.end()) {
      return refuse(path, "is a link to a folder above it");
    }
    if (above_.size() == model::kManifestFolderDepthMax) {
      return refuse(path, fmt::format("stands deeper than {} folders", above_.size()));
    }
    DIR* const folder = ::opendir((directory_ + "/" + path).c_str());
    if (folder == nullptr) {
      if (path.empty() || !is_gone(errno)) refuse(path, system_message(errno));
      return;
    }
    above_.push_back(place);
    listing_.folders.push_back(path);
    errno = 0;
    while (const dirent* item = ::readdir(folder)) {
      visit(::dirfd(folder), path, item->d_name);
      errno = 0;
    }
    if (errno != 0) refuse(path, system_message(errno));
    ::closedir(folder);
    above_.pop_back();
  }

  void visit(int folder, const std::string& above, const std::string& name) {
    if (name.front() == '.') return;
    const std::string path = above.empty() ? name : above + "/" + name;
    struct stat info{};
    if (::fstatat(folder, name.c_str(), &info, 0) != 0) {
      if (is_manifest_name(name) && !is_gone(errno)) refuse(path, system_message(errno));
      return;
    }
    if (S_ISDIR(info.st_mode)) return enter(path, info);
    if (!S_ISREG(info.st_mode) || !is_manifest_name(name)) return;
    if (listing_.files.size() == model::kManifestFilesMax) {
      return refuse(path, fmt::format("is more than the {} files that one folder may hold",
                                      model::kManifestFilesMax));
    }
    listing_.files.emplace(path, Signature{info.st_dev, info.st_ino, std::int64_t{info.st_size},
                                           nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)});
  }

  const std::string& directory_;
  Listing listing_;
  std::vector<Place> above_;
};

}  // namespace

Listing list_manifests(const std::string& directory) {
  return Lister(directory).list();
}

bool is_manifest_name(std::string_view name) {
  if (name.empty() || name.front() == '.' || name.front() == '#' || name.front() == '~') {
    return false;
  }
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

bool is_under(std::string_view path, std::string_view folder) {
  if (folder.empty() || path == folder) return true;
  return path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace bd::source
