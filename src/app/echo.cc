#include "app/echo.h"

#include <csignal>
#include <cstdio>
#include <memory>

#include "admin/server.h"
#include "base/log.h"
#include "http1/chunked.h"
#include "http1/head.h"
#include "net/stream.h"
#include "rt/reactor.h"
#include "rt/task.h"
#include "text/json_writer.h"

namespace bd::app {
namespace {

using rt::Waiter;
using namespace std::chrono_literals;

/// What the echo reads of a body before it stops remembering; it counts on.
constexpr std::size_t kBodyKept = 64 << 10;

volatile std::sig_atomic_t stop_requested = 0;

class EchoConnection {
 public:
  EchoConnection(rt::Reactor& reactor, std::string name, SocketAddress peer)
      : reactor_(reactor), waiter_(reactor), name_(std::move(name)), peer_(peer) {}

  static rt::Task<void> serve(std::unique_ptr<EchoConnection> connection) {
    for (;;) {
      const bool again = co_await connection->one();
      if (!again) co_return;
    }
  }
  bool open(UniqueFd fd) {
    if (!stream_.open(reactor_, std::move(fd))) return false;
    stream_.handle().set_sink(&waiter_);
    return true;
  }

 private:
  rt::Task<bool> read_some() {
    for (;;) {
      char block[16384];
      const net::IoResult got = stream_.read(block);
      if (got.status == net::Io::ok) {
        in_.append(block, got.bytes);
        co_return true;
      }
      if (got.status != net::Io::again) co_return false;
      const Waiter::Woken woken = co_await waiter_.wait(reactor_.now() + 60s);
      if (woken == Waiter::Woken::deadline) co_return false;
    }
  }

  rt::Task<bool> write_all(std::string bytes) {
    for (std::string_view left = bytes; !left.empty();) {
      const iovec part{const_cast<char*>(left.data()), left.size()};
      const net::IoResult put = stream_.write({&part, 1});
      if (put.status == net::Io::error) co_return false;
      left.remove_prefix(put.bytes);
      if (left.empty()) break;
      const Waiter::Woken woken = co_await waiter_.wait(reactor_.now() + 60s);
      if (woken == Waiter::Woken::deadline) co_return false;
    }
    co_return true;
  }

  /// Reads the body, keeps its beginning. False if the connection ended first.
  rt::Task<bool> read_body(http1::Framing framing) {
    body_.clear();
    body_bytes_ = 0;
    http1::ChunkDecoder chunks(Party::downstream);
    std::uint64_t left = framing.length;
    for (;;) {
      if (framing.kind == http1::Framing::Kind::none) co_return true;
      std::string_view data;
      std::size_t consumed = 0;
      bool done = false;
      if (framing.kind == http1::Framing::Kind::chunked) {
        const auto step = chunks.next(in_);
        if (!step) co_return false;
        data = step->data;
        consumed = step->consumed;
        done = step->done;
      } else {
        consumed = static_cast<std::size_t>(std::min<std::uint64_t>(left, in_.size()));
        data = std::string_view(in_).substr(0, consumed);
        left -= consumed;
        done = left == 0;
      }
      body_bytes_ += data.size();
      body_.append(data.substr(0, kBodyKept - std::min(kBodyKept, body_.size())));
      in_.erase(0, consumed);
      if (done) co_return true;
      if (consumed > 0) continue;
      const bool more = co_await read_some();
      if (!more) co_return false;
    }
  }

  /// What was received, but for the body; the object stays open.
  void describe(text::JsonWriter& json, const http1::RequestHead& head) const {
    json.begin_object().member("upstream", name_).member("peer", peer_.text());
    json.member("method", head.method_text).member("target", head.target).member("host", head.host);
    json.key("fields").begin_array();
    for (const http::Field& field : head.fields) {
      json.begin_object().member("name", field.name).member("value", field.value).end_object();
    }
    json.end_array();
  }

  rt::Task<bool> one() {
    http1::RequestParser parser(http1::HeadLimits{});
    http1::RequestHead head;
    std::size_t size = 0;
    while (size == 0) {
      const auto parsed = parser.parse(in_, head);
      if (!parsed) co_return false;
      if (*parsed) {
        size = **parsed;
        break;
      }
      const bool more = co_await read_some();
      if (!more) co_return false;
    }
    text::JsonWriter json;
    describe(json, head);
    const bool head_only = head.method == http::Method::head;
    const bool persists = head.keep_alive;
    const http1::Framing framing = head.body;
    const bool continues = head.expect_continue && in_.size() == size;
    in_.erase(0, size);
    if (continues) {
      const bool invited = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
      if (!invited) co_return false;
    }
    const bool whole = co_await read_body(framing);
    if (!whole) co_return false;
    json.member("bodyBytes", static_cast<std::int64_t>(body_bytes_))
        .member("body", body_)
        .end_object();
    const std::string answer = json.take();
    std::string out = fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n",
        answer.size(), persists ? "" : "Connection: close\r\n");
    if (!head_only) out += answer;
    const bool written = co_await write_all(std::move(out));
    co_return written&& persists;
  }

  rt::Reactor& reactor_;
  rt::Waiter waiter_;
  std::string name_;
  SocketAddress peer_;
  net::Stream stream_;
  std::string in_;
  std::string body_;
  std::uint64_t body_bytes_ = 0;
};

class EchoListener final : public rt::EventSink {
 public:
  EchoListener(rt::Reactor& reactor, UniqueFd fd, std::string name)
      : reactor_(reactor), fd_(std::move(fd)), name_(std::move(name)) {
    handle_.attach(reactor, fd_.get());
    handle_.set_sink(this);
  }
  void on_event() override {
    for (;;) {
      net::Accepted accepted = net::accept(fd_.get());
      if (!accepted.fd) return;
      auto connection = std::make_unique<EchoConnection>(reactor_, name_, accepted.peer);
      if (connection->open(std::move(accepted.fd)))
        scope_.spawn(EchoConnection::serve(std::move(connection)));
    }
  }

 private:
  rt::Reactor& reactor_;
  UniqueFd fd_;
  std::string name_;
  rt::Handle handle_;
  rt::Scope scope_;
};

}  // namespace

int run_echo(const SocketAddress& listen, const std::string& name) {
  log::init("echo", log::Level::info);
  auto fd = admin::listen_on(listen);
  if (!fd) {
    log::error(fd.error());
    return 1;
  }
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { stop_requested = 1; });
  rt::Reactor reactor;
  const EchoListener listener(reactor, std::move(*fd), name.empty() ? listen.text() : name);
  log::info(fmt::format("echo {} on {}", name, listen.text()));
  reactor.run(
      [&] {
        if (stop_requested != 0) reactor.stop();
      },
      200ms);
  std::_Exit(0);  // Connections may be open; a demo ends at once.
}

}  // namespace bd::app
