#pragma once
// What the tests of this room share: a folder that goes away, and a sink that keeps what it is
// told.

#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "source/source.h"

namespace bd::source {

class TempFolder {
 public:
  TempFolder() {
    char path[] = "/tmp/blastdoor-test-XXXXXX";
    path_ = ::mkdtemp(path);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + "/" + name;
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  void folder(const std::string& name) const { std::filesystem::create_directories(path(name)); }
  void rename(const std::string& from, const std::string& to) const {
    std::filesystem::rename(path(from), path(to));
  }
  void remove(const std::string& name) const { std::filesystem::remove_all(path(name)); }
  void link(const std::string& target, const std::string& name) const {
    std::filesystem::create_symlink(target, path(name));
  }

 private:
  std::string path_;
};

/// Applies events as the control loop does, and lets a test wait for what they add up to.
class Recorder {
 public:
  struct State {
    std::map<std::string, kube::Object> objects;  ///< By `Ingress shop/web`.
    std::vector<model::Finding> findings;         ///< Of the last Replace.
    Status status;
    unsigned replaces = 0, upserts = 0, removes = 0, statuses = 0;
    [[nodiscard]] bool has(const std::string& key) const { return objects.contains(key); }
    [[nodiscard]] bool found(std::string_view code) const {
      return std::any_of(findings.begin(), findings.end(),
                         [&](const auto& finding) { return finding.code == code; });
    }
    /// The host of the first rule; empty if there is no such Ingress.
    [[nodiscard]] std::string host(const std::string& key) const {
      const auto at = objects.find(key);
      const auto* ingress = at == objects.end() ? nullptr : std::get_if<kube::Ingress>(&at->second);
      return ingress == nullptr || ingress->rules.empty() ? "" : ingress->rules[0].host;
    }
  };

  [[nodiscard]] Sink sink() {
    return [this](const std::string&, Event event) {
      const std::lock_guard lock(mutex_);
      std::visit([this](auto& known) { take(known); }, event);
      if (observe_) observe_(state_);
      changed_.notify_all();
    };
  }
  /// Shows every state from now on, on the thread of the source.
  void observe(std::function<void(const State&)> observe) {
    const std::lock_guard lock(mutex_);
    observe_ = std::move(observe);
  }
  /// Ten seconds are for a crowded machine; the usual is a few milliseconds.
  [[nodiscard]] bool wait(const std::function<bool(const State&)>& reached) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return reached(state_); });
  }
  [[nodiscard]] State state() {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  static std::string key(const std::string& kind, const std::string& ns, const std::string& name) {
    return ns.empty() ? kind + " " + name : kind + " " + ns + "/" + name;
  }
  void put(const kube::Object& object) {
    const model::ObjectRef& ref = kube::meta(object).ref;
    state_.objects.insert_or_assign(key(ref.kind, ref.ns, ref.name), object);
  }
  void take(Replace& replace) {
    ++state_.replaces;
    state_.objects.clear();
    for (const auto& o : replace.objects->ingresses) put(o);
    for (const auto& o : replace.objects->classes) put(o);
    for (const auto& o : replace.objects->services) put(o);
    for (const auto& o : replace.objects->slices) put(o);
    for (const auto& o : replace.objects->namespaces) put(o);
    for (const auto& o : replace.objects->secrets) put(o);
    for (const auto& o : replace.objects->config_maps) put(o);
    state_.findings = replace.objects->findings;
  }
  void take(Upsert& upsert) {
    ++state_.upserts;
    put(upsert.object);
  }
  void take(Remove& remove) {
    ++state_.removes;
    state_.objects.erase(key(remove.kind, remove.ns, remove.name));
  }
  void take(Status& status) {
    ++state_.statuses;
    state_.status = status;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  State state_;
  std::function<void(const State&)> observe_;
};

/// An Ingress as YAML.
inline std::string ingress_yaml(const std::string& name, const std::string& host) {
  return fmt::format(
      "apiVersion: networking.k8s.io/v1\n"
      "kind: Ingress\n"
      "metadata: {{name: {}, labels: {{expose: internal-http}}}}\n"
      "spec:\n"
      "  rules:\n"
      "  - host: {}\n"
      "    http:\n"
      "      paths:\n"
      "      - path: /\n"
      "        pathType: Prefix\n"
      "        backend: {{service: {{name: web, port: {{number: 80}}}}}}\n",
      name, host);
}

/// The same as the API server would send it.
inline std::string ingress_json(const std::string& name, int version, const std::string& host,
                                bool in_list = false) {
  return fmt::format(
      R"({{{}"metadata":{{"name":"{}","namespace":"shop","uid":"uid-{}","resourceVersion":"{}"}},)"
      R"("spec":{{"rules":[{{"host":"{}","http":{{"paths":[{{"path":"/","pathType":"Prefix",)"
      R"("backend":{{"service":{{"name":"web","port":{{"number":80}}}}}}}}]}}}}]}}}})",
      in_list ? "" : R"("kind":"Ingress","apiVersion":"networking.k8s.io/v1",)", name, name,
      version, host);
}

inline std::string event_line(const std::string& type, const std::string& object) {
  return fmt::format(R"({{"type":"{}","object":{}}})", type, object) + "\n";
}

inline std::string bookmark_line(const std::string& kind, int version) {
  return event_line("BOOKMARK", fmt::format(R"({{"kind":"{}","apiVersion":"networking.k8s.io/v1",)"
                                            R"("metadata":{{"resourceVersion":"{}"}}}})",
                                            kind, version));
}

inline std::string list_json(const std::string& kind, int version,
                             const std::vector<std::string>& items = {},
                             const std::string& next = "") {
  std::string joined;
  for (const std::string& item : items) joined += (joined.empty() ? "" : ",") + item;
  const bool core =
      kind == "Service" || kind == "Namespace" || kind == "Secret" || kind == "ConfigMap";
  const std::string group = core                      ? "v1"
                            : kind == "EndpointSlice" ? "discovery.k8s.io/v1"
                                                      : "networking.k8s.io/v1";
  return fmt::format(R"({{"kind":"{}List","apiVersion":"{}","metadata":{{"resourceVersion":"{}",)"
                     R"("continue":"{}"}},"items":[{}]}})",
                     kind, group, version, next, joined);
}

}  // namespace bd::source
