#pragma once
// What nghttp2 calls, and how a session is made. Only connection.cc and callbacks.cc see this.

#include <nghttp2/nghttp2.h>

#include "http2/connection.h"

namespace bd::http2 {

/// Each is given its Connection as nghttp2's user data. None of them closes a stream synchronously
/// through what a handler may call, so a Stream stays where it is during a handler's call.
struct Callbacks {
  [[nodiscard]] static nghttp2_session* make_session(Connection& connection, Role role);
  [[nodiscard]] static nghttp2_data_provider body();
  /// Views for one submit call; `status` is left out if it is empty.
  [[nodiscard]] static std::vector<nghttp2_nv> names(std::string_view status,
                                                     std::span<const http::Field> fields);

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int on_header(nghttp2_session* session, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                       std::size_t value_size, std::uint8_t flags, void* user);
  static int on_frame_recv(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int on_invalid_frame(nghttp2_session* session, const nghttp2_frame* frame, int error,
                              void* user);
  static int on_data_chunk(nghttp2_session* session, std::uint8_t flags, std::int32_t stream,
                           const std::uint8_t* data, std::size_t size, void* user);
  static int on_stream_close(nghttp2_session* session, std::int32_t stream,
                             std::uint32_t error_code, void* user);
  static int before_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int on_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int on_frame_not_send(nghttp2_session* session, const nghttp2_frame* frame, int error,
                               void* user);
  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const std::uint8_t* head,
                       std::size_t size, nghttp2_data_source* source, void* user);
  static ssize_t read_body(nghttp2_session* session, std::int32_t stream, std::uint8_t* buffer,
                           std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                           void* user);

 private:
  static void headers_received(Connection& connection, const nghttp2_frame& frame, Stream& stream);
  static void end_received(Connection& connection, std::int32_t id, Stream& stream);
  static void data_received(Connection& connection, const nghttp2_frame& frame, Stream& stream);
};

}  // namespace bd::http2
