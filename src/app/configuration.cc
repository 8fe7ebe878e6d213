#include "app/configuration.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <utility>

extern char** environ;

namespace bd::app {
namespace {

config::Inputs gather(const Flags& flags) {
  config::Inputs inputs;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    inputs.environment.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  inputs.flags = flags;
  inputs.in_cluster = ::access("/var/run/secrets/kubernetes.io/serviceaccount/token", R_OK) == 0 &&
                      inputs.environment.contains("KUBERNETES_SERVICE_HOST");
  return inputs;
}

}  // namespace

std::string configuration_file(const Flags& flags) {
  return config::file_name(gather(flags));
}

config::Loaded load_configuration(const Flags& flags) {
  config::Inputs inputs = gather(flags);
  inputs.file_name = config::file_name(inputs);
  bool unreadable = false;
  if (!inputs.file_name.empty()) {
    std::ifstream file(inputs.file_name, std::ios::binary);
    if (file) {
      inputs.file = std::string(std::istreambuf_iterator<char>(file), {});
    } else {
      unreadable = true;
    }
  }
  config::Loaded out = config::load(inputs);
  if (unreadable) {
    out.mistakes.insert(out.mistakes.begin(),
                        {inputs.file_name, "", "the configuration file can't be read",
                         "Check the path and its permissions."});
  }
  return out;
}

log::Level log_level(const config::Config& config) {
  if (config.log_level == "debug") return log::Level::debug;
  if (config.log_level == "warn") return log::Level::warn;
  return config.log_level == "error" ? log::Level::error : log::Level::info;
}

std::vector<std::string> to_words(const Flags& flags) {
  std::vector<std::string> out = {"flags"};  // Tells where the supervisor's own words end.
  for (const auto& [key, values] : flags) {
    if (values.empty()) out.push_back("--" + key);
    for (const std::string& value : values) out.push_back("--" + key + "=" + value);
  }
  return out;
}

Flags from_words(const std::vector<std::string>& words) {
  Flags out;
  for (const std::string& word : words) {
    if (!word.starts_with("--")) continue;
    const std::size_t equals = word.find('=');
    auto& values = out[word.substr(2, equals == std::string::npos ? equals : equals - 2)];
    if (equals != std::string::npos) values.push_back(word.substr(equals + 1));
  }
  return out;
}

FileWatch::FileWatch(std::string path) : path_(std::move(path)), known_(look()), seen_(known_) {}

FileWatch::Signature FileWatch::look() const {
  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0) return {};
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_mtim),
          nanoseconds(info.st_ctim)};
}

bool FileWatch::changed() {
  const Signature now = look();
  const bool still = std::exchange(seen_, now) == now;
  if (!still || now == known_ || now == Signature{}) return false;
  known_ = now;
  return true;
}

}  // namespace bd::app
