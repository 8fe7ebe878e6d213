#pragma once
// Where the configuration comes from: the command line, the environment, and the file that one of them names.

#include <map>
#include <string>
#include <vector>

#include "config/config.h"

namespace bd::app {

/// The flags of the command line by their names in camelCase.
using Flags = std::map<std::string, std::vector<std::string>>;

/// Reads environment, file and flags into one configuration. A file that can't be read is a mistake too.
[[nodiscard]] config::Loaded load_configuration(const Flags& flags);
/// The file that load_configuration() reads; empty: none.
[[nodiscard]] std::string configuration_file(const Flags& flags);

/// Flags as words for a child process, and back: `--key=value`, camelCase keys.
[[nodiscard]] std::vector<std::string> to_words(const Flags& flags);
[[nodiscard]] Flags from_words(const std::vector<std::string>& words);

/// Tells when a file may have changed, also through a symlink as in a mounted ConfigMap.
class FileWatch {
 public:
  explicit FileWatch(std::string path) : path_(std::move(path)) { (void)changed(); }
  [[nodiscard]] bool changed();

 private:
  struct Signature {
    long seconds = 0, nanoseconds = 0, size = 0, inode = 0;
    bool operator==(const Signature&) const = default;
  };
  std::string path_;
  Signature last_;
};

}  // namespace bd::app
