#include "app/upgrade.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "app/spawn.h"
#include "base/ascii.h"

extern char** environ;

namespace bd::app {
namespace {

constexpr std::string_view kVariable = "BD_UPGRADE";
/// Any program may end with 0; only ours says this.
constexpr std::string_view kAnswer = "blastdoor: the state is good\n";

std::vector<std::string> environment_with(const std::string& order) {
  std::vector<std::string> out = {fmt::format("{}={}", kVariable, order)};
  for (char** variable = environ; *variable != nullptr; ++variable) out.emplace_back(*variable);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

std::string absolute(const std::string& path) {
  if (path.starts_with("/")) return path;
  std::array<char, PATH_MAX> folder{};
  return ::getcwd(folder.data(), folder.size()) == nullptr
             ? path
             : fmt::format("{}/{}", folder.data(), path);
}

/// Between fork and exec.
[[noreturn]] void become_check(const char* path, const std::vector<int>& kept, pid_t parent,
                               char* const* words, char* const* environment) {
  if (!die_with_parent(parent)) ::_exit(1);
  std::signal(SIGINT, SIG_IGN);
  keep_over_exec(kept, true);
  ::execve(path, words, environment);
  ::_exit(127);
}

}  // namespace

std::optional<UpgradeOrder> take_upgrade_order() {
  const char* found = std::getenv(std::string(kVariable).c_str());
  if (found == nullptr) return std::nullopt;
  const std::string value = found;
  ::unsetenv(std::string(kVariable).c_str());
  const std::size_t comma = value.find(',');
  const std::string_view first = std::string_view(value).substr(0, comma);
  UpgradeOrder out;
  out.state = ascii::parse_decimal<int>(first).value_or(-1);
  if (comma != std::string::npos) {
    out.answer = ascii::parse_decimal<int>(std::string_view(value).substr(comma + 1)).value_or(-1);
    if (out.answer < 0) return std::nullopt;
  }
  if (out.state < 0) return std::nullopt;
  return out;
}

void confirm(const UpgradeOrder& order) {
  static_cast<void>(!::write(order.answer, kAnswer.data(), kAnswer.size()));
}

CommandLine CommandLine::own() {
  CommandLine out;
  const auto* path = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  out.path = path == nullptr ? "" : absolute(path);
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  for (std::string word; std::getline(file, word, '\0');) out.words.push_back(word);
  return out;
}

bool Upgrade::check(const State& state, TimePoint now) {
  const UniqueFd memory = write_state(state);
  int ends[2];
  if (!memory || ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  // Everything that allocates comes before the fork.
  std::vector<std::string> words = command_.words;
  auto variables = environment_with(fmt::format("{},{}", memory.get(), writer.get()));
  const std::vector<char*> arguments = pointers(words), environment = pointers(variables);
  std::vector<int> kept = descriptors(state);
  kept.push_back(memory.get());
  kept.push_back(writer.get());
  const pid_t parent = ::getpid();
  child_ = ::fork();
  if (child_ == 0) {
    become_check(command_.path.c_str(), kept, parent, arguments.data(), environment.data());
  }
  if (child_ < 0) return false;
  answer_ = std::move(reader);
  heard_.clear();
  deadline_ = now + kCheckMax;
  return true;
}

Upgrade::Outcome Upgrade::outcome(TimePoint now) {
  std::array<char, 64> buffer;
  const ssize_t got = ::read(answer_.get(), buffer.data(), buffer.size());
  if (got > 0) heard_.append(buffer.data(), static_cast<std::size_t>(got));
  if (heard_ == kAnswer) return Outcome::good;
  const bool again = got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  return again && heard_.size() < kAnswer.size() && now < deadline_ ? Outcome::pending
                                                                    : Outcome::bad;
}

bool Upgrade::exited(pid_t pid) {
  if (pid <= 0 || pid != child_) return false;
  child_ = -1;  // What it said is still in the pipe.
  return true;
}

void Upgrade::stop() {
  answer_.reset();
  if (child_ > 0) ::kill(child_, SIGKILL);
}

void Upgrade::replace(const State& state) const {
  const UniqueFd memory = write_state(state);
  if (!memory) return;
  std::vector<std::string> words = command_.words;
  auto variables = environment_with(std::to_string(memory.get()));
  std::vector<int> kept = descriptors(state);
  kept.push_back(memory.get());
  keep_over_exec(kept, true);
  ::execve(command_.path.c_str(), pointers(words).data(), pointers(variables).data());
  const int error = errno;
  keep_over_exec(kept, false);
  errno = error;
}

}  // namespace bd::app
