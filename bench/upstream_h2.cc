// A gRPC service that costs next to nothing: HTTP/2 without TLS, and every call is answered with
// status 200, one message of 128 bytes and the trailer grpc-status: 0. It trusts its peer.
//
//   upstream_h2 ADDRESS PORT COUNTER
//
// COUNTER is a file of eight bytes: how many calls were answered.

#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "listen.h"

namespace {

constexpr std::size_t kMessage = 128;  // After five bytes that say how long it is.
constexpr std::uint32_t kStreams = 1000;
constexpr std::int32_t kWindow = 1 << 24;
constexpr std::size_t kOutMax = 1 << 18;  // Bytes of one send.

std::atomic<std::uint64_t>* answered = nullptr;

nghttp2_nv pair(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/// The message, all of it at once, and after it trailers.
ssize_t read_message(nghttp2_session* session, std::int32_t stream, std::uint8_t* into,
                     std::size_t room, std::uint32_t* flags, nghttp2_data_source*, void*) {
  if (room < kMessage + 5) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  std::memset(into, 'x', kMessage + 5);
  into[0] = into[1] = into[2] = into[3] = 0;
  into[4] = kMessage;
  const nghttp2_nv trailer = pair("grpc-status", "0");
  nghttp2_submit_trailer(session, stream, &trailer, 1);
  *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
  return kMessage + 5;
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void*) {
  const bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  if (!may_end || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  const std::array head = {pair(":status", "200"), pair("content-type", "application/grpc")};
  const nghttp2_data_provider body{{}, read_message};
  return nghttp2_submit_response(session, frame->hd.stream_id, head.data(), head.size(), &body);
}

int on_close(nghttp2_session*, std::int32_t, std::uint32_t error, void*) {
  if (error == NGHTTP2_NO_ERROR) answered->fetch_add(1, std::memory_order_relaxed);
  return 0;
}

class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const std::array settings = {
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kStreams},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindow);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    nghttp2_session_del(session_);
    ::close(fd_);
  }

  /// False once it is over.
  bool serve() {
    static std::array<std::uint8_t, 65536> buffer;
    while (true) {
      const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
      if (got > 0 &&
          nghttp2_session_mem_recv(session_, buffer.data(), static_cast<std::size_t>(got)) < 0) {
        return false;
      }
      if (!flush()) return false;
      if (got < static_cast<ssize_t>(buffer.size())) break;
    }
    return nghttp2_session_want_read(session_) != 0;
  }

 private:
  /// All that is to be sent, in one go where the socket takes it.
  bool flush() {
    const std::uint8_t* bytes = nullptr;
    ssize_t length = 0;
    while (out_.size() < kOutMax && (length = nghttp2_session_mem_send(session_, &bytes)) > 0) {
      out_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
    }
    if (length < 0) return false;
    if (out_.empty()) return true;
    const ssize_t put = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN;
    out_.erase(0, static_cast<std::size_t>(put));
    return true;
  }

  int fd_;
  nghttp2_session* session_ = nullptr;
  std::string out_;
};

void accept_all(int listener, int epoll) {
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = new Connection(fd);
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: upstream_h2 ADDRESS PORT COUNTER\n", stderr);
    return 2;
  }
  const int file = ::open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || ::ftruncate(file, sizeof(std::uint64_t)) != 0) die(argv[3]);
  void* memory =
      ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) die("mmap");
  answered = static_cast<std::atomic<std::uint64_t>*>(memory);
  const int listener = listen_on(argv[1], argv[2]);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) die("epoll_ctl");
  std::array<epoll_event, 256> events{};
  while (true) {
    const int ready = ::epoll_wait(epoll, events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      auto* const connection =
          static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (connection == nullptr) {
        accept_all(listener, epoll);
      } else if (!connection->serve()) {
        delete connection;
      }
    }
  }
}
