#pragma once
// The door's end of the feed: bytes in, whole states of this door out, answers back. No I/O.
//
// What was committed stays served whatever comes: a batch changes a copy, and becomes a state only
// at its Commit. A new socket replays into an empty state, so that what is not named any more is
// gone when the replay is complete, and not a moment earlier. Anything that is not as feed.proto
// says is nacked, with object and reason, and ends the feed; the door asks for another one.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "feed/frame.h"
#include "snapshot/snapshot.h"
#include "telemetry/stats.h"

namespace bd::pb {
class Answer;
class Frame;
class PutHost;
}  // namespace bd::pb

namespace bd::feed {

class Receiver {
 public:
  /// `stats`: where receiving_generation is noted before a batch is looked at; may be null.
  explicit Receiver(std::string exposure, telemetry::DoorStats* stats = nullptr);

  /// What is served already, from a snapshot. Units that a replay does not change keep its
  /// pointers.
  void start_from(std::shared_ptr<const snapshot::Door> door) { committed_ = std::move(door); }
  /// A new socket: whatever was half done is forgotten.
  void connected();

  /// Takes bytes. False if the feed has failed: write outbound() and close.
  [[nodiscard]] bool receive(std::string_view bytes);

  /// A state to serve. The same pointer as before if only the generation is new.
  struct Update {
    std::shared_ptr<const snapshot::Door> door;
    std::uint64_t generation = 0;
    std::uint64_t sequence = 0;
  };
  /// The newest state since the last call.
  [[nodiscard]] std::optional<Update> take_update() { return std::exchange(update_, std::nullopt); }
  /// The update is served by every worker.
  void acknowledge(const Update& update);

  [[nodiscard]] std::string_view outbound() const noexcept { return outbound_; }
  void sent(std::size_t bytes) { outbound_.erase(0, bytes); }

 private:
  struct Failure {
    std::string object, reason;
  };
  using Step = std::optional<Failure>;  // Nothing: go on.

  [[nodiscard]] Step take_bytes(std::string_view bytes);
  [[nodiscard]] Step take_frame(const pb::Frame& frame);
  [[nodiscard]] Step take_unit(const pb::Frame& frame);
  [[nodiscard]] Step begin(const pb::Frame& frame);
  [[nodiscard]] Step put_exposure(const pb::Frame& frame);
  [[nodiscard]] Step put_denied(const pb::Frame& frame);
  [[nodiscard]] Step put_host(const pb::PutHost& message);
  [[nodiscard]] Step drop_host(const pb::Frame& frame);
  [[nodiscard]] Step put_upstream(const pb::Frame& frame);
  [[nodiscard]] Step drop_upstream(const pb::Frame& frame);
  [[nodiscard]] Step put_endpoints(const pb::Frame& frame);
  [[nodiscard]] Step put_certificate(const pb::Frame& frame);
  [[nodiscard]] Step put_served(const pb::Frame& frame);
  [[nodiscard]] Step put_bundle(const pb::Frame& frame);
  [[nodiscard]] Step put_ticket_keys(const pb::Frame& frame);
  template <class Unit>
  [[nodiscard]] Step drop_tls_unit(std::map<std::string, Unit>& units, std::string_view kind,
                                   const std::string& name);
  [[nodiscard]] Step commit(const pb::Frame& frame);
  [[nodiscard]] Step check_references() const;
  void answer(pb::Answer& answer);

  std::string exposure_;
  telemetry::DoorStats* stats_;
  FrameReader reader_;
  std::string outbound_;
  std::optional<Update> update_;

  std::shared_ptr<const snapshot::Door> committed_;
  snapshot::Door building_;
  std::uint64_t epoch_ = 0;  ///< 0: no Begin yet.
  std::uint64_t sequence_ = 0;
  bool synced_ = false;      ///< SyncComplete was seen: building_ is whole.
  bool changed_ = false;     ///< building_ differs from committed_,
  bool references_ = false;  ///< also in who refers to whom.
  bool failed_ = false;
};

}  // namespace bd::feed
