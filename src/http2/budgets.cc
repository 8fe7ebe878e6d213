#include "http2/budgets.h"

namespace bd::http2 {

bool TokenBucket::take(TimePoint now) {
  if (now > filled_) {
    // The first call only starts the clock: the bucket is full.
    if (filled_ != TimePoint{} && tokens_ < rate_.burst) {
      const std::chrono::duration<double> passed = now - filled_;
      tokens_ = std::min(tokens_ + passed.count() * rate_.per_second, rate_.burst);
    }
    filled_ = now;
  }
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

template <class Visit>
void Budgets::each(Visit visit) {
  for (Chatter* chatter : {&ping_, &settings_, &priority_, &reset_, &window_update_, &empty_data_,
                           &late_headers_, &unknown_}) {
    visit(*chatter);
  }
}

void Budgets::sent() {
  each([](Chatter& chatter) { chatter.bucket.earn(chatter.rate.per_frame_sent); });
}

const char* Budgets::receive_headers(const FrameHead& frame, bool draining, TimePoint now) {
  if (frame.stream > last_stream_ && !draining) {
    last_stream_ = frame.stream;
    each([](Chatter& chatter) { chatter.bucket.earn(chatter.rate.per_stream); });
    return nullptr;
  }
  return late_headers_.bucket.take(now) ? nullptr : "HEADERS of no open stream";
}

const char* Budgets::receive(const FrameHead& frame, bool draining, TimePoint now) {
  const auto pay = [&](Chatter& chatter, const char* flood) {
    return chatter.bucket.take(now) ? nullptr : flood;
  };
  switch (static_cast<FrameType>(frame.type)) {
    case FrameType::data:
      if (frame.length > 0 || (frame.flags & kEndStream) != 0) return nullptr;
      return pay(empty_data_, "empty DATA flood");
    case FrameType::headers:
      return receive_headers(frame, draining, now);
    case FrameType::priority:
      return pay(priority_, "PRIORITY flood");
    case FrameType::rst_stream:
      return pay(reset_, "RST_STREAM flood");
    case FrameType::settings:
      return (frame.flags & kAck) != 0 ? nullptr : pay(settings_, "SETTINGS flood");
    case FrameType::ping:
      // An answer that nobody asked for is as idle as a question.
      return pay(ping_, "PING flood");
    case FrameType::window_update:
      return pay(window_update_, "WINDOW_UPDATE flood");
    case FrameType::continuation:  // Counted per section.
    case FrameType::push_promise:  // A connection error.
      return nullptr;
    case FrameType::goaway:  // One is a farewell.
      break;
  }
  return pay(unknown_, "flood of unknown frames");
}

const char* Budgets::padding_only(TimePoint now) {
  return empty_data_.bucket.take(now) ? nullptr : "flood of padding";
}

const char* Budgets::premature_death(TimePoint now) {
  return premature_deaths_.take(now) ? nullptr : "streams that die before their response";
}

}  // namespace bd::http2
