// A backend that costs next to nothing: what a proxy is measured against shares a core with the
// load generator. It answers every request with 200 and as many bytes as `bytes=N` in the target
// says (128 without), reads bodies by Content-Length and keeps connections open. A WebSocket it
// opens too, for a client whose key is that of RFC 6455's example, and echoes its frames. It trusts
// its peer.
//
//   upstream ADDRESS PORT COUNTER
//
// COUNTER is a file of eight bytes: how many bytes of responses, or of echoed frames, were sent so
// far. Divided by the size of one response it is the number of requests, at any moment and in parts
// of a request too.

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "listen.h"

namespace {

constexpr std::size_t kBodyMax = 16 << 20;
constexpr std::size_t kDefaultBody = 128;
constexpr std::string_view kSwitch =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

struct Connection {
  int fd = -1;
  std::string head;           // What came of a request head that is not complete.
  std::size_t body_left = 0;  // Of the request.
  bool answering = false;
  bool tunnel = false;  // A WebSocket: `head` is what came of a frame that is not complete.
  const std::string* response = nullptr;
  std::size_t sent = 0;
};

/// The whole response for each size, made once.
const std::string& response_of(std::size_t body) {
  static std::map<std::size_t, std::string> made;
  std::string& out = made[body];
  if (out.empty()) {
    out = "HTTP/1.1 200 OK\r\nServer: upstream\r\nContent-Type: text/plain\r\nContent-Length: " +
          std::to_string(body) + "\r\n\r\n" + std::string(body, 'x');
  }
  return out;
}

std::size_t number_after(std::string_view text, std::string_view key, std::size_t otherwise) {
  const auto at = std::search(text.begin(), text.end(), key.begin(), key.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b;
  });
  if (at == text.end()) return otherwise;
  std::size_t number = otherwise;
  const char* const first = text.data() + (at - text.begin()) + key.size();
  std::from_chars(first, text.data() + text.size(), number);
  return number;
}

class Upstream {
 public:
  Upstream(int listener, std::atomic<std::uint64_t>& sent) : listener_(listener), sent_(sent) {
    watch(listener_, nullptr, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      const int ready = ::epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < ready; ++i) {
        auto* connection = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (connection == nullptr) {
          accept_all();
        } else if (!serve(*connection)) {
          ::close(connection->fd);
          delete connection;
        }
      }
    }
  }

 private:
  void watch(int fd, Connection* connection, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = connection;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  void accept_all() const {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto* connection = new Connection;
      connection->fd = fd;
      watch(fd, connection, EPOLLIN | EPOLLOUT | EPOLLET);
    }
  }

  /// False once the peer is gone.
  bool serve(Connection& connection) {
    while (true) {
      if (connection.answering && !write(connection)) return true;
      const ssize_t got = ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
      if (got <= 0) return got < 0 && errno == EAGAIN;
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
      if (connection.tunnel) {
        if (!echo(connection, bytes)) return false;
        continue;
      }
      take(connection, bytes);
      if (connection.tunnel && !put(connection.fd, kSwitch)) return false;
      // A short read has emptied the socket; the edge-triggered event tells of more.
      const bool emptied = static_cast<std::size_t>(got) < buffer_.size();
      if (emptied && (!connection.answering || write(connection))) return true;
    }
  }

  static void take(Connection& connection, std::string_view bytes) {
    if (connection.body_left == 0) {
      // The common request arrives whole and is read where it is.
      if (!connection.head.empty()) bytes = connection.head.append(bytes);
      const std::size_t end = bytes.find("\r\n\r\n");
      if (end == std::string_view::npos) {
        if (connection.head.empty()) connection.head = bytes;
        return;
      }
      const std::string_view head = bytes.substr(0, end + 2);
      const std::string_view line = head.substr(0, head.find("\r\n"));
      if (number_after(head, "\r\nsec-websocket-version: ", 0) != 0) {
        connection.head.clear();
        connection.tunnel = true;
        return;
      }
      connection.response =
          &response_of(std::min(kBodyMax, number_after(line, "bytes=", kDefaultBody)));
      connection.body_left = number_after(head, "\r\ncontent-length: ", 0);
      connection.sent = 0;
      const std::size_t body_here = bytes.size() - end - 4;
      connection.body_left -= std::min(connection.body_left, body_here);
      connection.head.clear();
    } else {
      connection.body_left -= std::min(connection.body_left, bytes.size());
    }
    connection.answering = connection.body_left == 0;
  }

  /// Small answers to a peer that waits for each: the socket takes them, or something is wrong.
  static bool put(int fd, std::string_view bytes) {
    return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  /// Sends each whole frame back, without its mask.
  bool echo(Connection& connection, std::string_view bytes) {
    connection.head.append(bytes);
    std::string& in = connection.head;
    std::string out;
    std::size_t at = 0;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(in[at + i]); };
    while (in.size() - at >= 8) {
      const bool is_long = (byte(1) & 0x7f) == 126;
      const std::size_t length = is_long ? (byte(2) << 8 | byte(3)) : byte(1) & 0x7f;
      const std::size_t mask = is_long ? 4 : 2;
      if (in.size() - at < mask + 4 + length) break;
      out.push_back(in[at]);
      out.push_back(static_cast<char>(is_long ? 126 : length));
      if (is_long) out.append(in, at + 2, 2);
      for (std::size_t i = 0; i < length; ++i) {
        out.push_back(static_cast<char>(byte(mask + 4 + i) ^ byte(mask + i % 4)));
      }
      at += mask + 4 + length;
    }
    in.erase(0, at);
    if (!out.empty() && !put(connection.fd, out)) return false;
    sent_.fetch_add(out.size(), std::memory_order_relaxed);
    return true;
  }

  /// False while the socket takes no more.
  bool write(Connection& connection) {
    const std::string& response = *connection.response;
    while (connection.sent < response.size()) {
      const ssize_t put = ::send(connection.fd, response.data() + connection.sent,
                                 response.size() - connection.sent, MSG_NOSIGNAL);
      if (put <= 0 && errno == EAGAIN) return false;
      if (put <= 0) break;  // Reading tells that the peer is gone.
      connection.sent += static_cast<std::size_t>(put);
      sent_.fetch_add(static_cast<std::uint64_t>(put), std::memory_order_relaxed);
    }
    connection.answering = false;
    return true;
  }

  int listener_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::atomic<std::uint64_t>& sent_;
  std::array<char, 65536> buffer_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: upstream ADDRESS PORT COUNTER\n", stderr);
    return 2;
  }
  allow_files();
  const int file = ::open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || ::ftruncate(file, sizeof(std::uint64_t)) != 0) die(argv[3]);
  void* memory =
      ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) die("mmap");
  Upstream(listen_on(argv[1], argv[2]), *static_cast<std::atomic<std::uint64_t>*>(memory)).run();
}
