#include "control/last_good.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "model/limits.h"

namespace bd::control {
namespace {

constexpr std::string_view kHeader = "blastdoor-state 1 ";

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::optional<std::string> read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::string out;
  char block[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), block, sizeof block);
    if (n < 0) return std::nullopt;
    if (n == 0) return out;
    out.append(block, static_cast<std::size_t>(n));
  }
}

}  // namespace

UniqueFd seal_in_memory(const std::string& bytes) {
  UniqueFd fd(memfd_create("blastdoor-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || !write_all(fd.get(), bytes)) return UniqueFd{};
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return UniqueFd{};
  return fd;
}

std::string fingerprint(const config::Config& config) {
  // The encoding of a door is canonical, so the exposures' facts are encoded rather than described again.
  std::string facts;
  for (const model::Exposure& exposure : config.exposures) {
    snapshot::Door door;
    door.exposure = exposure;
    facts += snapshot::encode(door, 0);
    facts += exposure.selector.text() + '\n';
    for (const std::string& name : exposure.ingress_classes) facts += name + '\n';
    facts += fmt::format("{} {} {} {} {} {}\n", exposure.any_class, exposure.allow.wildcard, exposure.allow.empty_host,
                         exposure.allow.default_backend, static_cast<int>(exposure.hosts),
                         exposure.redirect_twin.value_or(""));
  }
  return snapshot::digest(facts);
}

std::string LastGood::path(const std::string& door) const { return directory_ + "/" + door + ".state"; }

bool LastGood::keep(const std::string& door, const std::string& bytes) const {
  if (directory_.empty()) return true;
  ::mkdir(directory_.c_str(), 0700);
  const std::string temporary = path(door) + ".new";
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return false;
  const std::string header = std::string(kHeader) + fingerprint_ + "\n";
  if (!write_all(fd.get(), header) || !write_all(fd.get(), bytes) || ::fdatasync(fd.get()) != 0) return false;
  return std::rename(temporary.c_str(), path(door).c_str()) == 0;
}

LastGood::Loaded LastGood::load(const std::vector<std::string>& doors) const {
  Loaded out;
  if (directory_.empty()) return out;
  const std::string header = std::string(kHeader) + fingerprint_ + "\n";
  for (const std::string& name : doors) {
    const std::optional<std::string> bytes = read_file(path(name));
    if (!bytes) continue;
    if (!bytes->starts_with(header)) {
      out.refused.push_back(path(name) + " was written under other exposures or policy");
      continue;
    }
    auto decoded = snapshot::decode(std::string_view(*bytes).substr(header.size()));
    if (!decoded) {
      out.refused.push_back(path(name) + ": " + decoded.error());
    } else if (decoded->door->exposure.name != name) {
      out.refused.push_back(path(name) + " is of exposure " + decoded->door->exposure.name);
    } else {
      out.doors.emplace(name, std::move(*decoded));
    }
  }
  return out;
}

}  // namespace bd::control
