#include "source/file_text.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "base/unique_fd.h"

namespace bd::source {
namespace {

std::unexpected<ReadError> failed(int code) {
  return std::unexpected(ReadError{code, system_message(code)});
}

}  // namespace

std::string system_message(int code) {
  return std::generic_category().message(code);
}

std::expected<std::string, ReadError> read_text(const std::string& path, std::size_t bytes_max) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return failed(errno);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return failed(errno);
  if (!S_ISREG(info.st_mode)) return std::unexpected(ReadError{0, "is no regular file"});

  // The size is a guess only: a file may grow while it is read, and /proc says 0.
  std::string text;
  std::size_t used = 0;
  for (;;) {
    const auto expected = static_cast<std::size_t>(info.st_size) + 1;
    text.resize(std::max(used + 4096, std::min(expected, bytes_max + 1)));
    const ssize_t got = ::read(file.get(), text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > bytes_max) {
      return std::unexpected(ReadError{EFBIG, fmt::format("is larger than {} bytes", bytes_max)});
    }
  }
  text.resize(used);
  return text;
}

}  // namespace bd::source
