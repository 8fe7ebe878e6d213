// The thread that keeps a folder of manifests read: it looks when the kernel says that something
// changed, when a pause that it granted is over, and now and then anyway.

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "source/folder_events.h"
#include "source/manifest_folder.h"
#include "source/source.h"

namespace bd::source {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// Without an event: for network file systems and links whose target lies elsewhere. A look costs
/// one stat() per file.
constexpr auto kLookInterval = 1s;
/// The same where the kernel gives us no events at all.
constexpr auto kLookIntervalBlind = 200ms;
/// An event is queued just after the change that it tells of: a text is believed only if this time
/// brought none for it. What comes later still is what ManifestFolder::must_wait() is for.
constexpr auto kSettle = 2ms;

class ManifestWatch final : public Source {
 public:
  ManifestWatch(std::string directory, bool allow_loopback)
      : folder_(std::move(directory), allow_loopback),
        events_(folder_.directory()),
        stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  ~ManifestWatch() override {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
    thread_.join();
  }

  [[nodiscard]] const std::string& name() const override { return folder_.name(); }

  void start(Sink sink) override {
    sink_ = std::move(sink);
    thread_ = std::thread([this] { run(); });
  }

 private:
  void run() {
    Clock::time_point look_at = Clock::now();
    bool due = true;
    while (true) {
      if (due || Clock::now() >= look_at) {
        const bool again = look();
        look_at = again ? Clock::now() : Clock::now() + interval();
        due = again;
      }
      if (!due && !wait(look_at)) return;
      const Clock::time_point now = Clock::now();
      due |= events_.drain(now);
      due |= events_.give_up_waiting(now);
      const auto expiry = folder_.next_expiry();
      due |= expiry && now >= *expiry;
    }
  }

  /// False if the source is to stop.
  bool wait(Clock::time_point until) {
    if (const auto expiry = folder_.next_expiry()) until = std::min(until, *expiry);
    if (const auto expiry = events_.next_expiry()) until = std::min(until, *expiry);
    const auto pause = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    return poll_events(std::max(pause, 0ms));
  }

  bool poll_events(std::chrono::milliseconds pause) {
    pollfd files[] = {{stop_.get(), POLLIN, 0}, {events_.fd(), POLLIN, 0}};
    ::poll(files, 2, static_cast<int>(pause.count()));
    return files[0].revents == 0;
  }

  [[nodiscard]] std::chrono::milliseconds interval() const {
    return events_.problem().empty() ? kLookInterval : kLookIntervalBlind;
  }

  /// True if it must look again, as a new folder may have changed before it was watched.
  bool look() {
    const Listing listing = list_manifests(folder_.directory());
    const bool again = events_.watch(listing.folders);
    std::vector<ManifestFolder::FileText> changes =
        folder_.read_changes(listing, events_.take_complete());
    bool changed_since = false;
    if (!changes.empty()) {
      poll_events(kSettle);
      changed_since = events_.drain(Clock::now());
      std::erase_if(changes, [&](const auto& change) { return events_.may_be_torn(change.path); });
    }
    const Clock::time_point now = Clock::now();
    folder_.believe(changes, now, interval());
    const bool changed = folder_.apply(listing, std::move(changes), now);
    tell(changed);
    return again || changed_since;
  }

  void tell(bool changed) {
    Status status{folder_.problem().empty(), folder_.problem()};
    if (!status.healthy) {
      status.message = fmt::format("{}: {}", folder_.directory(), folder_.problem());
    } else if (!events_.problem().empty()) {
      status.message =
          fmt::format("looking every {} ms ({})", interval().count(), events_.problem());
    }
    if (!told_ || status.healthy != told_->healthy || status.message != told_->message) {
      sink_(name(), status);
    }
    if (!told_ || changed) {
      sink_(name(), Replace{std::make_shared<kube::SourceObjects>(folder_.objects())});
    }
    told_ = std::move(status);
  }

  ManifestFolder folder_;
  FolderEvents events_;
  UniqueFd stop_;
  Sink sink_;
  std::optional<Status> told_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Source> watch_manifests(std::string directory, bool allow_loopback) {
  return std::make_unique<ManifestWatch>(std::move(directory), allow_loopback);
}

kube::SourceObjects read_manifests(const std::string& directory, bool allow_loopback) {
  ManifestFolder folder(directory, allow_loopback);
  const Listing listing = list_manifests(folder.directory());
  folder.apply(listing, folder.read_changes(listing, {}), ManifestFolder::Clock::now());
  return folder.objects();
}

}  // namespace bd::source
