#pragma once
// Short ways to load a configuration in a test.

#include <string>
#include <utility>
#include <vector>

#include "config/config.h"

namespace bd::config {

inline Inputs file_inputs(std::string yaml) {
  Inputs out;
  out.file_name = "blastdoor.yaml";
  out.file = std::move(yaml);
  return out;
}

inline Loaded load_file(std::string yaml) {
  return load(file_inputs(std::move(yaml)));
}

inline Loaded load_variables(std::map<std::string, std::string> environment) {
  Inputs inputs;
  inputs.environment = std::move(environment);
  return load(inputs);
}

inline std::vector<std::string> mistakes_of(const Loaded& loaded) {
  std::vector<std::string> out;
  for (const Mistake& mistake : loaded.mistakes) out.push_back(mistake.text());
  return out;
}

}  // namespace bd::config
