#include "proxy/h2_peer_for_test.h"

#include <poll.h>
#include <sys/socket.h>

#include <chrono>

namespace bd::proxy::testing {
namespace {

http::Fields views_of(const Names& names) {
  http::Fields out;
  for (const auto& [name, value] : names) out.push_back({name, value});
  return out;
}

std::map<std::string, std::string> copy_of(const http::Fields& fields) {
  std::map<std::string, std::string> out;
  for (const http::Field& field : fields) out[std::string(field.name)] = field.value;
  return out;
}

}  // namespace

H2Peer::H2Peer(UniqueFd fd, http2::Role role)
    : connection(role, http2::Options{}, *this), fd_(std::move(fd)) {}

std::int32_t H2Peer::request(const Names& names, bool end) {
  return connection.submit_request(views_of(names), end);
}

void H2Peer::respond(std::int32_t stream, int status, const Names& names, bool end) {
  connection.submit_head(stream, status, views_of(names), end);
}

void H2Peer::finish(std::int32_t stream, const Names& trailers) {
  connection.finish(stream, views_of(trailers));
}

bool H2Peer::until(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  push();
  while (!done() && !end_ && std::chrono::steady_clock::now() < deadline) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (poll(&waiting, 1, 10) > 0) pull();
    push();
  }
  return done();
}

bool H2Peer::until_closed(std::int32_t stream) {
  return until([&] { return streams[stream].closed.has_value(); });
}

void H2Peer::push() {
  std::string bytes;
  while (connection.pull(bytes, 1 << 20)) {
  }
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t sent = ::send(fd_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void H2Peer::pull() {
  char bytes[65536];
  const ssize_t got = recv(fd_.get(), bytes, sizeof bytes, 0);
  end_ = got <= 0;
  if (end_) return;
  const auto now = std::chrono::steady_clock::now();
  if (!connection.receive({bytes, static_cast<std::size_t>(got)}, now)) push();
}

void H2Peer::on_head(std::int32_t stream, http2::Head head, bool end) {
  H2Message& message = streams[stream];
  if (head.status != 0 && head.status < 200) return message.interim.push_back(head.status);
  message.method = head.method;
  message.authority = head.authority;
  message.path = head.path;
  message.status = head.status;
  message.fields = copy_of(head.fields);
  message.ended_with_head = end;
}

void H2Peer::on_data(std::int32_t stream, std::string_view data) {
  streams[stream].body.append(data);
  connection.consume(stream, data.size());
}

void H2Peer::on_trailers(std::int32_t stream, http2::Head trailers) {
  streams[stream].trailers = copy_of(trailers.fields);
}

Names h2_request(std::string_view method, std::string_view path, const Names& more) {
  Names out{{":method", std::string(method)},
            {":scheme", "http"},
            {":authority", "a.test"},
            {":path", std::string(path)}};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace bd::proxy::testing
