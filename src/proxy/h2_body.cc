#include "proxy/h2_body.h"

#include <algorithm>

#include "decide/rewrite.h"

namespace bd::proxy {

Run H2Source::next() {
  received_ = stream_.received();
  if (body_max_ != 0 && received_ > body_max_) {
    state_ = State::too_large;
    return {};
  }
  const Run run{stream_.inbound(), stream_.ended()};
  // A reset after the end takes nothing away from what came before it.
  if (run.data.empty() && !run.last && stream_.closed()) state_ = State::ended;
  return run;
}

std::size_t H2Sink::put(std::string_view data, bool last, const http::Fields* trailers) {
  flush();
  if (state_ != State::open) return 0;
  const std::size_t taken = data.empty() ? 0 : stream_.write(data);
  sent_ += taken;
  if (!last || taken < data.size()) return taken;
  http::Fields harmless;
  if (trailers != nullptr) {
    std::copy_if(trailers->begin(), trailers->end(), std::back_inserter(harmless),
                 decide::passes_in_trailer);
  }
  stream_.finish(harmless);
  state_ = State::done;
  return taken;
}

}  // namespace bd::proxy
