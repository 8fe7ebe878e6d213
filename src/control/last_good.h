#pragma once
// The last good state of each door, kept where it outlives a process: sealed memory for the
// supervisor, a file for the next start. A file is bound to the fingerprint of what it was compiled
// under, and refused when that differs. It holds no private key: doors that start from it serve
// self-signed certificates until the real ones are read again.

#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "config/config.h"
#include "snapshot/snapshot.h"

namespace bd::control {

/// A sealed memfd that holds `bytes`. Empty on failure (errno).
[[nodiscard]] UniqueFd seal_in_memory(const std::string& bytes);

/// What a state must have been compiled under to be served again: every exposure with its policy,
/// and the sources. Not our own addresses: they change with each pod, and are set anew.
[[nodiscard]] std::string fingerprint(const config::Config& config);

class LastGood {
 public:
  /// `directory` empty: nothing is kept.
  LastGood(std::string directory, std::string fingerprint)
      : directory_(std::move(directory)), fingerprint_(std::move(fingerprint)) {}

  [[nodiscard]] const std::string& fingerprint() const noexcept { return fingerprint_; }
  /// Replaces the door's file in one step. False (errno): it could not be written; the old one
  /// stays.
  [[nodiscard]] bool keep(const std::string& door, const std::string& bytes) const;
  struct Loaded {
    std::map<std::string, snapshot::DecodedDoor> doors;
    std::vector<std::string> refused;  ///< One sentence per file that can't be used.
  };
  /// The files of these doors. Damaged ones and those of another fingerprint are refused.
  [[nodiscard]] Loaded load(const std::vector<std::string>& doors) const;

 private:
  [[nodiscard]] std::string path(const std::string& door) const;
  std::string directory_;
  std::string fingerprint_;
};

}  // namespace bd::control
