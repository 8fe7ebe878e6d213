#pragma once
// Which files of a folder are manifests? Names and stat() only; nothing is read here.
//
// Subfolders count, names that begin with a dot do not: so a mounted ConfigMap, whose files are
// links into `..data` and whose `..data` is a link to a folder with a dotted name, shows each once.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bd::source {

/// What stat() says. Equal signatures mean equal contents, except within a clock tick.
struct Signature {
  std::uint64_t device = 0, inode = 0;
  std::int64_t size = -1, modified_ns = 0, changed_ns = 0;
  bool operator==(const Signature&) const = default;
};

struct Listing {
  std::string problem;   ///< Why the folder itself can't be listed; empty if it can.
  std::string identity;  ///< Changes when the whole folder, or its `..data`, was swapped.
  std::map<std::string, Signature> files;         ///< By path relative to the folder.
  std::vector<std::string> folders;               ///< Relative paths; "" is the folder itself.
  std::map<std::string, std::string> unreadable;  ///< Relative path of a file or subfolder → why.
};

[[nodiscard]] Listing list_manifests(const std::string& directory);

/// A name that an editor, a mount or a backup tool does not use for its own files.
[[nodiscard]] bool is_manifest_name(std::string_view name);

/// `path` is `folder` or stands in it. The folder "" holds everything.
[[nodiscard]] bool is_under(std::string_view path, std::string_view folder);

}  // namespace bd::source
