#pragma once
// mux/ answers: what is new on the streams of one HTTP/2 connection? It joins a socket to an
// http2::Connection and its streams to the coroutines that wait for them. It makes no request and
// no answer.
//
// All that the streams say in one turn of the loop goes out together, at its end.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "http2/connection.h"
#include "net/stream.h"
#include "rt/reactor.h"

namespace bd::mux {

class Connection;

/// One stream, as its exchange sees it. Held by the exchange and, until it is closed, by its
/// connection.
class Stream {
 public:
  explicit Stream(Connection& connection) : connection_(&connection) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Who is woken by news; null: nobody.
  rt::Waiter* waiter = nullptr;
  /// Heads that were not taken yet: one of a request; of a response also the interim ones before.
  std::deque<http2::Head> heads;
  std::optional<http2::Head> trailers;

  /// Bytes of the body that are here.
  [[nodiscard]] std::string_view inbound() const noexcept {
    return std::string_view(inbound_).substr(consumed_);
  }
  void consume(std::size_t n);
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  /// The peer's half is complete: nothing follows inbound() but trailers.
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// Nothing comes or goes any more.
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// Of a stream that closed before both halves were complete.
  [[nodiscard]] std::uint32_t error() const noexcept { return error_; }
  /// The connection ended, and the stream with it.
  [[nodiscard]] bool lost() const noexcept { return lost_; }
  /// The peer refused the stream before it reached the application.
  [[nodiscard]] bool refused() const noexcept { return closed_ && error_ == kRefusedStream; }

  void submit_head(int status, std::span<const http::Field> fields, bool end);
  [[nodiscard]] std::size_t write(std::string_view data);
  void finish(std::span<const http::Field> trailers = {});
  void reset(std::uint32_t error_code);
  /// write() would take something.
  [[nodiscard]] bool takes_bytes() const;

  // RFC 9113 §7.
  static constexpr std::uint32_t kNoError = 0, kProtocolError = 1, kInternalError = 2,
                                 kRefusedStream = 7, kCancel = 8;

 private:
  friend class Connection;
  Connection* connection_;  // Null: gone.
  std::int32_t id_ = 0;
  std::string inbound_;
  std::size_t consumed_ = 0;
  std::uint64_t received_ = 0;
  std::uint32_t error_ = 0;
  bool ended_ = false;
  bool closed_ = false;
  bool lost_ = false;
  bool has_news_ = false;
};

/// Who has a connection.
class Owner {
 public:
  /// Server role: a request came. Called from within on_event(): spawn, and do not end the
  /// connection.
  virtual void on_stream(std::shared_ptr<Stream> stream) = 0;
  /// The connection can do no more; its streams were told. Called once, last of all.
  virtual void on_end() = 0;
  /// Keeps the connection alive while it tells its streams, if one of them could end it.
  virtual std::shared_ptr<void> hold() = 0;

 protected:
  ~Owner() = default;
};

class Connection final : public rt::EventSink, private http2::Handler, private rt::Deferred {
 public:
  /// `stream` is connected, and outlives this. Its events are taken over.
  Connection(rt::Reactor& reactor, net::Stream& stream, http2::Role role,
             const http2::Options& options, Owner& owner);
  ~Connection();

  /// Bytes that were read from the socket before.
  void begin(std::string_view bytes);
  /// Client role. Null: it takes no more streams.
  [[nodiscard]] std::shared_ptr<Stream> open(std::span<const http::Field> fields, bool end);
  [[nodiscard]] bool can_open() const { return !over_ && http2_.can_open(); }

  /// Drain: no new streams soon, and none at all.
  void announce_shutdown();
  void shutdown();
  /// Gives up: all streams are told that they are closed.
  void abandon();
  /// Wakes whoever waits for a stream.
  void wake_all();

  [[nodiscard]] bool over() const noexcept { return over_; }
  [[nodiscard]] std::size_t stream_count() const noexcept { return streams_.size(); }
  /// A budget was spent (http2/budgets.h).
  [[nodiscard]] bool abuse() const { return http2_.abuse(); }
  /// Since something came or went.
  [[nodiscard]] rt::Instant last_progress() const noexcept { return last_progress_; }
  /// Bytes that wait for the peer's socket.
  [[nodiscard]] bool is_clogged() const noexcept { return !out_.empty(); }

  /// Bytes that wait here for one side or the other.
  [[nodiscard]] std::size_t held() const;

  void on_event() override;

 private:
  friend class Stream;
  void on_head(std::int32_t stream, http2::Head head, bool end) override;
  void on_data(std::int32_t stream, std::string_view data) override;
  void on_trailers(std::int32_t stream, http2::Head trailers) override;
  void on_end(std::int32_t stream) override;
  void on_writable(std::int32_t stream) override;
  void on_closed(std::int32_t stream, std::uint32_t error_code) override;
  void on_turn_end() override { flush(); }

  void receive(std::string_view bytes);
  /// False: the socket gives no more now.
  bool read_once();
  void flush();
  bool write_out();
  void tell();
  void news(const std::shared_ptr<Stream>& stream);
  void end();

  net::Stream& stream_;
  http2::Role role_;
  Owner& owner_;
  http2::Connection http2_;
  std::unordered_map<std::int32_t, std::shared_ptr<Stream>> streams_;
  std::vector<std::shared_ptr<Stream>> news_;
  std::string out_;  // Was pulled, and waits for the socket.
  rt::Instant last_progress_;
  bool dying_ = false;  // What is left in out_ goes out, then it is over.
  bool over_ = false;
};

}  // namespace bd::mux
