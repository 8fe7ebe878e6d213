#pragma once
// One stream of a client's HTTP/2 connection.

#include "mux/connection.h"
#include "proxy/client.h"
#include "proxy/h2_body.h"

namespace bd::proxy {

class H2Client final : public Client {
 public:
  /// `stream` holds one head. `waiter` is the stream's own.
  H2Client(Session& session, std::shared_ptr<mux::Stream> stream, rt::Waiter& wakes);
  /// A stream that is not complete is reset.
  ~H2Client();

  /// What is wrong with the head; none: it can be served.
  [[nodiscard]] decide::Cause judge_head() const;

  [[nodiscard]] const RequestHead& head() const override { return head_; }
  void release_head() override;
  [[nodiscard]] Source& body() override { return body_; }
  void interim(const decide::ResponseRewrite& response) override;
  [[nodiscard]] Sink& respond(const decide::ResponseRewrite& response, bool ended) override;
  void begin_tunnel() override { body_.start(0); }
  rt::Task<Outcome> answer(OwnAnswer own) override;
  [[nodiscard]] Outcome finish(bool) const override { return Outcome::keep; }
  [[nodiscard]] bool is_gone() override { return stream_->closed(); }
  [[nodiscard]] bool takes_bytes() override { return stream_->takes_bytes(); }

 private:
  void take_head();

  std::shared_ptr<mux::Stream> stream_;
  http2::Head received_;
  RequestHead head_;
  H2Source body_;
  H2Sink sink_;
  bool is_tunnel_ = false;  // Extended CONNECT.
};

}  // namespace bd::proxy
