#include "http2/callbacks.h"

#include "base/check.h"

namespace bd::http2 {
namespace {

Connection& connection_of(void* user) {
  return *static_cast<Connection*>(user);
}

std::string_view view(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

struct SessionCallbacks {
  SessionCallbacks() {
    BD_ASSERT(nghttp2_session_callbacks_new(&all) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, Callbacks::on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, Callbacks::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, Callbacks::on_frame_recv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(all, Callbacks::on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, Callbacks::on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, Callbacks::on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(all, Callbacks::before_frame_send);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, Callbacks::on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(all, Callbacks::on_frame_not_send);
    nghttp2_session_callbacks_set_send_data_callback(all, Callbacks::send_data);
  }
  ~SessionCallbacks() { nghttp2_session_callbacks_del(all); }
  nghttp2_session_callbacks* all = nullptr;
};

struct SessionOptions {
  SessionOptions() {
    BD_ASSERT(nghttp2_option_new(&all) == 0);
    nghttp2_option_set_no_auto_window_update(all, 1);
    nghttp2_option_set_no_closed_streams(all, 1);
    nghttp2_option_set_max_reserved_remote_streams(all, 0);
    nghttp2_option_set_max_outbound_ack(all, kAcksQueuedMax);
    nghttp2_option_set_max_deflate_dynamic_table_size(all, 4 << 10);
    nghttp2_option_set_max_send_header_block_length(all, 1 << 20);
    // These two are counted by us. nghttp2 counts a CONTINUATION again for every read that ends
    // within its head, so that its bound depends on how the bytes were cut; and its bound on resets
    // looks at a clock and not at what was reset.
    nghttp2_option_set_max_continuations(all, 1 << 20);
    nghttp2_option_set_stream_reset_rate_limit(all, 1'000'000, 1'000'000);
  }
  ~SessionOptions() { nghttp2_option_del(all); }
  nghttp2_option* all = nullptr;
};

const char* fault_of(std::uint32_t error_code) {
  switch (error_code) {
    case kProtocolError:
      return "protocol error";
    case kFlowControlError:
      return "flow control error";
    case kStreamClosed:
      return "frame on a closed stream";
    case kFrameSizeError:
      return "frame size error";
    case kCompressionError:
      return "compression error";
    case kEnhanceYourCalm:
      return "excessive load";
    default:
      return "internal error";
  }
}

}  // namespace

nghttp2_session* Callbacks::make_session(Connection& connection, Role role) {
  static const SessionCallbacks callbacks;
  static const SessionOptions options;
  nghttp2_session* session = nullptr;
  const int made =
      role == Role::server
          ? nghttp2_session_server_new2(&session, callbacks.all, &connection, options.all)
          : nghttp2_session_client_new2(&session, callbacks.all, &connection, options.all);
  BD_ASSERT(made == 0);  // Out of memory.
  return session;
}

std::vector<nghttp2_nv> Callbacks::names(std::string_view status,
                                         std::span<const http::Field> fields) {
  // nghttp2 takes no const, and copies.
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  const auto pair = [&](std::string_view name, std::string_view value) {
    return nghttp2_nv{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  };
  std::vector<nghttp2_nv> out;
  out.reserve(fields.size() + 1);
  if (!status.empty()) out.push_back(pair(":status", status));
  for (const http::Field& field : fields) out.push_back(pair(field.name, field.value));
  return out;
}

nghttp2_data_provider Callbacks::body() {
  return {.source = {.ptr = nullptr}, .read_callback = read_body};
}

int Callbacks::on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Connection& self = connection_of(user);
  const std::int32_t id = frame->hd.stream_id;
  using Kind = HeadBuilder::Kind;
  if (self.role_ == Role::server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    self.streams_.try_emplace(id);
    // Equal urgency, and incremental: streams take turns instead of queueing behind each other.
    const nghttp2_extpri equal{.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    nghttp2_session_change_extpri_stream_priority(session, id, &equal, 1);
    self.builder_.begin(Kind::request);
    return 0;
  }
  const Stream* const stream = self.find(id);
  const bool is_response =
      self.role_ == Role::client && stream != nullptr && !stream->final_head_seen;
  self.builder_.begin(is_response ? Kind::response : Kind::trailers);
  return 0;
}

int Callbacks::on_header(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/,
                         const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                         std::size_t value_size, std::uint8_t /*flags*/, void* user) {
  Connection& self = connection_of(user);
  self.builder_.add(view(name, name_size), view(value, value_size));
  if (!self.builder_.is_bomb()) return 0;
  self.end(kEnhanceYourCalm, "field section far above the bound", true);
  return NGHTTP2_ERR_CALLBACK_FAILURE;  // So that the rest of the bomb is not even decoded.
}

void Callbacks::end_received(Connection& self, std::int32_t id, Stream& stream) {
  if (stream.reset) return;
  stream.ended = true;
  self.handler_.on_end(id);
}

void Callbacks::headers_received(Connection& self, const nghttp2_frame& frame, Stream& stream) {
  const std::int32_t id = frame.hd.stream_id;
  const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const bool is_trailers = self.role_ == Role::server ? stream.known : stream.final_head_seen;
  std::optional<Head> head = self.builder_.finish();
  if (!head) {
    stream.reset = true;
    stream.reset_code = kProtocolError;
    nghttp2_submit_rst_stream(self.session_, NGHTTP2_FLAG_NONE, id, kProtocolError);
    self.blame(stream);
    return;
  }
  if (stream.reset) return;
  stream.known = true;
  if (is_trailers) {
    self.handler_.on_trailers(id, std::move(*head));
  } else {
    stream.final_head_seen = head->status >= 200 || head->status == 0;
    self.handler_.on_head(id, std::move(*head), end);
  }
  if (end) end_received(self, id, stream);
}

void Callbacks::data_received(Connection& self, const nghttp2_frame& frame, Stream& stream) {
  const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (end) end_received(self, frame.hd.stream_id, stream);
  if (end || frame.hd.length == 0 || frame.hd.length > frame.data.padlen || !self.budgets_) return;
  if (const char* flood = self.budgets_->padding_only(self.now_)) {
    self.end(kEnhanceYourCalm, flood, true);
  }
}

int Callbacks::on_frame_recv(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
  Connection& self = connection_of(user);
  if (self.over_) return 0;
  if (frame->hd.type == NGHTTP2_GOAWAY) self.peer_going_away_ = true;
  Stream* const stream = self.find(frame->hd.stream_id);
  if (stream == nullptr) return 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      headers_received(self, *frame, *stream);
      break;
    case NGHTTP2_DATA:
      data_received(self, *frame, *stream);
      break;
    case NGHTTP2_RST_STREAM:
      stream->peer_reset = true;
      break;
    default:
      break;
  }
  return 0;
}

int Callbacks::on_invalid_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, int error,
                                void* user) {
  Connection& self = connection_of(user);
  if (self.over_ || frame->hd.stream_id == 0) return 0;
  if (Stream* const stream = self.find(frame->hd.stream_id)) {
    self.blame(*stream);
  } else if (error == NGHTTP2_ERR_REFUSED_STREAM) {
    self.spend_death();  // More streams than we allow, before it acknowledged our settings.
  }
  return 0;
}

int Callbacks::on_data_chunk(nghttp2_session* session, std::uint8_t /*flags*/, std::int32_t id,
                             const std::uint8_t* data, std::size_t size, void* user) {
  Connection& self = connection_of(user);
  if (self.over_) return 0;
  nghttp2_session_consume_connection(session, size);
  Stream* const stream = self.find(id);
  if (stream == nullptr || stream->reset || !stream->known) return 0;
  stream->unconsumed += size;
  self.handler_.on_data(id, view(data, size));
  return 0;
}

int Callbacks::on_stream_close(nghttp2_session* /*session*/, std::int32_t id,
                               std::uint32_t error_code, void* user) {
  connection_of(user).stream_closed(id, error_code);
  return 0;
}

int Callbacks::before_frame_send(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                                 void* user) {
  Connection& self = connection_of(user);
  if (frame->hd.type == NGHTTP2_HEADERS) {
    if (self.budgets_) self.budgets_->sent();
    Stream* const stream = self.find(frame->hd.stream_id);
    if (stream != nullptr && stream->head_submitted) stream->head_sent = true;
  }
  // nghttp2 found an error of the connection by itself.
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != kNoError && !self.over_) {
    const std::uint32_t code = frame->goaway.error_code;
    self.end(code, fault_of(code), code == kEnhanceYourCalm);
  }
  return 0;
}

int Callbacks::on_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Connection& self = connection_of(user);
  const bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  Stream* const stream = ends ? self.find(frame->hd.stream_id) : nullptr;
  if (stream == nullptr) return 0;
  stream->end_sent = true;
  if (stream->reset_after_end) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, kNoError);
  }
  return 0;
}

