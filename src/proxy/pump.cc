#include "proxy/pump.h"

namespace bd::proxy {
namespace {

// Of one buffer, or one chunk of a peer that sends small ones: with a thousand fast downloads at
// once, everybody else still has a turn after some 20 ms.
constexpr int kRounds = 8;

}  // namespace

bool pump(Source& source, Sink& sink) {
  const std::uint64_t before = source.received() + sink.sent();
  const auto source_before = source.state();
  const auto sink_before = sink.state();
  for (int rounds = 0; rounds < kRounds && sink.state() == Sink::State::open; ++rounds) {
    if (net::Pipe* const pipe = source.is_bulk() ? sink.pipe() : nullptr) {
      if (pipe->empty()) source.fill(*pipe);
      sink.flush();
      break;
    }
    const Run run = source.next();
    if (run.data.empty() && !run.last) {
      sink.flush();
      break;
    }
    const std::size_t taken = sink.put(run.data, run.last, run.last ? source.trailers() : nullptr);
    source.consume(taken);
    if (taken == 0) break;
  }
  return source.received() + sink.sent() != before || source.state() != source_before ||
         sink.state() != sink_before;
}

}  // namespace bd::proxy
