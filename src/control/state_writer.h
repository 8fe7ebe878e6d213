#pragma once
// Brings the states of the doors to disk on a thread of its own: a disk that stands still, as the
// journal of a file system does while others sync theirs, holds up no change.
//
// Of each door only the newest state waits, and one write is under way at a time. So a file is
// behind its door by the write that is under way and never by a queue, and an older state never
// replaces a newer one.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace bd::control {

class StateWriter {
 public:
  /// Writes; 0 or errno. It may block for as long as it likes.
  using Write = std::function<int()>;
  /// Called on the writer's thread after every write, with the number that ask() gave it.
  using Report = std::function<void(const std::string& door, std::uint64_t number, int error)>;
  explicit StateWriter(Report report);
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;
  /// Waits until all is written, for as long as that takes. Whoever can't wait calls finish().
  ~StateWriter();

  /// Takes the place of what waits for this door. Never blocks. The number grows with each call,
  /// and what was replaced is not reported.
  std::uint64_t ask(const std::string& door, Write write);
  /// Waits until all is written. False: not within `limit`.
  [[nodiscard]] bool finish(std::chrono::milliseconds limit);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

}  // namespace bd::control
