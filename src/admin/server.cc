#include "admin/server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>

#include "base/check.h"
#include "http/field.h"
#include "http1/head.h"
#include "net/stream.h"
#include "text/json_writer.h"

namespace bd::admin {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kConnectionsMax =
    64;  // A scraper or two, a few people, and room for their retries.
constexpr std::size_t kLineMax = 8 << 10;     // Filters are short.
constexpr std::size_t kHeadMax = 16 << 10;    // No client of this API needs more than 1 KiB.
constexpr std::size_t kDrainMax = 64 << 10;   // Of what a client sends after its head.
constexpr rt::Duration kConnectionMax = 10s;  // From accept to close; a scrape takes milliseconds.
constexpr rt::Duration kAcceptPause = 100ms;  // When descriptors or memory ran out.

int status_of(Error::Code code) {
  switch (code) {
    case Error::Code::uri_too_long:
      return 414;
    case Error::Code::head_too_large:
      return 431;
    case Error::Code::unsupported:
      return 501;
    case Error::Code::version:
      return 505;
    case Error::Code::expectation:
      return 417;
    default:
      return 400;
  }
}

Response refusal(const Error& error) {
  text::JsonWriter json;
  json.begin_object().member("error", error.detail).end_object();
  return {status_of(error.code), "application/json", json.take()};
}

std::string serialize(const Response& response, bool head_only) {
  std::string out = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Cache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
      response.status, http::reason_phrase(response.status), response.content_type,
      response.body.size(), response.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (!head_only) out.append(response.body);
  return out;
}

}  // namespace

class Server::Impl final : public rt::EventSink, private rt::Timer {
 public:
  Impl(rt::Reactor& reactor, UniqueFd listener, Handler handler)
      : reactor_(reactor), listener_(std::move(listener)), handler_(std::move(handler)) {
    handle_.set_sink(this);
    BD_ASSERT(handle_.attach(reactor_, listener_.get()));
  }
  ~Impl();
  void on_event() override { accept_all(); }

 private:
  class Connection;
  void on_timer() override { accept_all(); }
  void accept_all();
  static rt::Task<void> serve(Impl& impl, std::unique_ptr<Connection> connection);

  rt::Reactor& reactor_;
  UniqueFd listener_;
  Handler handler_;
  rt::Handle handle_;
  rt::Scope scope_;
  std::set<Connection*> connections_;
  bool accepting_ = false;
  bool closing_ = false;
};

class Server::Impl::Connection {
 public:
  explicit Connection(Impl& server)
      : server_(server),
        waiter_(server.reactor_),
        deadline_(server.reactor_.now() + kConnectionMax) {
    server_.connections_.insert(this);
  }
  ~Connection() { server_.connections_.erase(this); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool open(UniqueFd fd) {
    if (!stream_.open(server_.reactor_, std::move(fd))) return false;
    stream_.handle().set_sink(&waiter_);
    return true;
  }
  void abandon() { waiter_.wake(); }

  rt::Task<void> run() {
    const bool answered = co_await answer();
    if (!answered) co_return;
    const bool written = co_await write_all();
    if (written) co_await linger();
  }

 private:
  /// False: the client is gone, or too slow.
  rt::Task<bool> wait() {
    const rt::Waiter::Woken woken = co_await waiter_.wait(deadline_);
    co_return woken == rt::Waiter::Woken::event && !server_.closing_;
  }

  /// Reads one head and makes the response; false if there is nobody to answer.
  rt::Task<bool> answer() {
    // One byte more than a head may have, so that the parser sees the one that is too many.
    std::string in(kHeadMax + 1, '\0');
    std::size_t size = 0;
    http1::RequestParser parser({.line_max = kLineMax, .head_max = kHeadMax, .fields_max = 100});
    http1::RequestHead head;
    for (;;) {
      if (!stream_.handle().readable) {
        const bool woken = co_await wait();
        if (!woken) co_return false;
        continue;
      }
      const net::IoResult got = stream_.read(std::span(in).subspan(size));
      if (got.status == net::Io::again) continue;
      if (got.status != net::Io::ok) co_return false;
      size += got.bytes;
      const auto parsed = parser.parse(std::string_view(in).substr(0, size), head);
      if (!parsed) {
        out_ = serialize(refusal(parsed.error()), false);
        co_return true;
      }
      if (*parsed) break;
    }
    const Response response = server_.handler_({head.method_text, head.target, head.host});
    out_ = serialize(response, head.method == http::Method::head);
    co_return true;
  }

  rt::Task<bool> write_all() {
    for (std::size_t sent = 0; sent < out_.size();) {
      if (!stream_.handle().writable) {
        const bool woken = co_await wait();
        if (!woken) co_return false;
        continue;
      }
      const iovec rest{out_.data() + sent, out_.size() - sent};
      const net::IoResult written = stream_.write({&rest, 1});
      if (written.status == net::Io::error) co_return false;
      sent += written.bytes;
    }
    co_return true;
  }

  /// Reads on until the client closes: unread bytes would turn our close into a reset, which may
  /// overtake the response.
  rt::Task<void> linger() {
    stream_.shutdown_write();
    out_.resize(4 << 10);
    for (std::size_t drained = 0; drained < kDrainMax;) {
      if (!stream_.handle().readable) {
        const bool woken = co_await wait();
        if (!woken) co_return;
        continue;
      }
      const net::IoResult got = stream_.read(std::span(out_));
      if (got.status == net::Io::end || got.status == net::Io::error) co_return;
      drained += got.bytes;
    }
  }

  Impl& server_;
  rt::Waiter waiter_;
  rt::Instant deadline_;
  std::string out_;
  net::Stream stream_;
};

Server::Impl::~Impl() {
  closing_ = true;
  // A connection that is woken now runs to its end: none of its waits goes on.
  while (!connections_.empty()) (*connections_.begin())->abandon();
}

rt::Task<void> Server::Impl::serve(Impl& impl, std::unique_ptr<Connection> connection) {
  co_await connection->run();
  connection.reset();
  impl.accept_all();
}

void Server::Impl::accept_all() {
  // A connection that ends at once calls this from within.
  if (accepting_ || closing_) return;
  accepting_ = true;
  while (connections_.size() < kConnectionsMax) {  // The others wait in the kernel until one ends.
    net::Accepted accepted = net::accept(listener_.get());
    if (!accepted.fd) {
      if (accepted.error == ECONNABORTED || accepted.error == EINTR) continue;
      if (accepted.error != EAGAIN) reactor_.timers().arm(*this, reactor_.now() + kAcceptPause);
      break;
    }
    auto connection = std::make_unique<Connection>(*this);
    if (connection->open(std::move(accepted.fd))) scope_.spawn(serve(*this, std::move(connection)));
  }
  accepting_ = false;
}

Server::Server(rt::Reactor& reactor, UniqueFd listener, Handler handler)
    : impl_(std::make_unique<Impl>(reactor, std::move(listener), std::move(handler))) {}
Server::~Server() = default;

std::expected<UniqueFd, std::string> listen_on(const SocketAddress& address) {
  const int family = address.ip.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  sockaddr_storage storage;
  const socklen_t size = net::to_kernel(address, storage);
  const bool good = fd && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                    (family == AF_INET ||
                     ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
                    ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0 &&
                    ::listen(fd.get(), 128) == 0;
  if (good) return fd;
  return std::unexpected(
      fmt::format("cannot listen on {}: {}", address.text(), std::strerror(errno)));
}

}  // namespace bd::admin
