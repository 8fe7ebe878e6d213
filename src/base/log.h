#pragma once
// The process log: one line per event on stderr, for people and for collectors. Not the access log.

#include <string_view>

namespace bd::log {

enum class Level { debug, info, warn, error };

/// Names the process ("controller", "door internal-http") in every line. Call once, before threads.
void init(std::string_view process, Level level);
/// The same, with a thread that writes: a stderr that nobody reads, or that is a file on a disk
/// which stands still, holds up nobody who logs. The oldest lines are lost when too many wait, and
/// the log says how many.
void init_queued(std::string_view process, Level level);
/// Writes what is queued, for as long as that takes; whoever logs after it writes. No other thread
/// may log meanwhile.
void finish();
void write(Level level, std::string_view message);

inline void debug(std::string_view message) {
  write(Level::debug, message);
}
inline void info(std::string_view message) {
  write(Level::info, message);
}
inline void warn(std::string_view message) {
  write(Level::warn, message);
}
inline void error(std::string_view message) {
  write(Level::error, message);
}

}  // namespace bd::log
