#pragma once
// One listening socket of one worker.

#include <cstddef>

#include "rt/reactor.h"

namespace bd::proxy {

class Worker;

class Acceptor final : public rt::EventSink, public rt::Timer {
 public:
  Acceptor(Worker& worker, std::size_t listener, int fd);
  ~Acceptor() = default;

  /// Takes connections until there are none, or no room; then tries again when there is room.
  void on_event() override { take(kTurn); }
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
  void on_timer() override { take(kTurn); }
  Worker& worker_;
  std::size_t listener_;
  int fd_;
  rt::Handle handle_;
  bool waiting_for_room_ = false;
};

}  // namespace bd::proxy
