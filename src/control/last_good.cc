#include "control/last_good.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "model/limits.h"

namespace bd::control {
namespace {

constexpr std::string_view kHeader = "blastdoor-state 1 ";
/// Of a file: the header and its line are short.
constexpr std::size_t kFileMax = model::kSnapshotBytesMax + 1024;

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

/// False (errno) if it can't be read.
bool read_file(const std::string& path, std::string& out) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return false;
  char block[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0;
    out.append(block, static_cast<std::size_t>(n));
    if (out.size() > kFileMax) {
      errno = EFBIG;
      return false;
    }
  }
}

}  // namespace

UniqueFd seal_in_memory(const std::string& bytes) {
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  UniqueFd fd(::memfd_create("blastdoor-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || !write_all(fd.get(), bytes)) return UniqueFd{};
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return UniqueFd{};
  return fd;
}

std::string fingerprint(const config::Config& config) {
  // The encoding of a door is canonical and has every fact of its exposure.
  std::string facts;
  for (const model::Exposure& exposure : config.exposures) {
    snapshot::Door door;
    door.exposure = exposure;
    facts += snapshot::encode(door, 0);
  }
  for (const config::ManifestsSource& source : config.manifests) {
    facts += fmt::format("manifests {} {}\n", source.directory, source.allow_loopback);
  }
  if (config.kubernetes) facts += fmt::format("kubernetes {}\n", config.kubeconfig);
  return snapshot::digest(facts);
}

std::string LastGood::path(const std::string& door) const {
  return directory_ + "/" + door + ".state";
}

bool LastGood::keep(const std::string& door, const std::string& bytes) const {
  if (directory_.empty()) return true;
  ::mkdir(directory_.c_str(), 0700);
  const std::string temporary = path(door) + ".new";
  const UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return false;
  // No fsync: a disk that is slow would hold up every change. A file that a crash of the machine
  // tears is refused by its checksum, and another crash can't tear one.
  const std::string header = fmt::format("{}{}\n", kHeader, fingerprint_);
  if (write_all(fd.get(), header) && write_all(fd.get(), bytes) &&
      std::rename(temporary.c_str(), path(door).c_str()) == 0) {
    return true;
  }
  const int why = errno;
  ::unlink(temporary.c_str());  // A full disk must not stay full because of us.
  errno = why;
  return false;
}

LastGood::Loaded LastGood::load(const std::vector<std::string>& doors) const {
  Loaded out;
  if (directory_.empty()) return out;
  const std::string header = fmt::format("{}{}\n", kHeader, fingerprint_);
  for (const std::string& name : doors) {
    std::string bytes;
    if (!read_file(path(name), bytes)) {
      if (errno != ENOENT) {
        out.refused.push_back(
            fmt::format("{} can't be read: {}", path(name), std::strerror(errno)));
      }
      continue;
    }
    if (!bytes.starts_with(kHeader)) {
      out.refused.push_back(path(name) + " is no state file of this version");
      continue;
    }
    if (!bytes.starts_with(header)) {
      out.refused.push_back(path(name) + " was written under other exposures, policy or sources");
      continue;
    }
    auto decoded = snapshot::decode(std::string_view(bytes).substr(header.size()));
    if (!decoded) {
      out.refused.push_back(fmt::format("{} is damaged: {}", path(name), decoded.error()));
    } else if (decoded->door->exposure.name != name) {
      out.refused.push_back(
          fmt::format("{} is of exposure {}", path(name), decoded->door->exposure.name));
    } else {
      out.doors.emplace(name, std::move(*decoded));
    }
  }
  return out;
}

}  // namespace bd::control
