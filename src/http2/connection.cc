#include "http2/connection.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "base/check.h"
#include "http2/callbacks.h"

namespace bd::http2 {
namespace {

constexpr std::size_t kPrefaceSize = 24;  // RFC 9113 §3.4
constexpr std::uint32_t kConnectionWindowMax = 16 << 20;
constexpr std::uint32_t kInitialWindow = 65'535;  // RFC 9113 §6.9.2; the connection's can't shrink.
constexpr std::size_t kStagedMax = 16 << 10;

std::uint8_t* bytes_of(std::string_view text) {
  // nghttp2 takes no const, and copies.
  return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
}

std::uint32_t clamp_window(std::uint64_t size) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(size, NGHTTP2_MAX_WINDOW_SIZE));
}

}  // namespace

Connection::Connection(Role role, const Options& options, Handler& handler)
    : role_(role),
      options_(options),
      handler_(handler),
      scanner_(role == Role::server ? kPrefaceSize : 0),
      ids_(role == Role::server),
      builder_(options),
      budgets_(role == Role::server ? std::make_unique<Budgets>() : nullptr) {
  session_ = Callbacks::make_session(*this, role);
  start();
}

Connection::~Connection() {
  over_ = true;
  nghttp2_session_del(session_);
}

/// Our settings, and a connection window that all streams together can't fill.
void Connection::start() {
  nghttp2_settings_entry settings[5] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, role_ == Role::server ? options_.streams_max : 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, clamp_window(options_.stream_window)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, clamp_window(options_.head_max)},
  };
  std::size_t count = 3;
  if (role_ == Role::client) {
    settings[count++] = {NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  } else {
    settings[count++] = {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
    if (options_.extended_connect) {
      settings[count++] = {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    }
  }
  BD_ASSERT(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, count) == 0);
  const std::uint64_t all = std::uint64_t{options_.streams_max} * options_.stream_window;
  const auto window = std::clamp<std::uint64_t>(all, kInitialWindow, kConnectionWindowMax);
  BD_ASSERT(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                  static_cast<std::int32_t>(window)) == 0);
}

// ---- In.

/// Null if the frame that begins here may come.
Connection::Verdict Connection::judge(const FrameHead& frame) {
  if (frame.type == static_cast<std::uint8_t>(FrameType::continuation)) {
    return {++continuations_ > continuations_max(options_.head_max) ? "CONTINUATION flood"
                                                                    : nullptr};
  }
  continuations_ = 0;
  switch (ids_.receive(frame)) {
    case StreamIds::Verdict::fine:
      break;
    case StreamIds::Verdict::closed:
      return {"frame after the end of its stream", kStreamClosed, false};
    case StreamIds::Verdict::skipped:
      return {"stream id out of order", kProtocolError, false};
  }
  // nghttp2 ignores PRIORITY, as we asked it to (RFC 9113 §6.3).
  if (frame.type == static_cast<std::uint8_t>(FrameType::priority) && frame.stream == 0) {
    return {"PRIORITY of no stream", kProtocolError, false};
  }
  if (budgets_) return {budgets_->receive(frame, shut_down_, now_)};
  // We said that we want none; nghttp2 is strict only once the peer has acknowledged that.
  const bool is_push = frame.type == static_cast<std::uint8_t>(FrameType::push_promise);
  return {is_push ? "pushed stream" : nullptr, kProtocolError, false};
}

void Connection::feed(std::string_view bytes) {
  if (over_ || bytes.empty()) return;
  const ssize_t eaten = nghttp2_session_mem_recv(session_, bytes_of(bytes), bytes.size());
  if (eaten >= 0) return;
  if (eaten == NGHTTP2_ERR_FLOODED) {
    end(kEnhanceYourCalm, "answers that the peer does not read", true);
  } else if (eaten == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    end(kProtocolError, "no HTTP/2 preface", false);
  } else {
    end(kInternalError, "internal error", false);
  }
}

