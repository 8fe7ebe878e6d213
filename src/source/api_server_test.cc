#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "source/api_server_for_test.h"
#include "source/support_for_test.h"

namespace bd::source {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

bool write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string chunk(std::string_view bytes) {
  return bytes.empty() ? "" : fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

}  // namespace

std::string kind_of(const std::string& plural) {
  if (plural == "ingresses") return "Ingress";
  if (plural == "ingressclasses") return "IngressClass";
  if (plural == "services") return "Service";
  if (plural == "endpointslices") return "EndpointSlice";
  if (plural == "secrets") return "Secret";
  if (plural == "configmaps") return "ConfigMap";
  return "Namespace";
}

ApiServer::ApiServer() {
  listen_on(0);
  acceptor_ = std::thread([this] { accept_loop(); });
}

ApiServer::~ApiServer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    close_all();
    changed_.notify_all();
  }
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
}

void ApiServer::listen_on(std::uint16_t port) {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BD_ASSERT(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  BD_ASSERT(::listen(listener.get(), 64) == 0);
  socklen_t length = sizeof address;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  listener_ = std::move(listener);
}

std::string ApiServer::url() const {
  return fmt::format("http://127.0.0.1:{}", port_);
}

void ApiServer::close_all() {
  if (listener_) ::shutdown(listener_.get(), SHUT_RDWR);  // Ends accept().
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
}

void ApiServer::down() {
  std::unique_lock lock(mutex_);
  close_all();
  changed_.wait(lock, [this] { return !listener_; });
}

void ApiServer::up() {
  const std::lock_guard lock(mutex_);
  listen_on(port_);
  changed_.notify_all();
}

void ApiServer::accept_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || listener_; });
    if (stop_) return;
    const int listener = listener_.get();
    lock.unlock();
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    lock.lock();
    if (socket < 0) {
      listener_.reset();
      changed_.notify_all();
      continue;
    }
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket] { serve(socket); });
  }
}

void ApiServer::serve(int socket) {
  std::string bytes;
  char buffer[4096];
  for (bool more = true; more;) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end != std::string::npos) {
      more = answer(socket, bytes.substr(0, end + 2));
      bytes.erase(0, end + 4);
      continue;
    }
    const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
  const std::lock_guard lock(mutex_);
  std::erase(sockets_, socket);
  ::close(socket);
}

ApiServer::Answer ApiServer::choose(const std::string& plural, bool watch) {
  auto& scripts = watch ? watches_ : lists_;
  const auto script = scripts.find(plural);
  if (script == scripts.end()) {
    if (watch) return {.end = Answer::End::open};
    return {.body = list_json(kind_of(plural), 1)};
  }
  Answer next = script->second.front();
  if (script->second.size() > 1) script->second.pop_front();
  return next;
}

/// False: the connection is to be closed.
bool ApiServer::answer(int socket, const std::string& head) {
  const std::string target = head.substr(0, head.find(' ', 4));
  const std::string path = target.substr(4, target.find('?') - 4);
  const std::string plural = path.substr(path.rfind('/') + 1);
  const bool watch = target.find("watch=true") != std::string::npos;
  Answer chosen;
  {
    const std::lock_guard lock(mutex_);
    chosen = choose(plural, watch);
    heads_[(watch ? "watch " : "list ") + plural].push_back(head);
    changed_.notify_all();
  }
  const bool chunked = watch && chosen.status == 200;
  std::string answer = fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\n{}",
                                   chosen.status, chosen.fields);
  if (chunked) {
    answer += "Transfer-Encoding: chunked\r\n\r\n";
    return write_all(socket, answer) && stream(socket, plural, chosen);
  }
  answer += fmt::format("Content-Length: {}\r\n\r\n", chosen.body.size());
  if (!write_all(socket, answer)) return false;
  const bool cut = chosen.end == Answer::End::cut;
  if (!write_all(socket,
                 std::string_view(chosen.body).substr(0, chosen.body.size() / (cut ? 2 : 1))))
    return false;
  if (cut) ::shutdown(socket, SHUT_RDWR);
  return !cut;
}

bool ApiServer::stream(int socket, const std::string& plural, const Answer& answer) {
  const std::size_t piece = answer.piece == 0 ? answer.body.size() + 1 : answer.piece;
  for (std::string_view rest = answer.body; !rest.empty();
       rest.remove_prefix(std::min(piece, rest.size()))) {
    if (!write_all(socket, chunk(rest.substr(0, piece)))) return false;
  }
  if (answer.end == Answer::End::cut) {
    ::shutdown(socket, SHUT_RDWR);
    return false;
  }
  if (answer.end == Answer::End::complete) return write_all(socket, "0\r\n\r\n");
  std::unique_lock lock(mutex_);
  const auto watch = open_.insert(open_.end(), Watch{plural, socket});
  changed_.notify_all();
  while (!watch->ended && !stop_) {
    // A client that leaves, or down(), ends the watch too.
    lock.unlock();
    pollfd file{socket, POLLIN | POLLRDHUP, 0};
    ::poll(&file, 1, 5);
    lock.lock();
    if (file.revents != 0) break;
  }
  const bool ended = watch->ended;
  open_.erase(watch);
  return ended;
}

ApiServer::Watch* ApiServer::open_watch(const std::string& plural) {
  for (Watch& watch : open_) {
    if (watch.plural == plural && !watch.ended) return &watch;
  }
  return nullptr;
}

bool ApiServer::send(const std::string& plural, const std::string& bytes) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return open_watch(plural) != nullptr; }))
    return false;
  return write_all(open_watch(plural)->socket, chunk(bytes));
}

bool ApiServer::finish(const std::string& plural) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return open_watch(plural) != nullptr; }))
    return false;
  Watch* const watch = open_watch(plural);
  watch->ended = true;
  return write_all(watch->socket, "0\r\n\r\n");
}

bool ApiServer::cut(const std::string& plural) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return open_watch(plural) != nullptr; }))
    return false;
  Watch* const watch = open_watch(plural);
  watch->ended = true;
  return ::shutdown(watch->socket, SHUT_RDWR) == 0;
}

bool ApiServer::wait_for(const std::string& what, std::size_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return heads_[what].size() >= count; });
}

std::vector<std::string> ApiServer::heads(const std::string& what) {
  const std::lock_guard lock(mutex_);
  return heads_[what];
}

void ApiServer::on_list(const std::string& plural, std::vector<Answer> answers) {
  const std::lock_guard lock(mutex_);
  lists_[plural].assign(answers.begin(), answers.end());
}

void ApiServer::on_watch(const std::string& plural, std::vector<Answer> answers) {
  const std::lock_guard lock(mutex_);
  watches_[plural].assign(answers.begin(), answers.end());
}

}  // namespace bd::source
