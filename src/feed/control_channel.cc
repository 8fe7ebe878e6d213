#include "feed/control_channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

namespace bd::feed {
namespace {

static_assert(std::is_trivially_copyable_v<Message>);
static_assert(std::has_unique_object_representations_v<Message>, "padding would leak memory");

constexpr std::size_t kHeadBytes = offsetof(Message, listeners);
constexpr int kQueueFullMs = 1000;

std::size_t wire_bytes(const Message& message) {
  return kHeadBytes + message.listener_count * sizeof(ListenerSpec);
}

bool put_text(std::array<char, 64>& out, std::string_view text) {
  out.fill('\0');
  const std::size_t length = std::min(text.size(), out.size() - 1);
  std::copy_n(text.data(), length, out.data());
  return length == text.size();
}

bool is_terminated(const std::array<char, 64>& text) {
  return std::find(text.begin(), text.end(), '\0') != text.end();
}

std::string_view get_text(const std::array<char, 64>& text) {
  return {text.data(), ::strnlen(text.data(), text.size())};
}

bool is_known(Record record) {
  switch (record) {
    case Record::stats:
    case Record::feed_socket:
    case Record::quarantine:
    case Record::door_gone:
    case Record::want_door:
    case Record::drop_door:
    case Record::snapshot:
    case Record::controller_ready:
    case Record::door_feed:
    case Record::fail_probes:
    case Record::drain:
    case Record::retire:
    case Record::door_started:
    case Record::door_drained:
    case Record::feed_lost:
      return true;
  }
  return false;
}

bool is_valid(const Message& message, std::size_t bytes) {
  if (bytes < kHeadBytes || message.version != 1 || !is_known(message.record)) return false;
  if (message.listener_count > message.listeners.size() || bytes != wire_bytes(message)) {
    return false;
  }
  return is_terminated(message.door) &&
         std::all_of(message.listeners.begin(), message.listeners.begin() + message.listener_count,
                     [](const ListenerSpec& spec) {
                       return is_terminated(spec.name) && is_terminated(spec.address);
                     });
}

ChannelPair make_pair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) return {};
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace

Message Message::make(Record record, std::string_view door) {
  Message out;
  out.record = record;
  put_text(out.door, door);
  return out;
}

std::string_view Message::door_name() const {
  return get_text(door);
}

bool Message::add_listener(std::string_view name, const SocketAddress& address) {
  if (listener_count == listeners.size()) return false;
  ListenerSpec& spec = listeners[listener_count];
  if (!put_text(spec.name, name) || !put_text(spec.address, address.text())) return false;
  ++listener_count;
  return true;
}

std::optional<Message::Listener> Message::listener(std::size_t index) const {
  if (index >= listener_count) return std::nullopt;
  const auto address = SocketAddress::parse(get_text(listeners[index].address));
  if (!address) return std::nullopt;
  return Listener{get_text(listeners[index].name), *address};
}

ChannelPair make_channel() {
  return make_pair(SOCK_SEQPACKET);
}
ChannelPair make_feed_sockets() {
  return make_pair(SOCK_STREAM);
}

bool send(int channel, const Message& message, int fd) {
  const auto record = std::as_bytes(std::span(&message, 1)).first(wire_bytes(message));
  SendStatus status = send_record(channel, record, fd);
  if (status == SendStatus::full) {
    pollfd writable{channel, POLLOUT, 0};
    if (::poll(&writable, 1, kQueueFullMs) != 0) status = send_record(channel, record, fd);
  }
  return status == SendStatus::ok;
}

ReceiveStatus receive(int channel, Received& out) {
  out = {};
  RawRecord raw;
  const auto buffer = std::as_writable_bytes(std::span(&out.message, 1));
  const ReceiveStatus status = receive_record(channel, buffer, raw);
  if (status != ReceiveStatus::ok) return status;
  if (!is_valid(out.message, raw.bytes)) {
    out = {};
    return ReceiveStatus::dropped;
  }
  out.fd = std::move(raw.fd);
  return ReceiveStatus::ok;
}

}  // namespace bd::feed
