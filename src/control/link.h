#pragma once
// The controller's side of one door: its feed, its numbers, what it acknowledged, and what it must not get again.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "feed/sender.h"
#include "rt/reactor.h"
#include "snapshot/snapshot.h"
#include "telemetry/stats.h"

namespace bd::control {

class Link final : public rt::EventSink, private rt::Timer {
 public:
  /// `keep` gets every acknowledged state worth keeping, at most once a second.
  using Keep = std::function<void(const snapshot::Door&, std::uint64_t generation)>;
  Link(rt::Reactor& reactor, std::string door, std::uint64_t epoch, Keep keep);
  ~Link() = default;

  void attach(UniqueFd socket);
  void attach_stats(int memfd);
  /// Brings the door to this state, unless it is what killed it.
  void update(std::shared_ptr<const snapshot::Door> state, std::uint64_t generation);
  void update_endpoints(std::shared_ptr<const snapshot::Door> state, std::uint64_t generation,
                        std::span<const std::string> upstreams);
  void quarantine(std::uint64_t generation);

  [[nodiscard]] bool is_connected() const { return sender_ && sender_->is_open(); }
  [[nodiscard]] std::uint64_t acked_generation() const noexcept { return acked_generation_; }
  [[nodiscard]] std::uint64_t quarantined_generation() const noexcept { return quarantined_generation_; }
  [[nodiscard]] std::string refusal() const;
  [[nodiscard]] const telemetry::DoorStats* stats() const noexcept { return stats_; }

 private:
  void on_event() override;
  void on_timer() override { keep_now(); }
  void after_io();
  void keep_now();
  [[nodiscard]] bool is_held(const snapshot::Door& state) const;

  rt::Reactor& reactor_;
  std::string door_;
  std::uint64_t epoch_;
  Keep keep_;
  std::unique_ptr<feed::Sender> sender_;
  rt::Handle handle_;
  const telemetry::DoorStats* stats_ = nullptr;
  std::shared_ptr<const snapshot::Door> state_;   // The newest that was asked for.
  std::uint64_t generation_ = 0;
  std::shared_ptr<const snapshot::Door> poison_;  // What killed the door five times.
  std::uint64_t quarantined_generation_ = 0;
  std::uint64_t acked_generation_ = 0;
  std::uint64_t kept_generation_ = 0;
  rt::Instant kept_at_{};
};

}  // namespace bd::control
