#pragma once
// One request and its response. Every early exit is a Cause, and respond.cc alone turns one into a
// response.

#include <memory>
#include <optional>
#include <string>

#include "decide/decide.h"
#include "decide/rewrite.h"
#include "http1/head.h"
#include "proxy/pump.h"
#include "proxy/session.h"
#include "rt/task.h"
#include "upstream/upstream.h"

namespace bd::proxy {

/// What becomes of the client's connection.
enum class Outcome : std::uint8_t { keep, linger, close, reset };

class Exchange {
 public:
  explicit Exchange(Session& session);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  rt::Task<Outcome> run();

 private:
  using Cause = decide::Cause;
  /// How one try at an upstream ended.
  struct Attempt {
    enum class Kind : std::uint8_t { finished, again, failed } kind;
    Cause cause = Cause::none;
    Outcome outcome = Outcome::close;
  };

  rt::Task<Cause> read_head();
  rt::Task<Outcome> answer(Cause cause);
  rt::Task<Outcome> forward();
  enum class Use : std::uint8_t { pool, fresh };
  rt::Task<Attempt> attempt(upstream::Endpoint& endpoint, Use use);
  rt::Task<Cause> connect(upstream::Endpoint& endpoint);
  rt::Task<Attempt> relay(upstream::Endpoint& endpoint);
  rt::Task<bool> write_all(std::string_view bytes);

  std::optional<Attempt> step_request(bool& moved);
  std::optional<Attempt> step_response_head(bool& moved);
  std::optional<Attempt> step_response_body(bool& moved);
  void start_response();
  std::optional<Attempt> upstream_lost();
  Attempt finish_response(upstream::Endpoint& endpoint);
  Attempt fail_attempt(Cause cause);
  Attempt timed_out();
  [[nodiscard]] rt::Instant deadline() const;
  void forward_interim();
  void prepare_upstream_head();

  [[nodiscard]] rt::Instant now() const { return worker_.reactor().now(); }
  void count(telemetry::Counter counter, std::uint64_t n = 1) { worker_.stats().add(counter, n); }
  void count_status(int status);

  Session& session_;
  Worker& worker_;
  net::Stream& client_;
  std::shared_ptr<const decide::Listener> listener_;  // Pinned until the response's head.
  model::Timeouts timeouts_;
  std::size_t response_head_max_;
  rt::Instant started_;

  http1::RequestHead request_;
  std::size_t head_size_ = 0;
  decide::Decision decision_;
  decide::RequestId id_;

  std::unique_ptr<upstream::Connection> connection_;
  Pump request_pump_;
  Buffer from_upstream_;
  std::optional<http1::ResponseParser> response_parser_;
  std::optional<Pump> response_pump_;
  http1::ResponseHead response_;
  rt::Instant last_progress_;
  rt::Instant answer_awaited_since_;  // The request was sent then, or an interim response came.
  bool client_persists_ = false;      // As far as the request says.
  bool client_is_http10_ = false;
  bool is_head_ = false;
  bool is_idempotent_ = false;
  bool response_reusable_ = false;  // The upstream's connection survives this response.
  bool closing_ = false;            // `Connection: close` was announced.
  std::uint32_t interim_count_ = 0;
  std::string interim_left_;  // Of an interim response that the client was too slow to take.
};

}  // namespace bd::proxy