bool Connection::receive(std::string_view bytes, TimePoint now) {
  if (over_) return false;
  now_ = std::max(now_, now);
  Verdict verdict;
  std::size_t good = 0;
  for (std::size_t at = 0; at < bytes.size() && verdict.fault == nullptr;) {
    const FrameScanner::Step step = scanner_.next(bytes.substr(at));
    at += step.eaten;
    if (step.head) verdict = judge(*step.head);
    if (verdict.fault == nullptr) good = at;
  }
  // Of the frame that is one too many nghttp2 may have a part of the head, but never the whole.
  feed(bytes.substr(0, good));
  if (verdict.fault != nullptr) end(verdict.error_code, verdict.fault, verdict.abuse);
  stage();
  tell();
  return !over_;
}

/// Sends the small frames that are due into a buffer of ours: only so do we learn of an error that
/// nghttp2 found, and of streams that it reset, without waiting for the next pull(). If the peer
/// does not read, they stay in nghttp2's queue, which is bounded.
void Connection::stage() {
  staging_ = true;
  while (nghttp2_session_get_outbound_queue_size(session_) > 0 && staged_.size() < kStagedMax) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size <= 0) break;
    staged_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  staging_ = false;
}

void Connection::end(std::uint32_t error_code, const char* fault, bool abuse) {
  if (over_) return;
  over_ = true;
  fault_ = fault;
  abuse_ = abuse;
  error_code_ = error_code;
  nghttp2_session_terminate_session(session_, error_code);
}

/// Last act of receive() and pull(): nothing of nghttp2 is on the stack.
void Connection::tell() {
  if (over_ && !streams_.empty()) {
    for (const auto& [id, stream] : streams_) {
      if (stream.known) closed_.push_back({id, error_code_});
    }
    streams_.clear();
  }
  for (const std::int32_t id : std::exchange(writable_, {})) {
    Stream* const stream = find(id);
    if (stream == nullptr || stream->reset) continue;
    stream->writable_told = false;
    handler_.on_writable(id);
  }
  for (const Closed& closed : std::exchange(closed_, {})) {
    handler_.on_closed(closed.stream, closed.error_code);
  }
}

// ---- The ends of streams.

void Connection::spend_death() {
  if (over_ || !budgets_) return;
  if (const char* flood = budgets_->premature_death(now_)) end(kEnhanceYourCalm, flood, true);
}

void Connection::blame(Stream& stream) {
  if (stream.blamed || stream.own_will) return;
  stream.blamed = true;
  spend_death();
}

void Connection::stream_closed(std::int32_t id, std::uint32_t error_code) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || over_) return;
  Stream& stream = found->second;
  // A peer that resets after our head left may just have seen enough. Our own resets are the
  // application's, or answers to errors, which no honest peer makes; refused ones are our drain's.
  const bool ours = !stream.peer_reset && error_code != kNoError && error_code != kRefusedStream;
  if (ours || (stream.peer_reset && !stream.head_sent)) blame(stream);
  if (error_code == kNoError) error_code = stream.reset_code;
  // What the peer broke off must not pass for complete, whatever it says of it.
  const bool complete = stream.ended && (role_ == Role::client || stream.end_sent);
  if (error_code == kNoError && stream.peer_reset && !complete) error_code = kCancel;
  if (stream.known) closed_.push_back({id, error_code});
  streams_.erase(found);
}

Stream* Connection::find(std::int32_t stream) {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

const Stream* Connection::find(std::int32_t stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

void Connection::reset(std::int32_t id, std::uint32_t error_code) {
  Stream* const stream = find(id);
  if (stream == nullptr || stream->reset) return;
  stream->reset = true;
  stream->own_will = !stream->blamed;
  if (role_ == Role::server && error_code == kNoError && stream->finished) {
    stream->reset_after_end = true;
    if (!stream->end_sent) return;
  }
  stream->reset_code = error_code;
  if (error_code != kNoError) stream->outbound.clear();
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, error_code);
}

void Connection::consume(std::int32_t id, std::size_t n) {
  Stream* const stream = find(id);
  if (stream == nullptr) return;
  n = std::min(n, stream->unconsumed);
  stream->unconsumed -= n;
  nghttp2_session_consume_stream(session_, id, n);
}

// ---- Out.

void Connection::resume(std::int32_t id, Stream& stream) {
  if (std::exchange(stream.deferred, false)) nghttp2_session_resume_data(session_, id);
}

bool Connection::pull(std::string& out, std::size_t max) {
  const std::size_t before = out.size();
  out.append(staged_);
  staged_.clear();
  out_ = &out;
  out_max_ = max;
  while (out.size() < max) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) {
      broken_ = true;
      end(kInternalError, "internal error", false);
    }
    if (size <= 0) break;
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  out_ = nullptr;
  tell();
  return out.size() > before;
}

