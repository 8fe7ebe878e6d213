#pragma once
// A connection to an endpoint that speaks HTTP/1.1, borrowed for one exchange.

#include <memory>
#include <optional>

#include "http1/head.h"
#include "proxy/h1_sink.h"
#include "proxy/h1_source.h"
#include "proxy/lease.h"
#include "proxy/worker.h"
#include "upstream/upstream.h"

namespace bd::proxy {

class H1Lease final : public Lease {
 public:
  /// `head` is sent with the first bytes of the body, and stays where it is. `method` is that of
  /// the request.
  H1Lease(Worker& worker, std::shared_ptr<upstream::Endpoint> endpoint,
          std::unique_ptr<upstream::Connection> connection, http::Method method,
          std::string_view head, H1Sink::Framing framing, std::size_t response_head_max);
  ~H1Lease();  ///< What was not released is given up: the endpoint sees an abort.

  [[nodiscard]] Sink& request() override { return sink_; }
  [[nodiscard]] Event read_head(bool& moved) override;
  [[nodiscard]] const ResponseHead& head() const override { return head_; }
  [[nodiscard]] Source& response() override;
  void begin_tunnel() override;
  void release(rt::Duration idle_max) override;
  [[nodiscard]] Loss loss() const override;
  [[nodiscard]] bool was_pooled() const override { return connection_->reused; }
  [[nodiscard]] bool takes_bytes() override { return connection_->stream.handle().writable; }

 private:
  Event parse();
  void take_head();

  Worker& worker_;
  std::shared_ptr<upstream::Endpoint> endpoint_;
  std::unique_ptr<upstream::Connection> connection_;
  http::Method method_;
  std::size_t response_head_max_;
  Buffer in_;
  H1Sink sink_;
  H1Source source_;
  http1::ResponseParser parser_;
  http1::ResponseHead parsed_;
  ResponseHead head_;
  std::size_t head_size_ = 0;  // Of the head that stands in in_, and was told.
  bool heard_ = false;         // It answered something, perhaps an interim response.
};

}  // namespace bd::proxy
