#pragma once
// Listening sockets: bound exclusively first, so that a second process on the port is an error and
// never a silent sharing, then one SO_REUSEPORT socket per worker.

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/unique_fd.h"

namespace bd::app {

/// What waits in the kernel while a door restarts; net.core.somaxconn may cut it.
inline constexpr int kListenBacklog = 4096;

/// `count` listening sockets on one address, non-blocking, closed on exec, with TCP_NODELAY for
/// what they accept. A port of 0 is chosen by the kernel, the same for all. The error names the
/// address and the reason.
[[nodiscard]] std::expected<std::vector<UniqueFd>, std::string> listen_on(
    const SocketAddress& address, unsigned count);

/// Lets no new connection begin on a listening socket; handshakes that have begun complete, and
/// what waits can be accepted. Closing a socket resets both, so this comes first: for every holder
/// of the socket, at once.
void unlisten(int fd);
/// After this the handshakes that had begun are over: the peer is a balancer nearby.
inline constexpr std::chrono::milliseconds kHandshakeMax{100};

[[nodiscard]] bool is_listening(int fd);
/// The address that a socket is bound to.
[[nodiscard]] SocketAddress local_address(int fd);

}  // namespace bd::app
