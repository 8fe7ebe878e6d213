#pragma once
// One HTTP/1 exchange as its client sees it.

#include <string>

#include "proxy/client.h"
#include "proxy/h1_sink.h"
#include "proxy/h1_source.h"
#include "proxy/session.h"

namespace bd::proxy {

class H1Client final : public Client, private Cargo {
 public:
  explicit H1Client(Session& session);
  ~H1Client();

  /// Reads until the head is complete. Cause::none: head() holds it. `silent()` after a failure:
  /// nobody is there to be told.
  rt::Task<decide::Cause> read_head();
  [[nodiscard]] bool is_silent() const noexcept { return silent_; }

  [[nodiscard]] const RequestHead& head() const override { return head_; }
  void release_head() override;
  [[nodiscard]] Source& body() override { return body_; }
  void interim(const decide::ResponseRewrite& response) override;
  [[nodiscard]] Sink& respond(const decide::ResponseRewrite& response, bool ended) override;
  void begin_tunnel() override { body_.start({http1::Framing::Kind::until_close, 0}); }
  rt::Task<Outcome> answer(OwnAnswer own) override;
  [[nodiscard]] Outcome finish(bool request_ended) const override;
  [[nodiscard]] bool is_gone() override { return session_.client.handle().broken; }
  [[nodiscard]] bool takes_bytes() override { return session_.client.handle().writable; }

 private:
  /// Its own buffer is the session's; the other is that of the lease.
  [[nodiscard]] std::size_t held() const override { return model::kRelayBuffer + sink_.held(); }
  [[nodiscard]] decide::Cause take_head();
  rt::Task<bool> write_all(std::string_view bytes);

  Session& session_;
  http1::RequestHead parsed_;
  RequestHead head_;
  std::size_t head_size_ = 0;
  H1Source body_;
  H1Sink sink_;
  std::string response_head_;
  std::string interim_left_;  // Of an interim response that the client was too slow to take.
  bool persists_ = false;     // As far as the request says.
  bool is_http10_ = false;
  bool takes_trailers_ = false;
  bool closing_ = false;  // `Connection: close` was announced.
  bool silent_ = false;
};

}  // namespace bd::proxy
