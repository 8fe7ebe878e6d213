#include "rt/timer.h"

#include <algorithm>

namespace bd::rt {

void Timer::unlink() noexcept {
  if (link_ == nullptr) return;
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  link_ = nullptr;
  next_ = nullptr;
}

TimerWheel::~TimerWheel() {
  for (Timer* head : slots_) {
    while (head != nullptr) {
      Timer* timer = head;
      head = head->next_;
      timer->link_ = nullptr;
      timer->next_ = nullptr;
    }
  }
}

void TimerWheel::link(Timer& timer, std::int64_t tick) {
  const auto slot = static_cast<std::size_t>(tick) % kSlots;
  timer.slot_tick_ = tick;
  timer.next_ = slots_[slot];
  timer.link_ = &slots_[slot];
  if (timer.next_ != nullptr) timer.next_->link_ = &timer.next_;
  slots_[slot] = &timer;
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void TimerWheel::arm(Timer& timer, Instant deadline) {
  timer.deadline_ = deadline;
  if (deadline == kNever) return;
  // One tick up, so that it never fires early; at most one round ahead, where it is looked at
  // again.
  const std::int64_t due = std::max(tick_of(deadline) + 1, current_ + 1);
  const std::int64_t tick = std::min(due, current_ + static_cast<std::int64_t>(kSlots) - 1);
  if (timer.link_ != nullptr) {
    if (timer.slot_tick_ <= tick) return;  // It will be looked at in time: one store was enough.
    timer.unlink();
  }
  link(timer, tick);
}

void TimerWheel::run_slot(std::int64_t tick, Instant now) {
  const auto slot = static_cast<std::size_t>(tick) % kSlots;
  if ((occupied_[slot / 64] & (std::uint64_t{1} << (slot % 64))) == 0) return;
  occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  // Take the whole list first: a timer that fires may arm others, also into this slot.
  Timer* list = slots_[slot];
  slots_[slot] = nullptr;
  if (list != nullptr) list->link_ = &list;
  while (list != nullptr) {
    Timer* timer = list;
    timer->unlink();
    if (timer->deadline_ == kNever) continue;
    if (timer->deadline_ > now) {
      arm(*timer, timer->deadline_);
      continue;
    }
    timer->deadline_ = kNever;
    timer->on_timer();
  }
}

void TimerWheel::advance(Instant now) {
  const std::int64_t target = tick_of(now);
  if (target - current_ > static_cast<std::int64_t>(kSlots)) {
    current_ =
        target - static_cast<std::int64_t>(kSlots);  // A long sleep: one round sees every slot.
  }
  while (current_ < target) {
    ++current_;
    run_slot(current_, now);
  }
}

Instant TimerWheel::next() const {
  const auto first = static_cast<std::size_t>(current_ + 1) % kSlots;
  for (std::size_t word = 0; word <= kSlots / 64; ++word) {
    const std::size_t index = (first / 64 + word) % (kSlots / 64);
    std::uint64_t bits = occupied_[index];
    if (word == 0) bits &= ~std::uint64_t{0} << (first % 64);
    if (word == kSlots / 64) bits &= ~(~std::uint64_t{0} << (first % 64));
    if (bits == 0) continue;
    const std::size_t slot = index * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    const std::size_t ahead = (slot + kSlots - first) % kSlots;
    return start_ + kTick * (current_ + 1 + static_cast<std::int64_t>(ahead));
  }
  return kNever;
}

}  // namespace bd::rt
