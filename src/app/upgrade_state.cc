#include "app/upgrade_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace bd::app {
namespace {

static_assert(std::is_trivially_copyable_v<State>);
static_assert(std::has_unique_object_representations_v<State>, "padding would be left to chance");

constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

bool is_terminated(const StateText& text) {
  return std::find(text.begin(), text.end(), '\0') != text.end();
}

bool is_sound(const StateListener& listener) {
  return is_terminated(listener.name) && is_terminated(listener.address) &&
         listener.count <= listener.sockets.size();
}

/// A number that kill() and waitpid() take for many is not one that we ever had.
bool is_process(std::int32_t pid) {
  return pid == -1 || pid > 1;
}

bool is_sound(const StateProcess& process) {
  return is_process(process.pid);
}

bool is_sound(const StateDoor& door) {
  return is_terminated(door.name) && door.listener_count <= door.listeners.size() &&
         door.process_count <= door.processes.size() &&
         door.snapshot_count <= door.snapshots.size() &&
         std::all_of(door.processes.begin(), door.processes.begin() + door.process_count,
                     [](const StateProcess& process) { return is_sound(process); }) &&
         std::all_of(door.listeners.begin(), door.listeners.begin() + door.listener_count,
                     [](const StateListener& listener) { return is_sound(listener); });
}

}  // namespace

bool put_text(StateText& out, std::string_view text) {
  out.fill('\0');
  if (text.size() >= out.size()) return false;
  std::copy(text.begin(), text.end(), out.begin());
  return true;
}

std::string_view get_text(const StateText& text) {
  return {text.data(), ::strnlen(text.data(), text.size())};
}

UniqueFd write_state(const State& state) {
  UniqueFd fd(::memfd_create("blastdoor-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto size = static_cast<ssize_t>(sizeof state);
  const bool good = fd && ::pwrite(fd.get(), &state, sizeof state, 0) == size &&
                    ::fcntl(fd.get(), F_ADD_SEALS, kSeals) == 0;
  return good ? std::move(fd) : UniqueFd();
}

std::expected<std::unique_ptr<State>, std::string> read_state(int fd) {
  auto out = std::make_unique<State>();
  struct stat info{};
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || ::fstat(fd, &info) != 0) {
    return std::unexpected(std::string("the state is no sealed memory"));
  }
  // The head first: another version has another size, and its number is the better message.
  constexpr auto head = static_cast<ssize_t>(offsetof(State, door_count));
  if (::pread(fd, out.get(), head, 0) != head || out->magic != kStateMagic) {
    return std::unexpected(std::string("the state is none of ours"));
  }
  if (out->version != kStateVersion) {
    return std::unexpected(fmt::format("the state has version {}, and this program knows {}",
                                       out->version, kStateVersion));
  }
  constexpr auto size = static_cast<ssize_t>(sizeof(State));
  if (info.st_size != size || ::pread(fd, out.get(), sizeof(State), 0) != size ||
      out->door_count > out->doors.size() || !is_process(out->controller) ||
      !std::all_of(out->doors.begin(), out->doors.begin() + out->door_count,
                   [](const StateDoor& door) { return is_sound(door); })) {
    return std::unexpected(std::string("the state is damaged"));
  }
  return out;
}

std::vector<int> descriptors(const State& state) {
  std::vector<int> out = {state.probes};
  for (std::size_t i = 0; i < state.door_count; ++i) {
    const StateDoor& door = state.doors[i];
    for (std::size_t at = 0; at < door.listener_count; ++at) {
      const auto& sockets = door.listeners[at].sockets;
      out.insert(out.end(), sockets.begin(), sockets.begin() + door.listeners[at].count);
    }
    for (std::size_t at = 0; at < door.process_count; ++at) {
      out.push_back(door.processes[at].channel);
      out.push_back(door.processes[at].stats);
    }
    for (std::size_t at = 0; at < door.snapshot_count; ++at) {
      out.push_back(door.snapshots[at].memory);
    }
  }
  std::erase_if(out, [](int fd) { return fd < 0; });
  return out;
}

void keep_over_exec(const std::vector<int>& descriptors, bool keep) {
  for (const int fd : descriptors) ::fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

}  // namespace bd::app
