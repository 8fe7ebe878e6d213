#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "base/ascii.h"
#include "base/check.h"
#include "proxy/door_for_test.h"

namespace bd::proxy::testing {
namespace {

UniqueFd listen_on_loopback(std::uint16_t& port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BD_ASSERT(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  BD_ASSERT(listen(fd.get(), 128) == 0);
  socklen_t size = sizeof address;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

/// Size of the complete message at the front of `bytes`, 0 if it is not complete.
std::size_t complete_message(std::string_view bytes, bool head_only) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::string head = ascii::to_lower(bytes.substr(0, end));
  const std::size_t body = end + 4;
  if (head_only) return body;
  if (head.find("transfer-encoding: chunked") != std::string::npos) {
    const std::size_t last = bytes.find("0\r\n\r\n", body);
    if (last == std::string_view::npos) return 0;
    return last + 5;
  }
  const std::size_t at = head.find("content-length: ");
  if (at == std::string::npos) return body;
  const std::size_t stop = head.find('\r', at);
  const auto length = ascii::parse_decimal(
      std::string_view(head).substr(at + 16, stop == std::string::npos ? stop : stop - at - 16));
  return length && bytes.size() >= body + *length ? body + *length : 0;
}

}  // namespace

Client::Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  BD_ASSERT(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Client::finish_sending() {
  shutdown(fd_.get(), SHUT_WR);
}

std::string Client::receive_until(const std::function<bool(std::string_view)>& enough) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!enough(left_) && std::chrono::steady_clock::now() < deadline) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (poll(&waiting, 1, 100) <= 0) continue;
    char bytes[65536];
    const ssize_t n = recv(fd_.get(), bytes, sizeof bytes, 0);
    if (n <= 0) {
      end_ = n == 0;
      reset_ = n < 0;
      break;
    }
    left_.append(bytes, static_cast<std::size_t>(n));
  }
  return std::exchange(left_, {});
}

std::string Client::response() {
  std::size_t size = 0;
  std::string all = receive_until([&](std::string_view bytes) {
    const bool interim = bytes.starts_with("HTTP/1.1 1");
    size = complete_message(bytes, interim);
    return size > 0;
  });
  if (size > 0 && size < all.size()) {
    left_ = all.substr(size);
    all.resize(size);
  }
  return all;
}

ScriptedUpstream::ScriptedUpstream(Script script)
    : script_(std::move(script)), listener_(listen_on_loopback(port_)) {
  acceptor_ = std::thread([this] {
    for (;;) {
      const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      ++connections_;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  });
}

ScriptedUpstream::~ScriptedUpstream() {
  shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  for (std::thread& thread : threads_) thread.join();
  for (const int fd : open_) close(fd);
}

std::vector<std::string> ScriptedUpstream::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void ScriptedUpstream::serve(int fd) {
  std::string bytes;
  for (;;) {
    char block[65536];
    const ssize_t n = recv(fd, block, sizeof block, 0);
    if (n <= 0) return;
    bytes.append(block, static_cast<std::size_t>(n));
    while (const std::size_t size = complete_message(bytes, false)) {
      const std::string request = bytes.substr(0, size);
      bytes.erase(0, size);
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      bool close_after = false;
      const std::string answer = script_(request, close_after);
      for (std::string_view left = answer; !left.empty();) {
        const ssize_t sent = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        left.remove_prefix(static_cast<std::size_t>(sent));
      }
      if (close_after) {
        shutdown(fd, SHUT_RDWR);
        return;
      }
    }
  }
}

ManualUpstream::ManualUpstream() : listener_(listen_on_loopback(port_)) {}

Client ManualUpstream::accept() const {
  pollfd waiting{listener_.get(), POLLIN, 0};
  BD_ASSERT(poll(&waiting, 1, 5000) == 1);
  return Client(UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

void ManualUpstream::stop_listening() {
  BD_ASSERT(listen(listener_.get(), 0) == 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port_);
  for (int i = 0; i < 4; ++i) {
    queued_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int started =
        connect(queued_.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    BD_ASSERT(started == 0 || errno == EINPROGRESS);
  }
}

TestDoor::TestDoor(const std::function<void(model::Listener&)>& facts, unsigned workers,
                   std::uint64_t memory_budget)
    : listener_(listen_on_loopback(port_)) {
  std::signal(SIGPIPE, SIG_IGN);  // As a door does.
  door.exposure =
      model::make_exposure("internal-http", model::Side::internal, model::Scheme::http, port_);
  if (facts) facts(door.exposure.listeners.front());
  door.allow_loopback = true;
  const UniqueFd cells(telemetry::create_stats_memfd("test"));
  stats_ = telemetry::map_stats(cells.get(), true);
  BD_ASSERT(stats_ != nullptr);
  const int fd = listener_.get();
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  BD_ASSERT(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  std::vector<int> fds{fd};
  while (fds.size() < workers) {
    std::uint16_t unused = 0;
    others_.push_back(listen_on_loopback(unused));
    BD_ASSERT(fcntl(others_.back().get(), F_SETFL, O_NONBLOCK) == 0);
    fds.push_back(others_.back().get());
  }
  stats_->memory_budget = memory_budget;
  ServerOptions options{door.exposure.name, workers, {{"main", fds}}, stats_};
  options.memory = [this] {
    if (void (*call)() = on_count) call();
    return memory.load();
  };
  server_ = Server::start(std::move(options));
}

TestDoor::~TestDoor() = default;

std::uint64_t TestDoor::counter(telemetry::Counter which) const {
  return stats_->workers[0].counters[static_cast<std::size_t>(which)].load();
}

void TestDoor::endpoints(const std::string& key, const std::vector<std::uint16_t>& ports) {
  door.upstreams[key] = model::Upstream{key};
  auto& list = door.endpoints[key];
  list.clear();
  for (const std::uint16_t port : ports) list.push_back({{IpAddress::v4({127, 0, 0, 1}), port}});
}

void TestDoor::put(const model::VirtualHost& host) {
  door.hosts[{"main", host.host}] = std::make_shared<model::VirtualHost>(host);
}

void TestDoor::route(const std::string& host, const std::vector<std::uint16_t>& ports) {
  const std::string key = "default/" + host + ":80";
  endpoints(key, ports);
  model::VirtualHost entry;
  entry.host = *model::HostPattern::parse(host);
  entry.routes.push_back({model::PathPattern{}, model::Forward{key}, "Ingress default/" + host});
  put(entry);
  apply();
}

void TestDoor::apply() {
  server_->apply(std::make_shared<snapshot::Door>(door), ++generation_);
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    poll(nullptr, 0, 2);
  }
  return condition();
}

}  // namespace bd::proxy::testing
