#include <fmt/format.h>

#include "config/config.h"
#include "config/field.h"
#include "config/schema.h"

namespace bd::config {
namespace {

constexpr std::string_view kIntroduction = R"(# Configuration reference

<!-- Generated from src/config/schema.cc; the unit tests of config rewrite it with BLASTDOOR_BLESS=1. -->

One schema serves the YAML file, the environment and the flags, in rising precedence. How to use it, task by task:
[the guide](../guide/configure.md).

Two columns need a word. *Change*: a change of a `live` key in the file applies at once; one of a `restart` key is
reported and waits for the next start. *Variable*: `<EXPOSURE>` is the exposure's name in capitals, with `_` for `-`,
as in `BLASTDOOR_INTERNAL_HTTP_PORT`.
)";

constexpr std::string_view kValues = R"(
## Values

- **Sizes** are whole numbers of bytes, or carry `B`, `KiB`, `MiB` or `GiB`: `16KiB`.
- **Durations** always carry a unit, `ms`, `s`, `m` or `h`: `500ms`, `75s`.
- **Selectors** are those of `kubectl -l`: `expose=internal-http`, `tier in (web, api),!legacy`. At least one
  requirement has to need a label.
- **Lists** in variables and flags are separated by commas. A flag that sets a list may be repeated.
- A list replaces the list of a lower precedence; it never adds to it.
- An empty variable or flag is a mistake, so that a template that failed to fill one in is noticed.

## Variables that are not ours

Kubernetes puts variables for every Service of the namespace into a container. Those for a Service named `blastdoor`,
or `blastdoor-` and more, are ignored: `BLASTDOOR_SERVICE_HOST`, `BLASTDOOR_SERVICE_PORT`,
`BLASTDOOR_SERVICE_PORT_WEB`, `BLASTDOOR_PORT=tcp://10.96.0.7:80`, `BLASTDOOR_PORT_80_TCP_ADDR` and their like. So are
names that start with `BLASTDOOR_TEST_`. Any other `BLASTDOOR_` variable that is not in the tables is a mistake.
)";

struct Section {
  std::string_view title;
  std::string_view prefix;
};
constexpr Section kSections[] = {
    {"Top level", ""},
    {"Exposures", "exposures[]."},
    {"Listeners", "exposures[].listeners[]."},
    {"TLS of a listener", "exposures[].listeners[].tls."},
    {"Certificates of a listener", "exposures[].listeners[].tls.certificates[]."},
    {"Hosts with a TLS policy of their own", "exposures[].listeners[].tls.hosts[]."},
    {"Limits of a listener", "exposures[].listeners[].limits."},
    {"Timeouts of a listener", "exposures[].listeners[].timeouts."},
    {"Manifests", "manifests[]."},
};

std::string code(std::string_view text) {
  return text.empty() ? "" : fmt::format("`{}`", text);
}

std::string row(const Key& key, std::string_view name) {
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n",
                     key.in_file ? code(name) : "(not in the file)", expected(key),
                     code(key.fallback), code(variable(key, "<EXPOSURE>")), code(key.flag),
                     key.effect == Effect::live ? "live" : "restart", key.about);
}

std::string section(const Section& section) {
  std::string out = fmt::format(
      "\n## {}{}\n\n| key | value | default | variable | flag | change | what it is for "
      "|\n|---|---|---|---|---|---|---|\n",
      section.title,
      section.prefix.empty()
          ? ""
          : fmt::format(": `{}`", section.prefix.substr(0, section.prefix.size() - 1)));
  for (const Key& key : schema()) {
    if (!key.path.starts_with(section.prefix)) continue;
    const std::string_view name = key.path.substr(section.prefix.size());
    if (name.find_first_of(".[") == name.npos) out += row(key, name);
  }
  return out;
}

std::string default_exposures() {
  std::string out =
      "\n## The four default exposures\n\n| name | side | port | public scheme | public port | "
      "selector | hosts |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const model::Exposure& exposure : model::default_exposures()) {
    const model::Listener& listener = exposure.listeners.front();
    out += fmt::format("| `{}` | {} | {} | {} | {} | `{}` | {} |\n", exposure.name,
                       model::name(exposure.side), listener.bind.port,
                       model::name(listener.public_scheme), listener.public_port,
                       exposure.selector.text(),
                       exposure.hosts == model::HostOwnership::owned ? "owned" : "shared");
  }
  return out;
}

}  // namespace

std::string reference() {
  std::string out(kIntroduction);
  for (const Section& each : kSections) out += section(each);
  return out + default_exposures() + std::string(kValues);
}

std::vector<Flag> flags() {
  std::vector<Flag> out;
  for (const Key& key : schema()) {
    if (key.flag.empty()) continue;
    out.push_back({std::string(key.flag), flag_key(key), std::string(key.about),
                   key.kind != Kind::boolean, is_list(key)});
  }
  return out;
}

}  // namespace bd::config
