#pragma once
// Reads a small file whole: manifests, kubeconfigs, tokens, certificates.

#include <cstddef>
#include <expected>
#include <string>

namespace bd::source {

struct ReadError {
  int code = 0;      ///< errno; 0 where the kernel had no complaint.
  std::string what;  ///< A phrase without the path.
  bool operator==(const ReadError&) const = default;
};

/// A regular file of at most `bytes_max`. Never blocks on a pipe or a device.
[[nodiscard]] std::expected<std::string, ReadError> read_text(const std::string& path,
                                                              std::size_t bytes_max);

/// What errno `code` means, in words.
[[nodiscard]] std::string system_message(int code);

}  // namespace bd::source
