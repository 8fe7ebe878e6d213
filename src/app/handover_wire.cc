#include "app/handover_wire.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <span>
#include <type_traits>

namespace bd::app {
namespace {

static_assert(std::is_trivially_copyable_v<HandoverRecord>);
static_assert(std::has_unique_object_representations_v<HandoverRecord>,
              "padding would leak memory");

constexpr std::string_view kPrefix = "blastdoor-handover/";
constexpr int kBacklog = 4;

template <std::size_t N>
bool is_terminated(const std::array<char, N>& text) {
  return std::find(text.begin(), text.end(), '\0') != text.end();
}

bool carries_descriptor(HandoverStep step) {
  return step == HandoverStep::socket || step == HandoverStep::probes;
}

bool is_known(HandoverStep step) {
  switch (step) {
    case HandoverStep::claim:
    case HandoverStep::ask:
    case HandoverStep::alive:
    case HandoverStep::ready:
    case HandoverStep::socket:
    case HandoverStep::probes:
    case HandoverStep::all:
    case HandoverStep::yours:
    case HandoverStep::refused:
      return true;
  }
  return false;
}

/// Empty if the record is good. Version first: another one may have another size.
std::string fault(const HandoverRecord& record, const feed::RawRecord& raw) {
  if (raw.bytes < offsetof(HandoverRecord, step) || record.magic != kHandoverMagic) {
    return "it says nothing that is a hand-over";
  }
  if (record.version != kHandoverVersion) {
    return fmt::format("it speaks version {} of the hand-over, and this program {}", record.version,
                       kHandoverVersion);
  }
  const bool whole = raw.bytes == sizeof record && is_known(record.step) &&
                     is_terminated(record.door) && is_terminated(record.listener) &&
                     is_terminated(record.address) && is_terminated(record.reason);
  if (!whole || static_cast<bool>(raw.fd) != carries_descriptor(record.step)) {
    return "it sent a damaged record";
  }
  return {};
}

struct AbstractAddress {
  sockaddr_un address{};
  socklen_t size = 0;
  explicit AbstractAddress(const std::string& name) {
    const std::string path = fmt::format("{}{}", kPrefix, name);
    address.sun_family = AF_UNIX;
    // The first byte stays NUL: a name of the network namespace, and no file.
    const std::size_t length = std::min(path.size(), sizeof address.sun_path - 1);
    std::memcpy(address.sun_path + 1, path.data(), length);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

UniqueFd make_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

HandoverRecord make_record(HandoverStep step, std::uint32_t count, std::string_view reason) {
  HandoverRecord out;
  out.step = step;
  out.count = count;
  const std::string_view fits = reason.substr(0, out.reason.size() - 1);
  std::copy(fits.begin(), fits.end(), out.reason.begin());
  return out;
}

std::string_view reason_of(const HandoverRecord& record) {
  return {record.reason.data(), ::strnlen(record.reason.data(), record.reason.size())};
}

feed::SendStatus send(int channel, const HandoverRecord& record, int fd) {
  return feed::send_record(channel, std::as_bytes(std::span(&record, 1)), fd);
}

HandoverReceived receive_handover(int channel) {
  using Status = HandoverReceived::Status;
  HandoverReceived out;
  feed::RawRecord raw;
  const auto buffer = std::as_writable_bytes(std::span(&out.record, 1));
  switch (feed::receive_record(channel, buffer, raw)) {
    case feed::ReceiveStatus::again:
      return out;
    case feed::ReceiveStatus::closed:
      out.status = Status::closed;
      return out;
    case feed::ReceiveStatus::dropped:
      // Too long for us; its head is there all the same, and may say why.
      raw.bytes = offsetof(HandoverRecord, step);
      break;
    case feed::ReceiveStatus::ok:
      break;
  }
  out.why = fault(out.record, raw);
  out.status = out.why.empty() ? Status::ok : Status::bad;
  if (out.status == Status::ok) out.fd = std::move(raw.fd);
  return out;
}

std::vector<HandoverListener> listeners_of(const State& state) {
  std::vector<HandoverListener> out;
  for (std::size_t i = 0; i < state.door_count; ++i) {
    const StateDoor& door = state.doors[i];
    for (std::size_t at = 0; at < door.listener_count; ++at) {
      const StateListener& listener = door.listeners[at];
      out.push_back({std::string(get_text(door.name)), std::string(get_text(listener.name)),
                     std::string(get_text(listener.address))});
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string difference(const std::vector<HandoverListener>& serving,
                       const std::vector<HandoverListener>& claimed) {
  std::vector<HandoverListener> only;
  const auto text = [&](const char* where) {
    const HandoverListener& first = only.front();
    return fmt::format("only the {} has the listener {} of {} on {}", where, first.listener,
                       first.door, first.address);
  };
  std::set_difference(serving.begin(), serving.end(), claimed.begin(), claimed.end(),
                      std::back_inserter(only));
  if (!only.empty()) return text("running one");
  std::set_difference(claimed.begin(), claimed.end(), serving.begin(), serving.end(),
                      std::back_inserter(only));
  return only.empty() ? "" : text("new one");
}

UniqueFd listen_for_handover(const std::string& name) {
  const AbstractAddress at(name);
  UniqueFd out = make_socket();
  const bool good =
      out && ::bind(out.get(), at.get(), at.size) == 0 && ::listen(out.get(), kBacklog) == 0;
  return good ? std::move(out) : UniqueFd();
}

UniqueFd connect_for_handover(const std::string& name) {
  const AbstractAddress at(name);
  UniqueFd out = make_socket();
  const bool good = out && ::connect(out.get(), at.get(), at.size) == 0;
  return good ? std::move(out) : UniqueFd();
}

std::optional<uid_t> peer_user(int channel) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer.uid;
}

}  // namespace bd::app
