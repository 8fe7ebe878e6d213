// Whole translations: tests/golden/translate/<case>/ holds manifests and what must become of them.
//
//   in.yaml         the objects of one source; other.yaml those of a second one, if it is there
//   config.yaml     the configuration, if it is not the default
//   want.routes     the tables of all doors, in the one textual form
//   want.endpoints  upstream: addresses
//   want.findings   one a line, code first
//   want.material   names of certificates and CA bundles, and which listener serves what; if any
//
// BLASTDOOR_BLESS=1 writes the want files anew.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "route/text_form.h"
#include "snapshot/convert.h"
#include "translate/objects_for_test.h"
#include "translate/translate.h"

namespace bd::translate {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

config::Config read_config(const fs::path& path) {
  config::Inputs inputs;
  inputs.file_name = path.filename();
  if (fs::exists(path)) inputs.file = read_file(path);
  config::Loaded loaded = config::load(inputs);
  for (const config::Mistake& mistake : loaded.mistakes) ADD_FAILURE() << mistake.text();
  return loaded.config;
}

/// Puts each object into the list of its kind.
struct Sorter {
  kube::SourceObjects& out;
  void operator()(kube::Ingress& object) const { out.ingresses.push_back(std::move(object)); }
  void operator()(kube::IngressClass& object) const { out.classes.push_back(std::move(object)); }
  void operator()(kube::Service& object) const { out.services.push_back(std::move(object)); }
  void operator()(kube::EndpointSlice& object) const { out.slices.push_back(std::move(object)); }
  void operator()(kube::Namespace& object) const { out.namespaces.push_back(std::move(object)); }
  void operator()(kube::Secret& object) const { out.secrets.push_back(std::move(object)); }
  void operator()(kube::ConfigMap& object) const { out.config_maps.push_back(std::move(object)); }
};

kube::SourceObjects read_source(const fs::path& path, const config::Config& config) {
  kube::SourceObjects out;
  out.source = "manifests:" + path.filename().string();
  for (const config::ManifestsSource& source : config.manifests) {
    if (source.directory == path.filename()) out.allow_loopback = source.allow_loopback;
  }
  const text::YamlResult yaml = text::parse_yaml(read_file(path));
  for (const text::ParseError& error : yaml.errors)
    ADD_FAILURE() << path << ":" << error.line << " " << error.what;
  for (const text::Value& document : yaml.documents) {
    kube::Decoded decoded =
        kube::decode(document, {"", "", "", out.source, path.filename(), document.line});
    for (kube::Object& object : decoded.objects) std::visit(Sorter{out}, object);
    std::ranges::move(decoded.findings, std::back_inserter(out.findings));
  }
  return out;
}

std::string print_routes(const snapshot::Snapshot& snapshot) {
  std::vector<route::ExposureRoutes> out;
  for (const auto& [name, door] : snapshot.doors) {
    std::map<std::string, std::vector<model::VirtualHost>> listeners;
    for (const auto& [key, unit] : door->hosts) listeners[key.listener].push_back(*unit);
    if (listeners.empty()) continue;
    route::ExposureRoutes& routes = out.emplace_back();
    routes.exposure = name;
    for (const auto& [key, upstream] : door->upstreams) routes.upstreams.push_back(upstream);
    for (auto& [listener, hosts] : listeners)
      routes.listeners.push_back({listener, std::move(hosts)});
  }
  return route::print(out);
}

std::string print_endpoints(const snapshot::Snapshot& snapshot) {
  std::map<std::string, std::string> lines;
  for (const auto& [name, door] : snapshot.doors) {
    for (const auto& [key, list] : door->endpoints) {
      std::string line = key + ":";
      for (const model::Endpoint& endpoint : list) {
        line += " " + endpoint.address.text();
        if (endpoint.weight != 1) line += fmt::format("*{}", endpoint.weight);
        if (endpoint.identity != 0) line += fmt::format("={:016x}", endpoint.identity);
      }
      const auto [at, is_new] = lines.emplace(key, line);
      EXPECT_TRUE(is_new || at->second == line) << "two doors see other endpoints of " << key;
    }
    EXPECT_EQ(door->endpoints.size(), door->upstreams.size());
  }
  std::string out;
  for (const auto& [key, line] : lines) out += line + "\n";
  return out;
}

/// Names alone: what they stand for is in.yaml's.
std::string print_material(const snapshot::Snapshot& snapshot) {
  std::string out;
  for (const auto& [name, door] : snapshot.doors) {
    for (const auto& [key, pair] : door->certificates) {
      EXPECT_NE(pair, nullptr);
      out += fmt::format("{}: certificate {}\n", name, key);
    }
    for (const auto& [key, pem] : door->bundles)
      out += fmt::format("{}: CA bundle {}\n", name, key);
    for (const auto& [listener, keys] : door->served_certificates) {
      out += fmt::format("{}: {} serves {}\n", name, listener, fmt::join(keys, ", "));
    }
    if (const auto broken = snapshot::find_broken_tls(*door)) {
      ADD_FAILURE() << broken->object << ": " << broken->reason;
    }
  }
  return out;
}

std::string print_findings(const snapshot::Snapshot& snapshot) {
  std::string out;
  for (const model::Finding& finding : snapshot.findings) {
    out += fmt::format("{}: {}", finding.code, model::text(finding));
    if (!finding.exposures.empty()) out += fmt::format(" [{}]", fmt::join(finding.exposures, ", "));
    out += "\n";
  }
  return out;
}

void compare(const fs::path& file, const std::string& got) {
  if (std::getenv("BLASTDOOR_BLESS") != nullptr) {
    std::ofstream(file, std::ios::binary) << got;
  } else {
    EXPECT_EQ(got, read_file(file)) << file << " (BLASTDOOR_BLESS=1 rewrites it)";
  }
}

TEST(Golden, TranslatesEachCaseAsWritten) {
  int cases = 0;
  for (const auto& entry :
       fs::directory_iterator(fs::path(BD_SOURCE_DIR) / "tests/golden/translate")) {
    const fs::path& folder = entry.path();
    SCOPED_TRACE(folder.filename().string());
    ++cases;
    const config::Config config = read_config(folder / "config.yaml");
    kube::ObjectSet objects;
    for (const char* name : {"in.yaml", "other.yaml"}) {
      if (fs::exists(folder / name)) objects.sources.push_back(read_source(folder / name, config));
    }
    const Input input{&config, &objects, {}, nullptr};
    const snapshot::Snapshot snapshot = translate(input);
    compare(folder / "want.routes", print_routes(snapshot));
    compare(folder / "want.endpoints", print_endpoints(snapshot));
    compare(folder / "want.findings", print_findings(snapshot));
    const std::string material = print_material(snapshot);
    if (!material.empty() || fs::exists(folder / "want.material")) {
      compare(folder / "want.material", material);
    }
    EXPECT_EQ(print_findings(snapshot).find("PRIVATE KEY"), std::string::npos);
    const auto bypass = endpoints_of(input, all_services(objects));
    for (const auto& [name, door] : snapshot.doors) {
      for (const auto& [key, list] : door->endpoints) {
        EXPECT_EQ(bypass.at(key), list) << "the bypass must agree for " << name << ": " << key;
      }
    }
  }
  EXPECT_GE(cases, 20);
}

}  // namespace
}  // namespace bd::translate
