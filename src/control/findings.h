#pragma once
// What control itself has to say: of the configuration, the disk, the sources and the doors. What
// the objects have to hear is said by translate.

#include <string>
#include <vector>

#include "config/config.h"
#include "control/link.h"
#include "control/store.h"
#include "model/finding.h"

namespace bd::control {

/// `file`: the configuration file that was read.
[[nodiscard]] model::Finding configuration_mistake(const config::Mistake& mistake,
                                                   const std::string& file);
[[nodiscard]] model::Finding restart_needed(const std::vector<std::string>& keys,
                                            const std::string& file);
[[nodiscard]] model::Finding state_refused(std::string why);
[[nodiscard]] model::Finding state_not_kept(const std::string& door, std::string why);
[[nodiscard]] model::Finding source_unhealthy(const Store::Health& source);
/// Adds what is the matter with one door.
void say_of_door(const std::string& name, const Link& door, std::vector<model::Finding>& out);

}  // namespace bd::control
