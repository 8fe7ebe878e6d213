#pragma once
// The controller's end of one feed socket: keeps one door at the newest state it was given.
//
// One batch is in flight at a time, and the next one is computed when it was acked: changes that
// come meanwhile melt into one difference, so a slow door costs neither memory nor stale steps.
// Endpoint changes go the same way, in the same order, without a comparison of whole tables.
//
// A Sender lives as long as its socket. When either end restarts, the supervisor hands out a new
// socket, and a new Sender replays everything.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "base/unique_fd.h"
#include "feed/frame.h"
#include "snapshot/snapshot.h"

namespace bd::pb {
class Answer;
class Frame;
}  // namespace bd::pb

namespace bd::feed {

class Sender {
 public:
  /// `socket` non-blocking; `epoch` of this controller process, not 0.
  Sender(UniqueFd socket, std::string exposure, std::uint64_t epoch);

  /// Brings the door to `door`. Writes what the socket takes; the rest waits for on_writable().
  void update(std::shared_ptr<const snapshot::Door> door, std::uint64_t generation);
  /// The same if `door` differs from the one given before in the endpoint lists of `upstreams`
  /// only.
  void update_endpoints(std::shared_ptr<const snapshot::Door> door, std::uint64_t generation,
                        std::span<const std::string> upstreams);

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  [[nodiscard]] bool wants_write() const noexcept { return sent_bytes_ < outbound_.size(); }
  /// False once the door is gone, broke the protocol or nacked: a new socket will come.
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }
  void on_writable();
  void on_readable();

  /// The last state that the door serves for sure; null and 0 before the first ack.
  [[nodiscard]] const std::shared_ptr<const snapshot::Door>& acked_door() const { return acked_; }
  [[nodiscard]] std::uint64_t acked_generation() const noexcept { return acked_generation_; }

  /// Why the door refused `generation`. It was not applied, and will be refused again.
  struct Refusal {
    std::uint64_t generation = 0;
    std::string object, reason;
  };
  [[nodiscard]] const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  void pump();
  bool flush();
  void enqueue_batch();
  void enqueue_units(const snapshot::Difference& what);
  void enqueue_tls(const snapshot::Difference& what);
  void enqueue_host(const snapshot::VirtualHostKey& key);
  [[nodiscard]] snapshot::Difference pending() const;
  bool enqueue(pb::Frame& frame);
  bool take_answer(const pb::Answer& answer);
  void close();

  UniqueFd socket_;
  std::string exposure_;
  std::uint64_t epoch_;
  std::uint64_t sequence_ = 0;

  std::shared_ptr<const snapshot::Door> target_, sent_, acked_;
  std::uint64_t target_generation_ = 0, sent_generation_ = 0, acked_generation_ = 0;
  bool whole_ = true;                ///< The next batch compares everything.
  std::set<std::string> endpoints_;  ///< Else just these lists.
  bool in_flight_ = false;           ///< sequence_ is of a Commit that was not answered.
  bool due_ = false;                 ///< target_ was not sent.

  std::string outbound_;
  std::size_t sent_bytes_ = 0;
  FrameReader answers_;
  std::optional<Refusal> refusal_;
};

}  // namespace bd::feed
