#include "app/spawn.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/ascii.h"

extern char** environ;

namespace bd::app {
namespace {

using Words = std::vector<std::string>;

std::string join(const std::vector<int>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ","));
}

/// "main:10,11"
bool parse_listen(std::string_view value, std::vector<proxy::ListenSockets>& out) {
  const std::size_t colon = value.rfind(':');
  if (colon == std::string_view::npos) return false;
  proxy::ListenSockets sockets{std::string(value.substr(0, colon)), {}};
  std::string_view rest = value.substr(colon + 1);
  while (true) {
    const std::size_t comma = rest.find(',');
    const auto fd = ascii::parse_decimal<int>(rest.substr(0, comma));
    if (!fd) return false;
    sockets.fds.push_back(*fd);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  out.push_back(std::move(sockets));
  return true;
}

template <class T>
bool parse_number(std::string_view value, T& out) {
  const auto number = ascii::parse_decimal<T>(value);
  if (number) out = *number;
  return number.has_value();
}

enum class Taken : std::uint8_t { yes, unknown, bad };

Taken take_option(std::string_view key, std::string_view value, ChildOptions& out) {
  bool good = false;
  if (key == "--channel") {
    good = parse_number(value, out.channel);
  } else if (key == "--parent") {
    good = parse_number(value, out.parent);
  } else if (key == "--stats") {
    good = parse_number(value, out.stats);
  } else if (key == "--snapshot") {
    good = parse_number(value, out.snapshot);
  } else if (key == "--workers") {
    good = parse_number(value, out.workers);
  } else if (key == "--log") {
    out.log_level = value;
    good = true;
  } else if (key == "--patient") {
    good = out.patient = value == "1";
  } else if (key == "--listen") {
    good = parse_listen(value, out.sockets);
  } else {
    return Taken::unknown;
  }
  return good ? Taken::yes : Taken::bad;
}

bool is_for_doors(std::string_view variable) {
  for (const std::string_view prefix :
       {"BLASTDOOR_TEST_", "ASAN_", "LSAN_", "UBSAN_", "TSAN_", "LLVM_PROFILE_"}) {
    if (variable.starts_with(prefix)) return true;
  }
  return false;
}

std::vector<char*> pointers(Words& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

void set_limits(const Program& program) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  if (program.memory_max > 0) {
    const rlimit memory{program.memory_max, program.memory_max};
    ::setrlimit(RLIMIT_DATA, &memory);
  }
}

/// Between fork and exec.
[[noreturn]] void become(const Program& program, pid_t parent, char* const* arguments,
                         char* const* environment) {
  if (!die_with_parent(parent)) ::_exit(1);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGINT, SIG_IGN);
  set_limits(program);
  // What whoever started us left open is nobody's business. An older kernel has no such call.
  static_cast<void>(::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC));
  for (const int fd : program.options.descriptors()) ::fcntl(fd, F_SETFD, 0);
  ::execve("/proc/self/exe", arguments, environment);
  ::_exit(127);
}

}  // namespace

Words ChildOptions::words() const {
  Words out;
  const auto add = [&out](std::string_view key, auto value) {
    out.push_back(fmt::format("--{}={}", key, value));
  };
  add("channel", channel);
  add("parent", parent);
  if (stats >= 0) add("stats", stats);
  if (snapshot >= 0) add("snapshot", snapshot);
  if (workers > 0) add("workers", workers);
  if (!log_level.empty()) add("log", log_level);
  if (patient) add("patient", 1);
  for (const auto& listener : sockets) {
    add("listen", fmt::format("{}:{}", listener.listener, join(listener.fds)));
  }
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

std::vector<int> ChildOptions::descriptors() const {
  std::vector<int> out;
  for (const int fd : {channel, stats, snapshot}) {
    if (fd >= 0) out.push_back(fd);
  }
  for (const auto& listener : sockets) {
    out.insert(out.end(), listener.fds.begin(), listener.fds.end());
  }
  return out;
}

std::expected<ChildOptions, std::string> ChildOptions::parse(std::span<const std::string> words) {
  ChildOptions out;
  std::size_t at = 0;
  for (; at < words.size(); ++at) {
    const std::string_view word = words[at];
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) break;
    const Taken taken = take_option(word.substr(0, equals), word.substr(equals + 1), out);
    if (taken == Taken::bad) return std::unexpected(fmt::format("{} makes no sense", word));
    if (taken == Taken::unknown) break;
  }
  if (out.channel < 0 || out.parent <= 0) {
    return std::unexpected(std::string("this is started by `blastdoor run` only"));
  }
  out.rest.assign(words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  return out;
}

pid_t spawn(const Program& program) {
  // Everything that allocates comes before the fork.
  Words words = {"blastdoor", program.role};
  if (!program.name.empty()) words.push_back(program.name);
  for (std::string& word : program.options.words()) words.push_back(std::move(word));
  Words variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!program.bare_environment || is_for_doors(*variable)) variables.emplace_back(*variable);
  }
  const std::vector<char*> arguments = pointers(words), environment = pointers(variables);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(program, parent, arguments.data(), environment.data());
  return child;
}

bool die_with_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return ::getppid() == parent;
}

void name_process(const std::string& name) {
  ::prctl(PR_SET_NAME, name.c_str());
}

}  // namespace bd::app
