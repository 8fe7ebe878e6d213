#pragma once
// What a supervisor leaves to the program that replaces it in the same process: the numbers of its
// descriptors and children, in a sealed memfd of one fixed size. Read with nothing but range
// checks.

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "model/limits.h"
#include "telemetry/stats.h"

namespace bd::app {

inline constexpr std::uint64_t kStateMagic = 0x626c617374646f72;
/// Of the layout below. A program that knows another one says so before it replaces anything.
inline constexpr std::uint32_t kStateVersion = 1;
/// Of one door: those that still finish what they had when the supervisor was replaced.
inline constexpr std::size_t kPredecessorsMax = 8;
inline constexpr std::size_t kSnapshotsKept = 2;

using StateText = std::array<char, 64>;  // NUL-terminated.

/// Listening sockets, one per worker.
struct StateListener {
  StateText name{};
  StateText address{};  ///< As configured.
  std::uint32_t count = 0;
  std::array<std::int32_t, telemetry::kWorkerSlots> sockets{};
};

/// A door's process. Descriptors of -1 are not there.
struct StateProcess {
  std::int32_t pid = -1;
  std::int32_t channel = -1;
  std::int32_t stats = -1;
  std::uint32_t retired = 0;    ///< It was told to end.
  std::int64_t kill_at_ms = 0;  ///< Monotonic clock, if retired.
};

struct StateSnapshot {
  std::int32_t memory = -1;
  std::uint32_t unused = 0;
  std::uint64_t generation = 0;
};

struct StateDoor {
  StateText name{};
  std::uint32_t listener_count = 0;
  std::uint32_t process_count = 0;
  std::uint32_t snapshot_count = 0;  ///< The newest first.
  std::uint32_t unused = 0;
  std::array<StateListener, model::kListenersPerDoorMax> listeners{};
  /// The one that serves first; its `pid` is -1 while there is none, and its statistics count.
  std::array<StateProcess, kPredecessorsMax> processes{};
  std::array<StateSnapshot, kSnapshotsKept> snapshots{};
};

struct State {
  std::uint64_t magic = kStateMagic;
  std::uint32_t version = kStateVersion;
  std::uint32_t door_count = 0;
  std::int32_t probes = -1;      ///< Listening socket.
  std::int32_t controller = -1;  ///< Process; its channel ends with the program.
  std::uint32_t controller_ready = 0;
  std::uint32_t unused = 0;
  std::array<StateDoor, model::kDoorsMax> doors{};
};

/// False if `text` does not fit.
[[nodiscard]] bool put_text(StateText& out, std::string_view text);
[[nodiscard]] std::string_view get_text(const StateText& text);

/// Sealed, closed on exec; empty and errno on failure.
[[nodiscard]] UniqueFd write_state(const State& state);
/// The state behind a descriptor, if it is whole, of our version, sealed, and counts nothing beyond
/// its tables; else why not.
[[nodiscard]] std::expected<std::unique_ptr<State>, std::string> read_state(int fd);

/// Every descriptor that a state names.
[[nodiscard]] std::vector<int> descriptors(const State& state);
/// Whether they live on over an exec.
void keep_over_exec(const std::vector<int>& descriptors, bool keep);

}  // namespace bd::app
