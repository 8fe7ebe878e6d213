#pragma once
// The commands that need no server: what manifests compile to, and what is the matter with them.

#include <string>

#include "app/configuration.h"

namespace bd::app {

enum class Output : unsigned char { text, json };

/// `blastdoor check`: prints the findings. 0: nothing was refused or mistyped; 1: something was; 2:
/// bad configuration.
[[nodiscard]] int run_check(const Flags& flags, Output output);

/// `blastdoor routes`: prints the tables in their one textual form, or as JSON. `exposure` empty:
/// all.
[[nodiscard]] int run_routes(const Flags& flags, const std::string& exposure, Output output);

/// Prints every mistake. True if there is one.
[[nodiscard]] bool report_mistakes(const config::Loaded& loaded);

}  // namespace bd::app
