#include "net/stream.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bd::net {
namespace {

SocketAddress from_kernel(const sockaddr_storage& in) noexcept {
  if (in.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&in);
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &v4->sin_addr, 4);
    return {IpAddress::v4(bytes), ntohs(v4->sin_port)};
  }
  if (in.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&in);
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &v6->sin6_addr, 16);
    return {IpAddress::v6(bytes), ntohs(v6->sin6_port)};
  }
  return {};
}

void no_delay(int fd) noexcept {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

socklen_t to_kernel(const SocketAddress& address, sockaddr_storage& out) noexcept {
  std::memset(&out, 0, sizeof out);
  const auto& bytes = address.ip.bytes();
  if (address.ip.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    std::memcpy(&v4->sin_addr, bytes.data(), 4);
    return sizeof *v4;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(address.port);
  std::memcpy(&v6->sin6_addr, bytes.data(), 16);
  return sizeof *v6;
}

bool Stream::open(rt::Reactor& reactor, UniqueFd fd) {
  fd_ = std::move(fd);
  if (handle_.attach(reactor, fd_.get())) return true;
  fd_.reset();
  return false;
}

bool Stream::connect(rt::Reactor& reactor, const SocketAddress& to) {
  const int family = to.ip.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return false;
  no_delay(fd.get());
  sockaddr_storage address;
  const socklen_t size = to_kernel(to, address);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 && errno != EINPROGRESS)
    return false;
  if (!open(reactor, std::move(fd))) return false;
  handle_.writable = false;
  handle_.readable = false;
  return true;
}

int Stream::connect_error() noexcept {
  if (!handle_.writable) return EINPROGRESS;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

namespace {

IoResult from_tls(tls::Session::Moved moved) noexcept {
  switch (moved.status) {
    case tls::Session::Status::ok:
      return {Io::ok, moved.bytes};
    case tls::Session::Status::again:
      return {Io::again, 0};
    case tls::Session::Status::end:
      return {Io::end, 0};
    case tls::Session::Status::error:
      break;
  }
  return {Io::error, 0};
}

tls::Wire::Moved to_tls(IoResult moved) noexcept {
  switch (moved.status) {
    case Io::ok:
      return {tls::Wire::Status::ok, moved.bytes};
    case Io::again:
      return {tls::Wire::Status::again, 0};
    case Io::end:
      return {tls::Wire::Status::end, 0};
    case Io::error:
      break;
  }
  return {tls::Wire::Status::error, 0};
}

}  // namespace

IoResult Stream::read(std::span<char> into) {
  return tls_ ? from_tls(tls_->read(into)) : read_plain(into);
}

IoResult Stream::write(std::span<const iovec> from) {
  return tls_ ? from_tls(tls_->write(from)) : write_plain(from);
}

IoResult Stream::peek(std::span<char> into) noexcept {
  const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), MSG_PEEK);
  if (got > 0) return {Io::ok, static_cast<std::size_t>(got)};
  if (got == 0) return {Io::end, 0};
  return {errno == EAGAIN || errno == EINTR ? Io::again : Io::error, 0};
}

tls::Wire::Moved Stream::receive(std::span<char> into) {
  // A short read said that there is no more: the next event says when there is.
  if (!handle_.readable) return {Status::again, 0};
  return to_tls(read_plain(into));
}

tls::Wire::Moved Stream::send(std::string_view from) {
  if (!handle_.writable) return {Status::again, 0};
  const iovec part{const_cast<char*>(from.data()), from.size()};
  return to_tls(write_plain({&part, 1}));
}

IoResult Stream::read_plain(std::span<char> into) noexcept {
  const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), 0);
  if (got > 0) {
    const auto bytes = static_cast<std::size_t>(got);
    if (bytes < into.size() && !handle_.peer_closed) handle_.readable = false;
    return {Io::ok, bytes};
  }
  if (got == 0) return {Io::end, 0};
  if (errno == EAGAIN || errno == EINTR) {
    handle_.readable = false;
    return {Io::again, 0};
  }
  return {Io::error, 0};
}

IoResult Stream::write_plain(std::span<const iovec> from) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = from.size();
  const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  if (sent >= 0) {
    std::size_t wanted = 0;
    for (const iovec& part : from) wanted += part.iov_len;
    if (static_cast<std::size_t>(sent) < wanted) handle_.writable = false;
    return {Io::ok, static_cast<std::size_t>(sent)};
  }
  if (errno == EAGAIN || errno == EINTR) {
    handle_.writable = false;
    return {Io::again, 0};
  }
  return {Io::error, 0};
}

void Stream::close() noexcept {
  if (tls_ && fd_ && !handle_.broken) tls_->close();
  tls_.reset();
  handle_.abandon();
  fd_.reset();
}

void Stream::reset() noexcept {
  if (fd_) {
    const linger now{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  tls_.reset();  // No farewell: the peer must not take what it has for all there was.
  close();
}

void Stream::shutdown_write() noexcept {
  if (tls_) tls_->close();
  ::shutdown(fd_.get(), SHUT_WR);
}

SocketAddress peer_address(int fd) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return from_kernel(address);
}

SocketAddress local_address(int fd) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return from_kernel(address);
}

Accepted accept(int listener) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int fd =
      accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return {UniqueFd{}, {}, errno};
  return {UniqueFd(fd), from_kernel(address), 0};
}

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> out;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return out;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage address{};
    std::memcpy(&address, entry->ifa_addr,
                family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    out.push_back(from_kernel(address).ip);
  }
  freeifaddrs(list);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace bd::net
