#pragma once
// One listening socket of one worker.

#include <cstddef>

#include "base/unique_fd.h"
#include "rt/reactor.h"

namespace bd::proxy {

class Worker;

class Acceptor final : public rt::EventSink, public rt::Timer {
 public:
  Acceptor(Worker& worker, std::size_t listener, int fd);
  ~Acceptor() = default;

  /// Takes connections until there are none, or no room; then tries again when there is room.
  void on_event() override;
  /// Takes what the kernel has accepted already, then leaves the socket. (The supervisor refuses
  /// new handshakes before.)
  void drain();
  /// Leaves the socket at once: another process takes what waits there.
  void leave();
  /// A session ended: there may be room again.
  void room_again();

 private:
  static constexpr std::size_t kTurn = 256;  // Then the others have a turn.
  void take(std::size_t at_most);
  void on_timer() override;
  void pause(int error);
  void refuse_one();
  Worker& worker_;
  std::size_t listener_;
  int fd_;
  rt::Handle handle_;
  UniqueFd reserve_;  // Given up to refuse a client when there is no other descriptor left.
  bool waiting_for_room_ = false;
  bool paused_ = false;
};

}  // namespace bd::proxy
