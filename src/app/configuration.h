#pragma once
// Where the configuration comes from: the command line, the environment, and the file that one of
// them names.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"

namespace bd::app {

/// The flags of the command line by their names in camelCase.
using Flags = std::map<std::string, std::vector<std::string>>;

/// Reads environment, file and flags into one configuration. A file that can't be read is a mistake
/// too.
[[nodiscard]] config::Loaded load_configuration(const Flags& flags);
/// The file that load_configuration() reads; empty: none.
[[nodiscard]] std::string configuration_file(const Flags& flags);

[[nodiscard]] log::Level log_level(const config::Config& config);

/// Flags as words for a child process, and back: `--key=value`, camelCase keys.
[[nodiscard]] std::vector<std::string> to_words(const Flags& flags);
[[nodiscard]] Flags from_words(const std::vector<std::string>& words);

/// Tells when a file has changed, also through a symlink as in a mounted ConfigMap.
class FileWatch {
 public:
  /// What is there now counts as known: make it before the file is read.
  explicit FileWatch(std::string path);
  /// True once per change, when the file was the same in two looks: a file that is being written
  /// may well be a valid one that says less. A file that is gone has not changed.
  [[nodiscard]] bool changed();

 private:
  struct Signature {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = -1, modified_ns = 0, changed_ns = 0;
    bool operator==(const Signature&) const = default;
  };
  [[nodiscard]] Signature look() const;

  std::string path_;
  Signature known_, seen_;
};

}  // namespace bd::app
