// The command line: the names here are a contract.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "app/configuration.h"
#include "app/controller.h"
#include "app/door.h"
#include "app/echo.h"
#include "app/offline.h"
#include "app/sandbox.h"
#include "app/supervisor.h"
#include "base/log.h"
#include "base/version.h"

namespace bd::app {
namespace {

constexpr const char* kAbout =
    "Blastdoor: an ingress controller and reverse proxy that keeps internal and external traffic "
    "apart.\n"
    "Each exposure (internal-http, internal-httpsecure, external-http, external-httpsecure) is a "
    "port and a process of\n"
    "its own; the label `expose` of an Ingress picks the one that serves it.";

constexpr const char* kRunFooter =
    "Examples:\n"
    "  blastdoor run --manifests examples/four-doors --allow-loopback\n"
    "  blastdoor run --kubeconfig ~/.kube/config --exposures internal-http,internal-httpsecure\n"
    "  BLASTDOOR_EXPOSURES=external-httpsecure blastdoor run        # in a pod\n\n"
    "Every flag is also a key of the file (--config) and a variable (BLASTDOOR_…); a flag wins "
    "over a variable, a\n"
    "variable over the file. docs/reference/configuration.md lists them all.\n"
    "Signals: SIGTERM drains; SIGINT drains for a second; a second signal ends at once. SIGUSR2 "
    "upgrades in place.";

/// What stands for a flag's value in the help.
const char* value_name(std::string_view key) {
  if (key == "config" || key == "kubeconfig") return "FILE";
  if (key == "manifests" || key == "stateDir") return "DIR";
  if (key == "exposures") return "A,B";
  if (key == "labelSelector") return "SELECTOR";
  if (key == "admin" || key == "probes" || key == "metrics") return "ADDRESS:PORT";
  if (key == "handover") return "NAME";
  if (key == "workers") return "N";
  if (key == "logLevel") return "LEVEL";
  return "LIST";
}

/// Flags of the configuration as CLI11 reads them: one slot per flag.
class ConfigurationFlags {
 public:
  /// `names`: only these keys; empty: all.
  void add_to(CLI::App& command, const std::vector<std::string>& names) {
    for (const config::Flag& flag : config::flags()) {
      if (!names.empty() && std::find(names.begin(), names.end(), flag.key) == names.end())
        continue;
      Slot& slot = slots_.emplace_back(Slot{flag, {}, nullptr});
      if (flag.takes_value) {
        slot.option = command.add_option(flag.name, slot.values, flag.about);
        slot.option->type_name(value_name(flag.key));
        if (!flag.repeatable) slot.option->expected(1);
        if (flag.repeatable) slot.option->allow_extra_args(false);
      } else {
        slot.option = command.add_flag(flag.name, flag.about);
      }
    }
  }
  [[nodiscard]] Flags read() const {
    Flags out;
    for (const Slot& slot : slots_) {
      if (slot.option->count() > 0) out[slot.flag.key] = slot.values;
    }
    return out;
  }

 private:
  struct Slot {
    config::Flag flag;
    std::vector<std::string> values;
    CLI::Option* option;
  };
  std::list<Slot> slots_;  // A list: CLI11 keeps references to the values.
};

int run(const Flags& flags) {
  const config::Loaded loaded = load_configuration(flags);
  if (report_mistakes(loaded)) return 2;
  if (loaded.config.manifests.empty() && !loaded.config.kubernetes) {
    std::fputs(
        "nothing to serve: name a directory with --manifests DIR or an API server with "
        "--kubeconfig FILE\n",
        stderr);
    return 2;
  }
  log::init("supervisor", log_level(loaded.config));
  return run_supervisor({loaded.config, to_words(flags), CommandLine::own(), take_upgrade_order()});
}

int version() {
  std::printf("blastdoor %s\n", std::string(kVersion).c_str());
  return 0;
}

/// The children that the supervisor starts; no names for people.
std::optional<int> run_child(const std::vector<std::string>& words) {
  if (words.size() < 2) return std::nullopt;
  const std::vector<std::string> rest(words.begin() + 2, words.end());
  const bool from_supervisor = std::any_of(rest.begin(), rest.end(), [](const std::string& word) {
    return word.starts_with("--channel=");
  });
  if (!from_supervisor) return std::nullopt;
  if (words[1] == "controller") return run_controller(rest);
  if (words[1] == "door") return run_door(rest);
  return std::nullopt;
}

/// `blastdoor echo --listen ADDRESS [--name NAME]`
struct EchoCommand {
  std::string listen;
  std::string name;

  void add_to(CLI::App& app, int& code) {
    CLI::App* command =
        app.add_subcommand("echo", "A demo upstream that answers with what it received, as JSON");
    command->add_option("--listen", listen, "For example 127.0.0.1:9001")
        ->required()
        ->type_name("ADDRESS:PORT");
    command->add_option("--name", name, "What it calls itself in its answers")->type_name("NAME");
    command->callback([this, &code] { code = run(); });
  }

 private:
  [[nodiscard]] int run() const {
    const auto address = SocketAddress::parse(listen);
    if (address) return run_echo(*address, name);
    std::fprintf(stderr, "--listen: %s is no ADDRESS:PORT, for example 127.0.0.1:9001\n",
                 listen.c_str());
    return 2;
  }
};

int run_command_line(int argc, char** argv) {
  CLI::App app(kAbout, "blastdoor");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "The help of every command");
  int code = 0;
  std::string output = "text";
  const auto output_of = [&] { return output == "json" ? Output::json : Output::text; };
  const auto add_output = [&](CLI::App& command) {
    command.add_option("--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  };

  ConfigurationFlags run_flags;
  CLI::App* command =
      app.add_subcommand("run", "Serve: supervisor, controller and one door per exposure");
  run_flags.add_to(*command, {});
  command->footer(kRunFooter);
  command->callback([&] { code = run(run_flags.read()); });

  const std::vector<std::string> offline = {"config", "manifests", "allowLoopback", "exposures",
                                            "labelSelector"};
  ConfigurationFlags check_flags;
  command = app.add_subcommand(
      "check", "Compile manifests and print the findings; exit 1 if anything was refused");
  check_flags.add_to(*command, offline);
  add_output(*command);
  command->callback([&] { code = run_check(check_flags.read(), output_of()); });

  ConfigurationFlags routes_flags;
  std::string exposure;
  command = app.add_subcommand("routes", "Compile manifests and print the route tables");
  routes_flags.add_to(*command, offline);
  command->add_option("--exposure", exposure, "Only this exposure")->type_name("NAME");
  add_output(*command);
  command->callback([&] { code = run_routes(routes_flags.read(), exposure, output_of()); });

  EchoCommand echo;
  echo.add_to(app, code);

  command = app.add_subcommand("sandbox", "Enter a door's sandbox here and print what it denies");
  command->callback([&] { code = run_sandbox_check(); });
  command = app.add_subcommand("version", "Print the version");
  command->callback([&] { code = version(); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int shown = app.exit(error);
    return shown == 0 ? 0 : 2;
  }
  return code;
}

}  // namespace
}  // namespace bd::app

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  // A door's words are `blastdoor door NAME --channel=…`.
  if (const auto code = bd::app::run_child(words)) return *code;
  return bd::app::run_command_line(argc, argv);
}
