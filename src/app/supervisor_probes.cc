#include "app/supervisor_probes.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace bd::app {

std::string probe_response(std::string_view request_line, std::string_view not_ready) {
  const auto asks = [&](std::string_view method, std::string_view path) {
    for (const std::string_view version : {"HTTP/1.1", "HTTP/1.0"}) {
      if (request_line == fmt::format("{} {} {}", method, path, version)) return true;
    }
    return false;
  };
  const bool head = asks("HEAD", "/livez") || asks("HEAD", "/readyz");
  std::string_view status = "404 Not Found";
  std::string body = "only /livez and /readyz are here\n";
  if (asks("GET", "/livez") || asks("HEAD", "/livez") ||
      ((asks("GET", "/readyz") || asks("HEAD", "/readyz")) && not_ready.empty())) {
    status = "200 OK";
    body = "ok\n";
  } else if (asks("GET", "/readyz") || asks("HEAD", "/readyz")) {
    status = "503 Service Unavailable";
    body = fmt::format("not ready: {}\n", not_ready);
  }
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: "
      "close\r\n\r\n{}",
      status, body.size(), head ? "" : body);
}

void ProbeServer::add_to(std::vector<pollfd>& polled) const {
  if (accepts()) polled.push_back({listener_.get(), POLLIN, 0});
  for (const Connection& connection : connections_) {
    polled.push_back({connection.fd.get(), POLLIN, 0});
  }
}

void ProbeServer::serve(TimePoint now, std::string_view not_ready) {
  accept_all(now);
  std::erase_if(connections_, [&](Connection& connection) {
    return progress(connection, not_ready) || now >= connection.deadline;
  });
}

void ProbeServer::accept_all(TimePoint now) {
  while (accepts()) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    connections_.push_back({std::move(fd), now + kTimeout, {}});
  }
}

bool ProbeServer::progress(Connection& connection, std::string_view not_ready) {
  std::array<char, kRequestMax> buffer;
  const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
  connection.request.append(buffer.data(), static_cast<std::size_t>(got));
  // The whole head is read before the answer: closing with bytes unread would reset the connection.
  const bool whole = connection.request.find("\r\n\r\n") != std::string::npos;
  if (!whole) return got == 0 || connection.request.size() > kRequestMax;
  const std::string_view request = connection.request;
  const std::string answer = probe_response(request.substr(0, request.find("\r\n")), not_ready);
  // A new socket's buffer holds it; if not, the prober asks again.
  static_cast<void>(::send(connection.fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL));
  return true;
}

}  // namespace bd::app
