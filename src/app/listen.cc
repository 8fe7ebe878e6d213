#include "app/listen.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace bd::app {
namespace {

struct KernelAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

KernelAddress to_kernel(const SocketAddress& address) {
  KernelAddress out;
  const auto& bytes = address.ip.bytes();
  if (address.ip.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, bytes.data(), 4);
    out.size = sizeof(sockaddr_in);
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, bytes.data(), 16);
    out.size = sizeof(sockaddr_in6);
  }
  return out;
}

bool set_option(const UniqueFd& fd, int level, int option) {
  const int on = 1;
  return ::setsockopt(fd.get(), level, option, &on, sizeof on) == 0;
}

/// Bound, not yet listening. Empty and errno on failure.
UniqueFd bind_to(const SocketAddress& address, bool shared) {
  const int family = address.ip.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // SO_REUSEADDR forgives the closed connections of an earlier run, not a socket that listens.
  bool good = fd && set_option(fd, SOL_SOCKET, SO_REUSEADDR) &&
              set_option(fd, IPPROTO_TCP, TCP_NODELAY) &&
              (!shared || set_option(fd, SOL_SOCKET, SO_REUSEPORT));
  KernelAddress kernel = to_kernel(address);
  good = good && ::bind(fd.get(), kernel.get(), kernel.size) == 0;
  return good ? std::move(fd) : UniqueFd();
}

std::string explain(const SocketAddress& address, int error) {
  const char* reason = error == EADDRINUSE ? "another process listens there (a second Blastdoor?)"
                                           : std::strerror(error);
  return fmt::format("cannot listen on {}: {}", address.text(), reason);
}

}  // namespace

std::expected<std::vector<UniqueFd>, std::string> listen_on(const SocketAddress& address,
                                                            unsigned count) {
  std::vector<UniqueFd> out;
  // Exclusively, and listening: of two processes that race for the port, listen() lets one through.
  // Only then may the port be shared, and from then on another's exclusive bind fails on ours.
  UniqueFd first = bind_to(address, false);
  if (!first || ::listen(first.get(), kListenBacklog) != 0 ||
      !set_option(first, SOL_SOCKET, SO_REUSEPORT)) {
    return std::unexpected(explain(address, errno));
  }
  const SocketAddress bound = local_address(first.get());
  out.push_back(std::move(first));
  while (out.size() < count) {
    UniqueFd next = bind_to(bound, true);
    if (!next || ::listen(next.get(), kListenBacklog) != 0) {
      return std::unexpected(explain(bound, errno));
    }
    out.push_back(std::move(next));
  }
  return out;
}

void unlisten(int fd) {
  // Seen from the TCP header: a segment with SYN is dropped. Its sender tries again in a second,
  // and finds the port closed.
  constexpr std::uint32_t kFlagsAt = 13, kSyn = 2, kDrop = 0, kPass = 0xffffffff;
  std::array<sock_filter, 4> code = {{{BPF_LD | BPF_B | BPF_ABS, 0, 0, kFlagsAt},
                                      {BPF_JMP | BPF_JSET | BPF_K, 0, 1, kSyn},
                                      {BPF_RET | BPF_K, 0, 0, kDrop},
                                      {BPF_RET | BPF_K, 0, 0, kPass}}};
  const sock_fprog program{code.size(), code.data()};
  // Without it a few connections are reset, as with any other server.
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

bool is_listening(int fd) {
  int on = 0;
  socklen_t size = sizeof on;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on == 1;
}

SocketAddress local_address(int fd) {
  KernelAddress kernel;
  if (::getsockname(fd, kernel.get(), &kernel.size) != 0) return {};
  if (kernel.storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(kernel.storage);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return {IpAddress::v4(bytes), ntohs(v4.sin_port)};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(kernel.storage);
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return {IpAddress::v6(bytes), ntohs(v6.sin6_port)};
}

}  // namespace bd::app
