#include "feed/record_socket.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bd::feed {
namespace {

// One more than a record may carry, so that a surplus descriptor is seen, and closed.
constexpr std::size_t kDescriptorsRead = 2;

bool is_full(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

/// Takes every descriptor that came along; true if it was at most one.
bool take_descriptors(msghdr& header, UniqueFd& out) {
  std::size_t count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t bytes = part->cmsg_len - CMSG_LEN(0);
    for (std::size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int), ++count) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
      out.reset(fd);
    }
  }
  if (count <= 1 && (header.msg_flags & MSG_CTRUNC) == 0) return true;
  out.reset();
  return false;
}

}  // namespace

SendStatus send_record(int channel, std::span<const std::byte> record, int fd) {
  iovec bytes{const_cast<std::byte*>(record.data()), record.size()};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (fd >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  while (::sendmsg(channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return is_full(errno) ? SendStatus::full : SendStatus::closed;
  }
  return SendStatus::ok;
}

ReceiveStatus receive_record(int channel, std::span<std::byte> buffer, RawRecord& out) {
  out = {};
  iovec bytes{buffer.data(), buffer.size()};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptorsRead * sizeof(int))> control{};
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = 0;
  bool reset = false;
  do {
    got = ::recvmsg(channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // A peer that closes without having read all resets the channel. The kernel says so once,
    // before what the peer had sent.
  } while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))));
  if (got < 0) return is_full(errno) ? ReceiveStatus::again : ReceiveStatus::closed;
  const bool few = take_descriptors(header, out.fd);
  if (got == 0) return ReceiveStatus::closed;
  if (!few || (header.msg_flags & MSG_TRUNC) != 0) {
    out = {};
    return ReceiveStatus::dropped;
  }
  out.bytes = static_cast<std::size_t>(got);
  return ReceiveStatus::ok;
}

}  // namespace bd::feed
