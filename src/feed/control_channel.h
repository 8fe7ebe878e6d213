#pragma once
// The protocol between supervisor and controller, and between supervisor and doors: records over
// SOCK_SEQPACKET, each with at most one descriptor. Bounded, versioned, and read with nothing but
// range checks: the supervisor parses nothing.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/unique_fd.h"
#include "feed/record_socket.h"
#include "model/limits.h"

namespace bd::feed {

enum class Record : std::uint32_t {
  // supervisor -> controller
  stats = 1,        ///< fd: the stats memfd of `door`. Sent before the door's first feed socket.
  feed_socket = 2,  ///< fd: our end of a new feed of `door`; it replaces the one before.
  quarantine = 3,   ///< `door` keeps dying of `generation`: do not send it again.
  door_gone = 4,    ///< `door` is no more, after drop_door, or was refused by want_door.
  // controller -> supervisor
  want_door = 10,  ///< `door` with `listeners`; allowed only as the supervisor's own file allows.
  drop_door = 11,
  snapshot = 12,  ///< fd: sealed memfd of `door`'s state at `generation`, acked by the door.
  /// From now on what is fed to the doors is complete: every source has delivered once, or the last
  /// good snapshot was read from disk.
  controller_ready = 13,
  // supervisor -> door
  door_feed = 20,    ///< fd: the door's end of a new feed; it replaces the one before.
  fail_probes = 21,  ///< Health probes fail from now on, requests are served as before.
  drain = 22,        ///< Drain now; end after `milliseconds` at the latest.
  /// The same, and another process serves the listening sockets by now: accept nothing more.
  retire = 23,
  // door -> supervisor
  door_started = 30,  ///< Sandboxed and accepting.
  door_drained = 31,  ///< Nothing in flight any more; it exits.
  feed_lost = 32,     ///< The feed ended or was refused: another one, please.
};

/// Wire format: no pointers, no padding that is not named, texts NUL-terminated.
struct ListenerSpec {
  std::array<char, 64> name{};
  std::array<char, 64> address{};  ///< SocketAddress text.
};

struct Message {
  std::uint32_t version = 1;
  Record record{};
  std::array<char, 64> door{};  ///< Exposure name.
  std::uint64_t generation = 0;
  std::uint32_t milliseconds = 0;
  std::uint32_t listener_count = 0;
  std::array<ListenerSpec, model::kListenersPerDoorMax> listeners{};  ///< Only those in use travel.

  /// `door` longer than 63 bytes is cut: names of exposures are at most 63 bytes.
  static Message make(Record record, std::string_view door);
  [[nodiscard]] std::string_view door_name() const;
  /// False if there are too many or the name is too long.
  bool add_listener(std::string_view name, const SocketAddress& address);
  /// Nothing if the address does not parse or `index` is not one of them.
  struct Listener {
    std::string_view name;
    SocketAddress address;
  };
  [[nodiscard]] std::optional<Listener> listener(std::size_t index) const;
};

struct Received {
  Message message;
  UniqueFd fd;
};

struct ChannelPair {
  UniqueFd supervisor, child;
};
/// Both ends non-blocking and closed on exec; empty and errno on failure.
[[nodiscard]] ChannelPair make_channel();
/// The same for a feed: a stream.
[[nodiscard]] ChannelPair make_feed_sockets();

/// Sends one record; false if the peer is gone or its queue is full for longer than a second.
[[nodiscard]] bool send(int channel, const Message& message, int fd = -1);

/// Takes one record without waiting. `dropped`: a record of a wrong size, version or kind, with an
/// unterminated text, or with more than one descriptor; it is gone, its descriptors are closed, the
/// next may be good.
[[nodiscard]] ReceiveStatus receive(int channel, Received& out);

}  // namespace bd::feed
