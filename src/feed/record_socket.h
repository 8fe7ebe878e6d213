#pragma once
// One record over a SOCK_SEQPACKET socket, with at most one descriptor: the frame below the
// protocols of the supervisor. It knows no contents.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/unique_fd.h"

namespace bd::feed {

enum class SendStatus : std::uint8_t { ok, full, closed };
/// Sends `record` as one, without waiting; `fd` of -1: no descriptor goes along.
[[nodiscard]] SendStatus send_record(int channel, std::span<const std::byte> record, int fd);

enum class ReceiveStatus : std::uint8_t { ok, again, dropped, closed };
struct RawRecord {
  std::size_t bytes = 0;  ///< What of the buffer is filled.
  UniqueFd fd;
};
/// Takes one record into `buffer` without waiting. `dropped`: it was longer than that, or had more
/// than one descriptor; it is gone, its descriptors are closed.
[[nodiscard]] ReceiveStatus receive_record(int channel, std::span<std::byte> buffer,
                                           RawRecord& out);

}  // namespace bd::feed