bool Connection::finished() const {
  return broken_ || (staged_.empty() && nghttp2_session_want_read(session_) == 0 &&
                     nghttp2_session_want_write(session_) == 0);
}

std::int32_t Connection::submit_request(std::span<const http::Field> fields, bool end) {
  if (!can_open()) return -1;
  const std::vector<nghttp2_nv> names = Callbacks::names({}, fields);
  const nghttp2_data_provider body = Callbacks::body();
  const std::int32_t id = nghttp2_submit_request(session_, nullptr, names.data(), names.size(),
                                                 end ? nullptr : &body, nullptr);
  if (id < 0) return -1;
  Stream& stream = streams_[id];
  stream.known = true;
  stream.head_submitted = true;
  stream.finished = end;
  return id;
}

void Connection::submit_head(std::int32_t id, int status, std::span<const http::Field> fields,
                             bool end) {
  Stream* const stream = find(id);
  if (role_ != Role::server || stream == nullptr || stream->reset || stream->head_submitted) return;
  BD_ASSERT(status >= 100 && status <= 999 && !(status < 200 && end));
  const char digits[] = {static_cast<char>('0' + status / 100),
                         static_cast<char>('0' + status / 10 % 10),
                         static_cast<char>('0' + status % 10)};
  const std::vector<nghttp2_nv> names = Callbacks::names(std::string_view(digits, 3), fields);
  if (status < 200) {
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, names.data(), names.size(),
                           nullptr);
    return;
  }
  stream->head_submitted = true;
  stream->finished = end;
  const nghttp2_data_provider body = Callbacks::body();
  nghttp2_submit_response(session_, id, names.data(), names.size(), end ? nullptr : &body);
}

std::size_t Connection::write(std::int32_t id, std::string_view data) {
  Stream* const stream = find(id);
  if (stream == nullptr || stream->reset || stream->finished || !stream->head_submitted) return 0;
  const std::size_t held = stream->outbound.size();
  const std::size_t room = options_.outbound_max > held ? options_.outbound_max - held : 0;
  const std::size_t taken = std::min(room, data.size());
  stream->wants_room = taken < data.size();
  if (taken == 0) return 0;
  stream->outbound.append(data.substr(0, taken));
  resume(id, *stream);
  return taken;
}

void Connection::finish(std::int32_t id, std::span<const http::Field> trailers) {
  Stream* const stream = find(id);
  if (stream == nullptr || stream->reset || stream->finished || !stream->head_submitted) return;
  stream->finished = true;
  for (const http::Field& field : trailers) {
    stream->trailers.emplace_back(field.name, field.value);
  }
  resume(id, *stream);
}

std::size_t Connection::outbound(std::int32_t id) const {
  const Stream* const stream = find(id);
  return stream == nullptr ? 0 : stream->outbound.size();
}

void Connection::let_out(std::int32_t id, Stream& stream) {
  if (!stream.wants_room || stream.outbound.size() > options_.outbound_max / 2) return;
  stream.wants_room = false;
  if (!std::exchange(stream.writable_told, true)) writable_.push_back(id);
}

// ---- The whole connection.

void Connection::announce_shutdown() {
  if (role_ == Role::server && !over_) nghttp2_submit_shutdown_notice(session_);
}

void Connection::shutdown() {
  if (over_ || std::exchange(shut_down_, true)) return;
  const std::int32_t last =
      role_ == Role::server ? nghttp2_session_get_last_proc_stream_id(session_) : 0;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
}

void Connection::ping() {
  if (!over_) nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

bool Connection::can_open() const {
  return role_ == Role::client && !over_ && !shut_down_ &&
         nghttp2_session_check_request_allowed(session_) != 0 &&
         streams_.size() <
             nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

}  // namespace bd::http2
