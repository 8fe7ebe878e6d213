#pragma once
// The two ends of a hand-over of listening sockets between process trees of one network namespace:
// the giver serves until the taker does. Neither ever waits for the other in its loop.
//
//   giver:  idle ── a newcomer connects ──> asked ── claims equal ──> sending ── all sent ──>
//           shared ── ready ──> ready ── give() ──> given
//           every arrow but the last two leads back to idle when the newcomer ends, is late,
//           or makes no sense: then all is as before.

#include <poll.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "app/handover_wire.h"
#include "app/supervisor_policy.h"

namespace bd::app {

class HandoverGiver {
 public:
  /// From the connection to the last socket.
  static constexpr std::chrono::seconds kAskMax{5};
  /// A newcomer that holds the sockets, and the probes', says once a second that it lives.
  static constexpr std::chrono::seconds kSilenceMax{5};
  /// Until a newcomer is ready: its controller has to read everything first.
  static constexpr std::chrono::seconds kReadyMax{60};
  /// How long nobody may be there after the end of the one that took over.
  static constexpr std::chrono::seconds kOrphanMax{5};
  /// Lines in the log about strangers: one in this time.
  static constexpr std::chrono::seconds kStrangerEvery{10};

  /// Only processes of `user` are talked to.
  explicit HandoverGiver(std::string name, uid_t user = ::geteuid())
      : name_(std::move(name)), user_(user) {}

  /// Takes the name. False and errno on failure.
  [[nodiscard]] bool open();
  [[nodiscard]] bool is_open() const { return static_cast<bool>(listener_); }
  void add_to(std::vector<pollfd>& polled) const;

  /// Fills in what there is to hand over, its descriptors stay the caller's; or says why not.
  using Source = std::function<std::string(State&)>;
  /// After every poll(), and at least once a second.
  void tick(TimePoint now, const Source& source);

  [[nodiscard]] bool is_busy() const { return phase_ != Phase::idle; }
  /// A newcomer has all sockets, or will have at once. It answers the probes.
  [[nodiscard]] bool is_shared() const { return phase_ == Phase::shared || phase_ == Phase::ready; }
  [[nodiscard]] bool is_ready() const { return phase_ == Phase::ready; }
  /// Only if is_shared(): the newcomer is told that all is its own, and the name is free.
  void give();
  /// Nobody is told or asked any more.
  void close();
  /// After give(): who took over is gone, and no other serves under the name since kOrphanMax.
  [[nodiscard]] bool is_orphaned(TimePoint now);

 private:
  enum class Phase : std::uint8_t { idle, asked, sending, shared, ready, given };
  struct Pending {
    HandoverRecord record;
    UniqueFd fd;
  };
  void accept_newcomers(TimePoint now, const Source& source);
  void welcome(TimePoint now, UniqueFd newcomer);
  void progress(TimePoint now, const Source& source);
  void take(TimePoint now, const HandoverRecord& record, const Source& source);
  void answer(const Source& source);
  void queue(const State& state);
  void send_pending(TimePoint now);
  void refuse(const std::string& why);
  void forget();

  std::string name_;
  uid_t user_;
  Phase phase_ = Phase::idle;
  UniqueFd listener_, peer_;
  std::vector<HandoverListener> claims_;
  std::deque<Pending> pending_;
  TimePoint deadline_{}, heard_at_{}, stranger_at_{}, seen_at_{}, look_at_{};
};

class HandoverTaker {
 public:
  /// For the sockets, at the start; and for the last word, after `ready`.
  static constexpr std::chrono::seconds kAnswerMax{5};
  /// A process that dies closes its connections and its name one after the other.
  static constexpr std::chrono::seconds kDeathMax{2};

  explicit HandoverTaker(std::string name, uid_t user = ::geteuid())
      : name_(std::move(name)), user_(user) {}

  enum class Answer : std::uint8_t { nobody, refused, taken };
  /// Asks whoever serves for the sockets of the doors and listeners that `state` names, and puts
  /// them, and the probes', there: they are the caller's then. Waits for at most kAnswerMax: it is
  /// for a process that has no loop yet. `why` it is refused.
  [[nodiscard]] Answer ask(State& state, std::string& why);

  /// -1: nothing to wait for.
  [[nodiscard]] int channel() const { return waits_ ? channel_.get() : -1; }
  enum class Outcome : std::uint8_t { waiting, yours, lost };
  /// After ask(), in the loop, at least once a second. `ready`: every door serves. `why` it is
  /// lost: the sockets are still the other's, and may not be touched.
  [[nodiscard]] Outcome tick(TimePoint now, bool ready, std::string& why);

 private:
  bool claim(const State& state, TimePoint deadline) const;
  bool collect(State& state, TimePoint deadline, std::string& why);
  void speak(TimePoint now, bool ready);
  [[nodiscard]] Outcome listen(TimePoint now, std::string& why);
  [[nodiscard]] Outcome look_for_giver(TimePoint now, std::string& why) const;

  std::string name_;
  uid_t user_;
  UniqueFd channel_;  // Open for life: the giver sees our end by it.
  bool waits_ = false, said_ready_ = false, broke_off_ = false;
  TimePoint alive_at_{}, ready_at_{}, broke_off_at_{};
};

/// True if a process of `user` listens under `name`.
[[nodiscard]] bool somebody_serves(const std::string& name, uid_t user);

}  // namespace bd::app
