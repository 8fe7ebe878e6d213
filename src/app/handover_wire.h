#pragma once
// What two supervisors of one network namespace say to each other when one hands its listening
// sockets to the other: records of one fixed size over an abstract SOCK_SEQPACKET socket
// (unix(7)). Read with nothing but range checks.
//
//   newcomer   claim…  ask                     alive…  ready
//   serving                 socket…  probes  all              yours     or, at any time, refused

#include <sys/types.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/upgrade_state.h"
#include "base/unique_fd.h"
#include "feed/record_socket.h"

namespace bd::app {

inline constexpr std::uint64_t kHandoverMagic = 0x626c617374686f76;
/// Of the layout and the steps below. A peer that speaks another one is told so, and refused.
inline constexpr std::uint32_t kHandoverVersion = 1;

enum class HandoverStep : std::uint32_t {
  // newcomer -> the one that serves
  claim = 1,  ///< `door`, `listener`, `address`: one of those that it is configured for.
  ask = 2,    ///< `count` claims were all.
  alive = 3,  ///< Once a second, until it is ready.
  ready = 4,  ///< Each of its doors has a complete table and accepts.
  // the one that serves -> newcomer
  socket = 10,   ///< fd: a listening socket of `listener` of `door`, one per worker.
  probes = 11,   ///< fd: the listening socket of the probes.
  all = 12,      ///< `count` descriptors were all.
  yours = 13,    ///< It accepts nothing more, and its doors finish what they have.
  refused = 14,  ///< `reason`: it goes on by itself.
};

/// Wire format: no pointers, no padding that is not named, texts NUL-terminated.
struct HandoverRecord {
  std::uint64_t magic = kHandoverMagic;
  std::uint32_t version = kHandoverVersion;
  HandoverStep step{};
  std::uint32_t count = 0;
  std::uint32_t unused = 0;
  StateText door{};
  StateText listener{};
  StateText address{};
  std::array<char, 256> reason{};
};

/// A reason that is too long is cut.
[[nodiscard]] HandoverRecord make_record(HandoverStep step, std::uint32_t count = 0,
                                         std::string_view reason = {});
[[nodiscard]] std::string_view reason_of(const HandoverRecord& record);
[[nodiscard]] feed::SendStatus send(int channel, const HandoverRecord& record, int fd = -1);

struct HandoverReceived {
  enum class Status : std::uint8_t { ok, again, closed, bad };
  Status status = Status::again;
  HandoverRecord record;
  UniqueFd fd;      ///< There if, and only if, the step has one.
  std::string why;  ///< What is bad.
};
/// Takes one record without waiting.
[[nodiscard]] HandoverReceived receive_handover(int channel);

/// One listener as both sides have to have it.
struct HandoverListener {
  std::string door, listener, address;
  auto operator<=>(const HandoverListener&) const = default;
};
/// Sorted.
[[nodiscard]] std::vector<HandoverListener> listeners_of(const State& state);
/// Where the two differ, in words; empty if they do not. Both sorted.
[[nodiscard]] std::string difference(const std::vector<HandoverListener>& serving,
                                     const std::vector<HandoverListener>& claimed);

/// The abstract socket of `name` (a DNS label); non-blocking, closed on exec; empty and errno on
/// failure: EADDRINUSE if another process has it, ECONNREFUSED if nobody has.
[[nodiscard]] UniqueFd listen_for_handover(const std::string& name);
[[nodiscard]] UniqueFd connect_for_handover(const std::string& name);
/// The user of the process at the other end when it connected, or listened (SO_PEERCRED, unix(7)).
[[nodiscard]] std::optional<uid_t> peer_user(int channel);

}  // namespace bd::app
