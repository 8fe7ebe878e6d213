#pragma once
// One request and its response, whatever protocols the two sides speak. Every early exit is a
// Cause, and respond.cc alone turns one into a response.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "decide/decide.h"
#include "decide/rewrite.h"
#include "proxy/client.h"
#include "proxy/h1_lease.h"
#include "proxy/h2_lease.h"
#include "rt/task.h"
#include "upstream/upstream.h"

namespace bd::proxy {

class Exchange {
 public:
  explicit Exchange(Client& client);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// The head was read.
  rt::Task<Outcome> run();
  /// It could not be.
  rt::Task<Outcome> refuse(decide::Cause cause);

 private:
  using Cause = decide::Cause;
  /// How one try at an upstream ended.
  struct Attempt {
    /// `unprocessed` may be tried again by anybody, `unheard` within the budget of retries.
    enum class Kind : std::uint8_t { finished, unprocessed, unheard, failed } kind;
    Cause cause = Cause::none;
    Outcome outcome = Outcome::close;
    bool was_pooled = false;
  };

  rt::Task<Outcome> answer(Cause cause);
  rt::Task<Outcome> forward();
  [[nodiscard]] Cause find_upstream();
  rt::Task<Outcome> try_endpoints();
  [[nodiscard]] bool may_try_again(const Attempt& result);
  void judge_endpoint(int status);
  void judge_endpoint(const Attempt& result);
  [[nodiscard]] std::string sticky_cookie() const;
  rt::Task<Attempt> attempt();
  rt::Task<Cause> lease_h1();
  rt::Task<Cause> lease_h2();
  rt::Task<Cause> share(std::shared_ptr<upstream::Shared>& out);
  rt::Task<Cause> connect(std::unique_ptr<upstream::Connection>& out);
  void end_lease();
  [[nodiscard]] bool is_misdirected() const;
  rt::Task<Attempt> relay();
  rt::Task<Attempt> tunnel();

  std::optional<Attempt> step_request(bool& moved);
  std::optional<Attempt> step_response_head(bool& moved);
  std::optional<Attempt> step_response_body(bool& moved);
  void start_response();
  [[nodiscard]] bool start_tunnel();
  Attempt upstream_lost();
  Attempt finish_response();
  Attempt fail_attempt(Cause cause);
  Attempt timed_out();
  [[nodiscard]] rt::Instant deadline();
  [[nodiscard]] rt::Instant body_deadline();
  void forward_interim();
  void prepare_upstream_head();
  [[nodiscard]] decide::Request request() const;

  [[nodiscard]] rt::Instant now() const { return worker_.reactor().now(); }
  void count(telemetry::Counter counter, std::uint64_t n = 1) { worker_.stats().add(counter, n); }
  void count_status(int status);

  Client& client_;
  Worker& worker_;
  model::Timeouts timeouts_;
  std::size_t response_head_max_;
  rt::Instant started_;

  decide::Decision decision_;
  decide::RequestId id_;
  http::Method method_ = http::Method::other;
  decide::BodyFraming body_;  // Of the request.
  bool expects_continue_ = false;
  bool is_idempotent_ = false;
  bool wants_websocket_ = false;
  bool is_h2_ = false;  // The upstream speaks HTTP/2.
  std::string client_certificate_;
  std::string websocket_key_;
  std::string upstream_head_;        // Over HTTP/1.
  http::FieldList upstream_fields_;  // Over HTTP/2.

  std::shared_ptr<upstream::Upstream> upstream_;
  upstream::Affinity affinity_;
  std::shared_ptr<upstream::Endpoint> endpoint_;            // Of the attempt that is going on.
  std::vector<std::shared_ptr<upstream::Endpoint>> tried_;  // Before it.
  std::optional<upstream::Held<&upstream::Load::end_retry>> retry_;

  std::optional<H1Lease> h1_lease_;  // One of the two, or none;
  std::optional<H2Lease> h2_lease_;
  Lease* lease_ = nullptr;         // this one.
  Sink* response_sink_ = nullptr;  // The response has begun.
  bool is_tunnel_ = false;
  rt::Instant total_deadline_ = rt::kNever;
  rt::Instant last_progress_;
  rt::Instant body_due_from_;         // The client's time for its body counts from then.
  rt::Instant answer_awaited_since_;  // The request was sent then, or an interim response came.
  std::uint32_t interim_count_ = 0;
};

}  // namespace bd::proxy
