// The end of a hand-over that serves, and is to be replaced.

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "app/handover.h"
#include "base/log.h"

namespace bd::app {
namespace {

// Per turn: whoever floods the name costs little.
constexpr int kNewcomersPerTurn = 4;
constexpr std::size_t kClaimsMax = std::size_t{model::kDoorsMax} * model::kListenersPerDoorMax;

UniqueFd copy_of(int fd) {
  return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

}  // namespace

bool HandoverGiver::open() {
  listener_ = listen_for_handover(name_);
  return is_open();
}

void HandoverGiver::add_to(std::vector<pollfd>& polled) const {
  polled.push_back({listener_.get(), POLLIN, 0});
  const short events = phase_ == Phase::sending ? POLLIN | POLLOUT : POLLIN;
  polled.push_back({peer_.get(), events, 0});
}

void HandoverGiver::tick(TimePoint now, const Source& source) {
  progress(now, source);
  accept_newcomers(now, source);
  const bool waits = phase_ == Phase::asked || phase_ == Phase::sending || phase_ == Phase::shared;
  if (waits && now >= deadline_) return refuse("the new one is not ready in time");
  if (phase_ == Phase::shared && now >= heard_at_ + kSilenceMax) refuse("the new one is silent");
}

void HandoverGiver::accept_newcomers(TimePoint now, const Source& source) {
  for (int i = 0; i < kNewcomersPerTurn && listener_; ++i) {
    UniqueFd newcomer(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!newcomer) return;
    welcome(now, std::move(newcomer));
    progress(now, source);
  }
}

void HandoverGiver::welcome(TimePoint now, UniqueFd newcomer) {
  const auto user = peer_user(newcomer.get());
  std::string why;
  if (user != user_) {
    why = fmt::format("its user is {}, and this one's {}", user ? std::to_string(*user) : "unknown",
                      user_);
    if (now >= stranger_at_) {
      log::warn(fmt::format("hand-over: a process that asks is refused: {}", why));
      stranger_at_ = now + kStrangerEvery;
    }
  } else if (phase_ != Phase::idle) {
    why = "another hand-over is under way";
    log::warn("hand-over: a second process that asks is refused");
  }
  if (!why.empty()) {
    static_cast<void>(send(newcomer.get(), make_record(HandoverStep::refused, 0, why)));
    return;
  }
  peer_ = std::move(newcomer);
  phase_ = Phase::asked;
  deadline_ = now + kAskMax;
}

void HandoverGiver::progress(TimePoint now, const Source& source) {
  if (phase_ == Phase::sending) send_pending(now);
  while (peer_) {
    const HandoverReceived got = receive_handover(peer_.get());
    if (got.status == HandoverReceived::Status::again) return;
    if (phase_ == Phase::given) {
      // Nothing that it says matters any more, but its end does.
      if (got.status == HandoverReceived::Status::closed) peer_.reset();
      continue;
    }
    switch (got.status) {
      case HandoverReceived::Status::again:
        return;
      case HandoverReceived::Status::closed:
        // One that only looked whether somebody is here has said nothing.
        if (phase_ != Phase::asked || !claims_.empty()) {
          log::warn("hand-over: the new one has ended; all goes on here");
        }
        return forget();
      case HandoverReceived::Status::bad:
        return refuse(got.why);
      case HandoverReceived::Status::ok:
        take(now, got.record, source);
    }
  }
}

void HandoverGiver::take(TimePoint now, const HandoverRecord& record, const Source& source) {
  heard_at_ = now;
  if (phase_ == Phase::asked && record.step == HandoverStep::claim) {
    claims_.push_back({std::string(get_text(record.door)), std::string(get_text(record.listener)),
                       std::string(get_text(record.address))});
    if (claims_.size() > kClaimsMax) refuse("it has too many listeners");
  } else if (phase_ == Phase::asked && record.step == HandoverStep::ask) {
    if (record.count != claims_.size()) return refuse("it sent another number of listeners");
    answer(source);
    if (phase_ == Phase::sending) send_pending(now);
  } else if (phase_ == Phase::shared && record.step == HandoverStep::ready) {
    phase_ = Phase::ready;
  } else if (phase_ != Phase::shared || record.step != HandoverStep::alive) {
    refuse("its records come out of turn");
  }
}

void HandoverGiver::answer(const Source& source) {
  const auto state = std::make_unique<State>();
  if (const std::string why = source(*state); !why.empty()) return refuse(why);
  std::sort(claims_.begin(), claims_.end());
  const std::string differs = difference(listeners_of(*state), claims_);
  if (!differs.empty()) return refuse("its doors are others: " + differs);
  log::info("hand-over: a new process tree asks for the sockets, and gets them");
  phase_ = Phase::sending;
  queue(*state);
}

/// Copies: a door of ours may lose its sockets before all is sent.
void HandoverGiver::queue(const State& state) {
  for (std::size_t i = 0; i < state.door_count; ++i) {
    const StateDoor& door = state.doors[i];
    for (std::size_t at = 0; at < door.listener_count; ++at) {
      const StateListener& listener = door.listeners[at];
      HandoverRecord record = make_record(HandoverStep::socket);
      record.door = door.name;
      record.listener = listener.name;
      record.address = listener.address;
      for (std::uint32_t n = 0; n < listener.count; ++n) {
        pending_.push_back({record, copy_of(listener.sockets[n])});
      }
    }
  }
  pending_.push_back({make_record(HandoverStep::probes), copy_of(state.probes)});
  const auto count = static_cast<std::uint32_t>(pending_.size());
  pending_.push_back({make_record(HandoverStep::all, count), UniqueFd()});
}

void HandoverGiver::send_pending(TimePoint now) {
  while (!pending_.empty()) {
    const Pending& next = pending_.front();
    switch (send(peer_.get(), next.record, next.fd.get())) {
      case feed::SendStatus::full:
        return;
      case feed::SendStatus::closed:
        log::warn("hand-over: the new one has ended; all goes on here");
        return forget();
      case feed::SendStatus::ok:
        pending_.pop_front();
    }
  }
  phase_ = Phase::shared;
  heard_at_ = now;
  deadline_ = now + kReadyMax;
}

void HandoverGiver::refuse(const std::string& why) {
  log::error(fmt::format("hand-over: refused: {}; all goes on here", why));
  static_cast<void>(send(peer_.get(), make_record(HandoverStep::refused, 0, why)));
  forget();
}

void HandoverGiver::forget() {
  peer_.reset();
  pending_.clear();
  claims_.clear();
  phase_ = Phase::idle;
}

void HandoverGiver::give() {
  // First the name, which the new one takes when it hears.
  listener_.reset();
  static_cast<void>(send(peer_.get(), make_record(HandoverStep::yours)));
  phase_ = Phase::given;
}

void HandoverGiver::close() {
  if (phase_ == Phase::given) return;
  listener_.reset();
  if (phase_ != Phase::idle) refuse("this one is about to end");
}

bool HandoverGiver::is_orphaned(TimePoint now) {
  if (peer_) seen_at_ = now;
  if (phase_ != Phase::given || peer_ || now < look_at_) return false;
  look_at_ = now + std::chrono::seconds(1);
  if (somebody_serves(name_, user_)) seen_at_ = now;
  return now - seen_at_ >= kOrphanMax;
}

}  // namespace bd::app
