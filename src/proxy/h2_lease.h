#pragma once
// A stream of an endpoint's HTTP/2 connection, borrowed for one exchange.

#include <memory>

#include "proxy/h2_body.h"
#include "proxy/lease.h"
#include "upstream/shared.h"

namespace bd::proxy {

class H2Lease final : public Lease {
 public:
  /// `stream` was opened with the request's head; `ended`: that was all of the request.
  H2Lease(std::shared_ptr<upstream::Shared> shared, std::shared_ptr<mux::Stream> stream,
          rt::Waiter& waiter, bool ended);
  ~H2Lease();  ///< The same: the stream is cancelled.

  [[nodiscard]] Sink& request() override { return sink_; }
  [[nodiscard]] Event read_head(bool& moved) override;
  [[nodiscard]] const ResponseHead& head() const override { return head_; }
  [[nodiscard]] Source& response() override { return source_; }
  void begin_tunnel() override {}  // A 101 is no answer in HTTP/2 (RFC 9113 §8.6).
  void release(rt::Duration) override {}
  [[nodiscard]] Loss loss() const override;
  [[nodiscard]] bool was_pooled() const override { return stream_->lost(); }
  [[nodiscard]] bool takes_bytes() override { return stream_->takes_bytes(); }

 private:
  void take_head();

  std::shared_ptr<upstream::Shared> shared_;
  std::shared_ptr<mux::Stream> stream_;
  H2Source source_;
  H2Sink sink_;
  http2::Head received_;
  ResponseHead head_;
  bool heard_ = false;
};

}  // namespace bd::proxy
