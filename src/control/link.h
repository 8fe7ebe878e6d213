#pragma once
// The controller's side of one door: its feed, its numbers, what it acknowledged, and what it must
// not get again.
//
// A state keeps the generation of its table while only its endpoints or certificates change. So
// deaths by one table add up however these move meanwhile, and the supervisor's last two snapshots
// are of two tables.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "feed/sender.h"
#include "rt/reactor.h"
#include "snapshot/snapshot.h"
#include "telemetry/stats.h"

namespace bd::control {

class Link final : public rt::EventSink, private rt::Timer {
 public:
  /// `keep` gets the acknowledged states: at once if routes, facts or certificates changed, since
  /// what was withdrawn must not come back with a restart; if only endpoints did, the newest once a
  /// second.
  using Keep = std::function<void(const snapshot::Door&, std::uint64_t generation)>;
  Link(rt::Reactor& reactor, std::string door, std::uint64_t epoch, Keep keep);
  ~Link() = default;

  /// A new feed. The door may have been restarted: everything is told again.
  void attach(UniqueFd socket);
  void attach_stats(int memfd);
  /// Brings the door to this state; to the one before, with the endpoints of this one, if this is
  /// what killed it.
  void update(std::shared_ptr<const snapshot::Door> state, std::uint64_t generation);
  /// The next update() is a state that was kept as `generation` by an earlier controller: a door
  /// that serves that one or a newer one keeps what it has.
  void recall(std::uint64_t generation) noexcept { recalled_ = generation; }
  /// The same if just the endpoints of `upstreams` differ.
  void update_endpoints(std::shared_ptr<const snapshot::Door> state,
                        std::span<const std::string> upstreams);
  /// The same if just certificates, bundles and ticket keys differ.
  void update_material(std::shared_ptr<const snapshot::Door> state);
  /// From now on a state with the hosts of that generation is held back. False: it is so long ago
  /// that it is not known any more, and that others have taken its place.
  bool quarantine(std::uint64_t generation);

  [[nodiscard]] bool is_connected() const { return sender_ && sender_->is_open(); }
  [[nodiscard]] std::uint64_t acked_generation() const noexcept { return acked_generation_; }
  /// 0: nothing is held back now.
  [[nodiscard]] std::uint64_t quarantined_generation() const noexcept { return held_; }
  /// Why the door refused the last change; empty: it did not.
  [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }
  [[nodiscard]] const telemetry::DoorStats* stats() const noexcept { return stats_; }

 private:
  struct State {
    std::shared_ptr<const snapshot::Door> door;
    std::uint64_t generation = 0;
  };
  static constexpr std::size_t kRecentKept = 4;
  static constexpr std::size_t kPoisonsKept = 4;

  void on_event() override;
  void on_timer() override { keep_now(); }
  void after_io();
  void take_ack();
  void keep_now();
  void judge();
  void refresh_fallback();
  void tell();
  [[nodiscard]] bool door_is_newer() const;

  rt::Reactor& reactor_;
  std::string door_;
  std::uint64_t epoch_;
  Keep keep_;
  std::unique_ptr<feed::Sender> sender_;
  rt::Handle handle_;
  const telemetry::DoorStats* stats_ = nullptr;
  State state_;                 // The newest that was asked for.
  std::uint64_t recalled_ = 0;  // Of the next update().
  std::uint64_t kept_as_ = 0;   // Of state_; 0: it was compiled by this controller.
  std::deque<State> recent_;    // What quarantine() may blame or go back to, the newest last.
  std::deque<State> poisons_;   // What killed the door five times each.
  std::uint64_t held_ = 0;      // The generation of the poison that state_ is; 0: it is none.
  State fallback_;              // What the door gets in its place, if there is anything.
  std::shared_ptr<const snapshot::Door> told_;  // What the sender was given last.
  std::string refusal_;
  std::shared_ptr<const snapshot::Door> acked_, kept_;
  std::uint64_t acked_generation_ = 0;
  rt::Instant kept_at_{};
};

}  // namespace bd::control
