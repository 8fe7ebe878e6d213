// The end of a hand-over that is new.

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "app/handover.h"
#include "base/log.h"

namespace bd::app {
namespace {

constexpr int kBacklogFullMs = 20;

/// False if `deadline` comes first.
bool await(int channel, short events, TimePoint deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
  if (left.count() <= 0) return false;
  pollfd polled{channel, events, 0};
  return ::poll(&polled, 1, static_cast<int>(left.count())) > 0;
}

bool deliver(int channel, const HandoverRecord& record, TimePoint deadline) {
  for (;;) {
    const feed::SendStatus status = send(channel, record);
    if (status != feed::SendStatus::full) return status == feed::SendStatus::ok;
    if (!await(channel, POLLOUT, deadline)) return false;
  }
}

StateListener* find(State& state, const HandoverRecord& record) {
  for (std::size_t i = 0; i < state.door_count; ++i) {
    StateDoor& door = state.doors[i];
    if (door.name != record.door) continue;
    for (std::size_t at = 0; at < door.listener_count; ++at) {
      StateListener& listener = door.listeners[at];
      if (listener.name == record.listener && listener.address == record.address) return &listener;
    }
  }
  return nullptr;
}

/// What was received so far: closed again if the rest does not come.
struct Collected {
  std::vector<std::pair<std::int32_t*, UniqueFd>> sockets;
  void keep() {
    for (auto& [place, fd] : sockets) *place = fd.release();
  }
};

/// Why the record can't be; else empty, and its descriptor is collected.
std::string place(State& state, HandoverReceived& got, Collected& out) {
  std::int32_t* place = &state.probes;
  if (got.record.step == HandoverStep::socket) {
    StateListener* listener = find(state, got.record);
    if (listener == nullptr || listener->count == listener->sockets.size()) {
      return "it sent a socket that was not asked for";
    }
    place = &listener->sockets[listener->count++];
  }
  out.sockets.emplace_back(place, std::move(got.fd));
  return {};
}

}  // namespace

bool somebody_serves(const std::string& name, uid_t user) {
  const UniqueFd channel = connect_for_handover(name);
  // A full queue is somebody's, and its user is not known.
  return channel ? peer_user(channel.get()) == user : errno == EAGAIN;
}

HandoverTaker::Answer HandoverTaker::ask(State& state, std::string& why) {
  const TimePoint deadline = Clock::now() + kAnswerMax;
  do {
    channel_ = connect_for_handover(name_);
  } while (!channel_ && errno == EAGAIN && Clock::now() < deadline &&
           ::poll(nullptr, 0, kBacklogFullMs) == 0);
  if (!channel_) {
    why = "it takes no connection";
    return errno == ECONNREFUSED ? Answer::nobody : Answer::refused;
  }
  if (const auto user = peer_user(channel_.get()); user != user_) {
    channel_.reset();
    why = fmt::format("the name is taken by user {}, and this one's is {}",
                      user ? std::to_string(*user) : "unknown", user_);
    return Answer::refused;
  }
  // One that refuses may have closed before all was claimed: what it said is there to be read.
  static_cast<void>(claim(state, deadline));
  if (!collect(state, deadline, why)) {
    channel_.reset();
    return Answer::refused;
  }
  waits_ = true;
  return Answer::taken;
}

bool HandoverTaker::claim(const State& state, TimePoint deadline) const {
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < state.door_count; ++i) {
    const StateDoor& door = state.doors[i];
    for (std::size_t at = 0; at < door.listener_count; ++at, ++count) {
      HandoverRecord record = make_record(HandoverStep::claim);
      record.door = door.name;
      record.listener = door.listeners[at].name;
      record.address = door.listeners[at].address;
      if (!deliver(channel_.get(), record, deadline)) return false;
    }
  }
  return deliver(channel_.get(), make_record(HandoverStep::ask, count), deadline);
}

bool HandoverTaker::collect(State& state, TimePoint deadline, std::string& why) {
  Collected collected;
  for (;;) {
    HandoverReceived got = receive_handover(channel_.get());
    switch (got.status) {
      case HandoverReceived::Status::again:
        if (await(channel_.get(), POLLIN, deadline)) continue;
        why = fmt::format("it does not answer within {} s", kAnswerMax.count());
        return false;
      case HandoverReceived::Status::closed:
        why = "it broke off";
        return false;
      case HandoverReceived::Status::bad:
        why = got.why;
        return false;
      case HandoverReceived::Status::ok:
        break;
    }
    if (got.record.step == HandoverStep::refused) {
      why = reason_of(got.record);
      return false;
    }
    if (got.record.step == HandoverStep::all) {
      if (got.record.count == collected.sockets.size() && state.probes < 0) break;
      why = "it sent another number of sockets than it says";
      return false;
    }
    why = got.fd ? place(state, got, collected) : "its records come out of turn";
    if (!why.empty()) return false;
  }
  collected.keep();
  return true;
}

HandoverTaker::Outcome HandoverTaker::tick(TimePoint now, bool ready, std::string& why) {
  if (!broke_off_) speak(now, ready);
  const Outcome out = broke_off_ ? look_for_giver(now, why) : listen(now, why);
  waits_ = out == Outcome::waiting;
  return out;
}

void HandoverTaker::speak(TimePoint now, bool ready) {
  if (ready && !said_ready_) {
    said_ready_ = send(channel_.get(), make_record(HandoverStep::ready)) == feed::SendStatus::ok;
    ready_at_ = now;
  } else if (!said_ready_ && now >= alive_at_) {
    static_cast<void>(send(channel_.get(), make_record(HandoverStep::alive)));
    alive_at_ = now + std::chrono::seconds(1);
  }
}

HandoverTaker::Outcome HandoverTaker::listen(TimePoint now, std::string& why) {
  const HandoverReceived got = receive_handover(channel_.get());
  if (got.status == HandoverReceived::Status::again) {
    if (!said_ready_ || now < ready_at_ + kAnswerMax) return Outcome::waiting;
    log::warn("hand-over: the old one does not answer; going on");
    return Outcome::yours;
  }
  if (got.status == HandoverReceived::Status::closed) {
    channel_.reset();
    broke_off_ = true;
    broke_off_at_ = now;
    return look_for_giver(now, why);
  }
  if (got.status == HandoverReceived::Status::bad) {
    why = got.why;
    return Outcome::lost;
  }
  if (got.record.step == HandoverStep::yours) return Outcome::yours;
  why = got.record.step == HandoverStep::refused ? reason_of(got.record)
                                                 : "its records come out of turn";
  return Outcome::lost;
}

/// An end without a word is a death, unless the giver is still to be found.
HandoverTaker::Outcome HandoverTaker::look_for_giver(TimePoint now, std::string& why) const {
  if (!somebody_serves(name_, user_)) {
    log::warn("hand-over: the old one has ended; going on with its sockets");
    return Outcome::yours;
  }
  if (now < broke_off_at_ + kDeathMax) return Outcome::waiting;
  why = "the old one broke off, and goes on";
  return Outcome::lost;
}

}  // namespace bd::app
