// The floor: a relay that knows nothing of HTTP. Each connection of a client has one of its own to
// the upstream, and bytes go from one to the other as they come. What it costs is what any proxy
// over the kernel's sockets must spend on the same requests.
//
//   relay ADDRESS PORT UPSTREAM_ADDRESS UPSTREAM_PORT

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "listen.h"

namespace {

/// One end; its partner is the other one.
struct End {
  int fd = -1;
  End* partner = nullptr;
  std::string waiting = {};  // For this end, which took no more.
};

class Relay {
 public:
  Relay(int listener, sockaddr_in upstream) : listener_(listener), upstream_(upstream) {
    watch(listener_, nullptr, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      const int ready = ::epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < ready; ++i) {
        auto* const end = static_cast<End*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (end == nullptr) {
          accept_all();
        } else if (end->fd >= 0 && !(flush(*end) && move(*end))) {
          close(*end);
        }
      }
      for (End* const gone : gone_) {
        delete gone->partner;
        delete gone;
      }
      gone_.clear();
    }
  }

 private:
  void watch(int fd, End* end, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = end;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int other = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      const auto* const to = reinterpret_cast<const sockaddr*>(&upstream_);
      if (::connect(other, to, sizeof upstream_) != 0 && errno != EINPROGRESS) die("connect");
      auto* const client = new End{.fd = fd};
      auto* const upstream = new End{.fd = other, .partner = client};
      client->partner = upstream;
      for (End* const end : {client, upstream}) {
        const int on = 1;
        ::setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(end->fd, end, EPOLLIN | EPOLLOUT | EPOLLET);
      }
    }
  }

  /// What waits for an end goes first, and its partner is read again when all of it is gone.
  bool flush(End& end) {
    if (end.waiting.empty()) return true;
    const std::string held = std::move(end.waiting);
    end.waiting.clear();
    if (!put(end, held)) return false;
    return !end.waiting.empty() || move(*end.partner);
  }

  /// From an end to its partner, until there is no more or it takes no more. False: it is over.
  bool move(End& from) {
    while (from.partner->waiting.empty()) {
      const ssize_t got = ::recv(from.fd, buffer_.data(), buffer_.size(), 0);
      if (got < 0) return errno == EAGAIN || errno == ENOTCONN;
      if (got == 0) return false;
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
      if (!put(*from.partner, bytes)) return false;
      if (bytes.size() < buffer_.size()) return true;
    }
    return true;
  }

  static bool put(End& to, std::string_view bytes) {
    const ssize_t sent = ::send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != ENOTCONN) return false;
    const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    if (done < bytes.size()) to.waiting.assign(bytes.substr(done));
    return true;
  }

  void close(End& end) {
    for (End* const one : {&end, end.partner}) {
      ::close(one->fd);
      one->fd = -1;
    }
    gone_.push_back(&end);
  }

  int listener_;
  sockaddr_in upstream_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::array<char, 65536> buffer_{};  // One, which stays in the cache.
  std::vector<End*> gone_;            // Freed when no event can name them any more.
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: relay ADDRESS PORT UPSTREAM_ADDRESS UPSTREAM_PORT\n", stderr);
    return 2;
  }
  allow_files();
  Relay(listen_on(argv[1], argv[2]), address_of(argv[3], argv[4])).run();
}