int Callbacks::on_frame_not_send(nghttp2_session* session, const nghttp2_frame* frame, int error,
                                 void* user) {
  Connection& self = connection_of(user);
  // A section of more than nghttp2 lets us send, say. A request's stream is closed by nghttp2.
  if (self.over_ || frame->hd.type != NGHTTP2_HEADERS || error == NGHTTP2_ERR_STREAM_CLOSING ||
      frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    return 0;
  }
  if (Stream* const stream = self.find(frame->hd.stream_id)) {
    stream->reset = stream->own_will = true;
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, kInternalError);
  }
  return 0;
}

ssize_t Callbacks::read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* /*buffer*/,
                             std::size_t size, std::uint32_t* flags,
                             nghttp2_data_source* /*source*/, void* user) {
  Stream* const stream = connection_of(user).find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t taken = std::min(size, stream->outbound.size());
  if (taken == 0 && !stream->finished) {
    stream->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags = NGHTTP2_DATA_FLAG_NO_COPY;  // send_data() moves it, straight to where it is sent from.
  if (!stream->finished || taken < stream->outbound.size()) return static_cast<ssize_t>(taken);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (stream->trailers.empty()) return static_cast<ssize_t>(taken);
  *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  std::vector<http::Field> trailers;
  for (const auto& [name, value] : stream->trailers) trailers.push_back({name, value});
  const std::vector<nghttp2_nv> all = names({}, trailers);
  nghttp2_submit_trailer(session, id, all.data(), all.size());
  return static_cast<ssize_t>(taken);
}

int Callbacks::send_data(nghttp2_session* /*session*/, nghttp2_frame* frame,
                         const std::uint8_t* head, std::size_t size,
                         nghttp2_data_source* /*source*/, void* user) {
  Connection& self = connection_of(user);
  if (self.staging_) return NGHTTP2_ERR_WOULDBLOCK;
  Stream* const stream = self.find(frame->hd.stream_id);
  // A reset may have emptied it since its length was told.
  if (stream == nullptr || stream->outbound.size() < size) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  self.out_->append(view(head, FrameScanner::kHeadSize));
  stream->outbound.move_to(*self.out_, size);
  if (self.budgets_) self.budgets_->sent();
  self.let_out(frame->hd.stream_id, *stream);
  return self.out_->size() >= self.out_max_ ? NGHTTP2_ERR_PAUSE : 0;
}

}  // namespace bd::http2
