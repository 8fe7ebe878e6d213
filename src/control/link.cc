#include "control/link.h"

#include <utility>

namespace bd::control {

using namespace std::chrono_literals;

Link::Link(rt::Reactor& reactor, std::string door, std::uint64_t epoch, Keep keep)
    : reactor_(reactor), door_(std::move(door)), epoch_(epoch), keep_(std::move(keep)) {}

void Link::attach(UniqueFd socket) {
  handle_.detach();
  sender_ = std::make_unique<feed::Sender>(std::move(socket), door_, epoch_);
  if (!handle_.attach(reactor_, sender_->fd())) {
    sender_.reset();
    return;
  }
  handle_.set_sink(this);
  if (state_ && !is_held(*state_)) sender_->update(state_, generation_);
  after_io();
}

void Link::attach_stats(int memfd) { stats_ = telemetry::map_stats(memfd, false); }

/// A state with the same hosts as the poison is the poison, whatever its number: an endpoint change must not bring
/// it back.
bool Link::is_held(const snapshot::Door& state) const {
  return poison_ && poison_->hosts == state.hosts && poison_->exposure == state.exposure;
}

void Link::update(std::shared_ptr<const snapshot::Door> state, std::uint64_t generation) {
  state_ = std::move(state);
  generation_ = generation;
  if (is_held(*state_)) return;
  poison_.reset();
  quarantined_generation_ = 0;
  if (!is_connected()) return;
  sender_->update(state_, generation_);
  after_io();
}

void Link::update_endpoints(std::shared_ptr<const snapshot::Door> state, std::uint64_t generation,
                            std::span<const std::string> upstreams) {
  state_ = std::move(state);
  generation_ = generation;
  if (is_held(*state_) || !is_connected()) return;
  sender_->update_endpoints(state_, generation_, upstreams);
  after_io();
}

void Link::quarantine(std::uint64_t generation) {
  quarantined_generation_ = generation;
  poison_ = state_;
}

std::string Link::refusal() const {
  if (!sender_ || !sender_->refusal()) return "";
  return fmt::format("{}: {}", sender_->refusal()->object, sender_->refusal()->reason);
}

void Link::on_event() {
  if (!sender_) return;
  sender_->on_readable();
  if (sender_->is_open()) sender_->on_writable();
  after_io();
}

void Link::after_io() {
  if (!sender_->is_open()) {
    handle_.detach();
    return;
  }
  if (sender_->acked_generation() == acked_generation_) return;
  acked_generation_ = sender_->acked_generation();
  if (reactor_.now() - kept_at_ >= 1s) {
    keep_now();
  } else {
    reactor_.timers().arm(*this, kept_at_ + 1s);
  }
}

void Link::keep_now() {
  if (!sender_ || sender_->acked_door() == nullptr || kept_generation_ == acked_generation_) return;
  kept_generation_ = acked_generation_;
  kept_at_ = reactor_.now();
  keep_(*sender_->acked_door(), acked_generation_);
}

}  // namespace bd::control
