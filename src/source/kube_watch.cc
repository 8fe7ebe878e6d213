// The thread that mirrors an API server: one lane of the client and one mirror per resource.

#include "source/kube_watch.h"

#include <array>
#include <atomic>
#include <thread>

#include "source/append.h"
#include "source/kube_client.h"

namespace bd::source {
namespace {

using namespace std::chrono_literals;

constexpr std::array<Resource, 5> kResources = {{
    {"Ingress", "networking.k8s.io", "ingresses"},
    {"IngressClass", "networking.k8s.io", "ingressclasses"},
    {"Service", "", "services"},
    {"EndpointSlice", "discovery.k8s.io", "endpointslices"},
    // Only policies about namespaces need their labels; who withholds them loses nothing else.
    {"Namespace", "", "namespaces", /*required=*/false},
}};
// The server filters, so that no other Secret ever reaches this process.
constexpr Resource kSecrets{"Secret", "", "secrets", /*required=*/false,
                            "fieldSelector=type%3Dkubernetes.io%2Ftls"};
constexpr Resource kCaConfigMaps{"ConfigMap", "", "configmaps", /*required=*/false,
                                 "labelSelector=blastdoor.io%2Fca%3Dtrue"};

class KubeWatch final : public Source {
 public:
  KubeWatch(KubeAccess access, KubeScope scope, const KubeTimes& times)
      : server_(access.server), times_(times), client_(std::move(access)) {
    std::random_device random;
    mirrors_.reserve(kResources.size() + 2);  // Lanes keep references to them.
    for (const Resource& resource : kResources) mirrors_.emplace_back(resource, times_, random());
    if (scope.secrets) mirrors_.emplace_back(kSecrets, times_, random());
    if (scope.ca_config_maps) mirrors_.emplace_back(kCaConfigMaps, times_, random());
  }

  ~KubeWatch() override {
    if (!thread_.joinable()) return;
    stop_ = true;
    client_.wake();
    thread_.join();
  }

  [[nodiscard]] const std::string& name() const override { return name_; }

  void start(Sink sink) override {
    sink_ = std::move(sink);
    for (Mirror& mirror : mirrors_) {
      client_.add_lane({
          .head = [this, &mirror](long status) { heard(mirror, status); },
          .data = [&mirror](std::string_view bytes) { return mirror.data(bytes, Clock::now()); },
          .done =
              [&mirror](long status, std::string error, std::chrono::seconds retry_after) {
                mirror.done({status, std::move(error), retry_after}, Clock::now());
              },
      });
    }
    thread_ = std::thread([this] { run(); });
  }

 private:
  void run() {
    while (!stop_) {
      Clock::time_point next = Clock::now() + 1min;
      for (std::size_t lane = 0; lane < mirrors_.size(); ++lane) {
        next = std::min(next, drive(lane, Clock::now()));
      }
      publish();
      if (status_waits_) next = std::min(next, told_at_ + times_.status_every);
      const auto pause = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
      client_.poll(std::max(pause, 0ms));
    }
  }

  void heard(Mirror& mirror, long status) {
    mirror.head(status, Clock::now());
    for (Mirror& other : mirrors_) {
      if (&other != &mirror) other.nudge(Clock::now());
    }
  }

  /// Starts or ends the request of a lane as its mirror wants. Returns when to look again.
  Clock::time_point drive(std::size_t lane, Clock::time_point now) {
    Mirror& mirror = mirrors_[lane];
    if (client_.busy(lane)) {
      if (mirror.tick(now)) return mirror.deadline();
      client_.drop(lane);
      mirror.done({mirror.status(), "the API server has been silent for too long", 0s}, now);
    }
    if (now < mirror.due()) return mirror.due();
    const Mirror::Request request = mirror.begin(now);
    if (auto sent = client_.get(lane, request.target, request.timeout); !sent) {
      mirror.done({0, sent.error(), 0s}, now);
      return mirror.due();
    }
    return mirror.deadline();
  }

  void publish() {
    tell_status();
    for (const Mirror& mirror : mirrors_) {
      if (!mirror.synced()) return;
    }
    bool replaced = !std::exchange(announced_, true);
    std::vector<Event> events;
    for (Mirror& mirror : mirrors_) {
      Mirror::Changes changes = mirror.take_changes();
      replaced |= changes.replaced;
      std::move(changes.events.begin(), changes.events.end(), std::back_inserter(events));
    }
    if (replaced) return sink_(name_, Replace{everything()});
    for (Event& event : events) sink_(name_, std::move(event));
  }

  [[nodiscard]] std::shared_ptr<kube::SourceObjects> everything() const {
    auto out = std::make_shared<kube::SourceObjects>();
    out->source = name_;
    for (const Mirror& mirror : mirrors_) {
      for (const auto& [key, entry] : mirror.entries()) {
        out->findings.insert(out->findings.end(), entry.findings.begin(), entry.findings.end());
        if (entry.object) append_object(*entry.object, *out);
      }
    }
    return out;
  }

  void tell_status() {
    Status status{true, "watching " + server_};
    std::string problems, warnings;
    bool synced = true;
    for (const Mirror& mirror : mirrors_) {
      synced &= mirror.synced();
      join(problems, mirror.problem());
      join(warnings, mirror.warning());
    }
    if (!problems.empty()) {
      status = {false, problems};
    } else if (!synced) {
      return;  // Still on the way; there is nothing to say yet.
    }
    join(status.message, warnings);
    const bool as_healthy = told_ && told_->healthy == status.healthy;
    const bool news = !as_healthy || told_->message != status.message;
    status_waits_ = news && as_healthy && Clock::now() < told_at_ + times_.status_every;
    if (!news || status_waits_) return;
    told_ = status;
    told_at_ = Clock::now();
    sink_(name_, std::move(status));
  }

  /// Many lanes to a server that is down have one problem.
  static void join(std::string& all, const std::string& one) {
    if (one.empty() || all.find(one) != std::string::npos) return;
    all += (all.empty() ? "" : "; ") + one;
  }

  const std::string name_ = "kube";
  const std::string server_;
  const KubeTimes times_;
  KubeClient client_;
  std::vector<Mirror> mirrors_;
  Sink sink_;
  bool announced_ = false;
  std::optional<Status> told_;
  Clock::time_point told_at_{};
  bool status_waits_ = false;  // Its words are new, but come too soon after the last.
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Source> watch_kubernetes(KubeAccess access, KubeScope scope,
                                         const KubeTimes& times) {
  return std::make_unique<KubeWatch>(std::move(access), scope, times);
}

std::unique_ptr<Source> watch_kubernetes(KubeAccess access, KubeScope scope) {
  return watch_kubernetes(std::move(access), scope, KubeTimes{});
}

}  // namespace bd::source
