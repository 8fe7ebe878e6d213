#pragma once
// http2/ answers: what do these bytes of an HTTP/2 connection mean, and which bytes go out? Both
// roles, over nghttp2 (RFC 9113, RFC 7541, RFC 8441). No sockets, no clock of its own, no threads.
//
// It refuses what a peer may not do, and counts what a peer may do but never does that often: see
// budgets.h. Whatever a stream dies of before its response, and whoever reset it, costs the peer.
//
//   bytes -> receive() -> Handler            submit, write, finish, reset -> pull() -> bytes
//
// All streams of a client get an equal share of what goes out; priority signals are ignored.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http2/budgets.h"
#include "http2/frame_scanner.h"
#include "http2/head.h"
#include "http2/options.h"
#include "http2/stream.h"

struct nghttp2_session;

namespace bd::http2 {

/// Hears of the peer's doings. All but on_writable and on_closed come from receive() only; those
/// two come from receive() or pull(), last of all that the call does. Each may call everything of
/// the Connection but receive(), pull() and the destructor, for any stream, also to reset this one.
class Handler {
 public:
  /// Also interim responses (client role). `end`: no body and no trailers; on_end follows at once.
  virtual void on_head(std::int32_t stream, Head head, bool end) = 0;
  virtual void on_data(std::int32_t stream, std::string_view data) = 0;
  virtual void on_trailers(std::int32_t stream, Head trailers) = 0;  ///< on_end follows.
  virtual void on_end(std::int32_t stream) = 0;  ///< The peer's half is complete. Exactly once.
  /// write() took less than it was offered, and there is room again.
  virtual void on_writable(std::int32_t stream) = 0;
  /// Exactly once per stream that on_head or submit_request made known, also when the connection
  /// fails; but not from the destructor. Nothing else is heard of the stream after it, and calls
  /// for it do nothing. 0: both halves are complete (client role: the response is), or
  /// reset(NO_ERROR) was asked for.
  virtual void on_closed(std::int32_t stream, std::uint32_t error_code) = 0;

 protected:
  ~Handler() = default;
};

class Connection {
 public:
  Connection(Role role, const Options& options, Handler& handler);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Eats bytes of the peer. False: the connection is over; send what pull() still gives (GOAWAY),
  /// then close. A `now` that is before that of the last call counts as that.
  [[nodiscard]] bool receive(std::string_view bytes, TimePoint now);
  /// Appends bytes to send to `out`, until it holds about `max` (at most a frame more) or there are
  /// no more. False if nothing was added. Look at finished() after it.
  bool pull(std::string& out, std::size_t max);
  /// Nothing will ever come or go any more (GOAWAY sent or received, all streams done).
  [[nodiscard]] bool finished() const;
  /// Why we ended the connection; null if we did not. Static text.
  [[nodiscard]] const char* fault() const { return fault_; }
  /// A budget was spent: the peer attacks, or behaves as if.
  [[nodiscard]] bool abuse() const { return abuse_; }

  /// Client role: opens a stream. `fields` begin with the pseudo-fields; all names are sent in
  /// lower case. -1: no stream can be opened now (see can_open()).
  [[nodiscard]] std::int32_t submit_request(std::span<const http::Field> fields, bool end);
  /// Server role. `status` 1xx: interim, `end` must be false. Once for the final one.
  void submit_head(std::int32_t stream, int status, std::span<const http::Field> fields, bool end);
  /// Body bytes; returns how many were taken (they are copied). Before the final submit_head() and
  /// after finish(): 0.
  [[nodiscard]] std::size_t write(std::int32_t stream, std::string_view data);
  /// END_STREAM after what was written; with trailers if there are any. Idempotent.
  void finish(std::int32_t stream, std::span<const http::Field> trailers = {});
  /// The handler hears nothing more of the stream but on_closed. With NO_ERROR after finish()
  /// (server role: the rest of the request is not wanted, RFC 9113 §8.1) the response goes out
  /// first.
  void reset(std::int32_t stream, std::uint32_t error_code);
  /// `n` bytes of on_data were passed on: the peer may send as many more on this stream. (The
  /// connection's window is opened as bytes arrive, so that a slow stream never stalls the others.)
  void consume(std::int32_t stream, std::size_t n);
  /// Bytes taken by write() that the peer's window has not let out yet.
  [[nodiscard]] std::size_t outbound(std::int32_t stream) const;

  /// Drain, server role: GOAWAY(2^31-1) now, which promises nothing yet.
  void announce_shutdown();
  /// GOAWAY(last stream): later streams are not served, open ones finish.
  void shutdown();
  void ping();

  [[nodiscard]] std::uint32_t open_streams() const {
    return static_cast<std::uint32_t>(streams_.size());
  }
  /// Client role: may submit_request() be called now?
  [[nodiscard]] bool can_open() const;
  [[nodiscard]] bool peer_going_away() const { return peer_going_away_; }

 private:
  friend struct Callbacks;  // callbacks.cc: what nghttp2 calls.

  struct Closed {
    std::int32_t stream;
    std::uint32_t error_code;
  };

  struct Verdict {
    const char* fault = nullptr;  // Null: the frame may come.
    std::uint32_t error_code = kEnhanceYourCalm;
    bool abuse = true;
  };

  void start();
  /// Hands what may pass the budgets to nghttp2.
  void feed(std::string_view bytes);
  [[nodiscard]] Verdict judge(const FrameHead& frame);
  /// Ends the connection with GOAWAY, unless it has ended.
  void end(std::uint32_t error_code, const char* fault, bool abuse);
  void stage();
  void tell();
  void resume(std::int32_t id, Stream& stream);
  void let_out(std::int32_t id, Stream& stream);
  /// The stream dies before its response, and the peer is to blame. Costs once.
  void blame(Stream& stream);
  void spend_death();
  void stream_closed(std::int32_t id, std::uint32_t error_code);
  [[nodiscard]] Stream* find(std::int32_t stream);
  [[nodiscard]] const Stream* find(std::int32_t stream) const;

  Role role_;
  bool over_ = false;
  bool broken_ = false;  // nghttp2 can send no more.
  bool abuse_ = false;
  bool shut_down_ = false;
  bool staging_ = false;
  bool peer_going_away_ = false;
  const char* fault_ = nullptr;
  std::uint32_t error_code_ = 0;
  std::uint32_t continuations_ = 0;
  Options options_;
  Handler& handler_;
  nghttp2_session* session_ = nullptr;
  TimePoint now_{};
  FrameScanner scanner_;
  HeadBuilder builder_;
  std::unique_ptr<Budgets> budgets_;  // Server role only.
  StreamMap streams_;
  std::vector<Closed> closed_;          // To be told.
  std::vector<std::int32_t> writable_;  // To be told.
  std::string staged_;                  // Bytes to send before what nghttp2 holds.
  std::string* out_ = nullptr;          // Of the pull() that runs,
  std::size_t out_max_ = 0;             // and its bound.
};

}  // namespace bd::http2
