// A handshake must be granted only to the key that asked, and whatever a tunnel carries, its frames
// must end where a plain reading of RFC 6455 §5.2 says, however the bytes are cut.
//
// The input: fields as they stand in a head, an empty line, then the bytes of a tunnel.
#include <algorithm>
#include <optional>

#include "base/check.h"
#include "http1/head.h"
#include "websocket/frame_tracker.h"
#include "websocket/handshake.h"

namespace {

using namespace bd;
using websocket::FrameTracker;

http::Fields answer(std::string_view key, const std::string& accept) {
  BD_ASSERT(key.size() == 24 && accept.size() == 28);
  return {{"Upgrade", "websocket", http::FieldName::upgrade},
          {"Connection", "upgrade", http::FieldName::connection},
          {"Sec-WebSocket-Accept", accept, http::FieldName::sec_websocket_accept}};
}

void check_handshake(const http::Fields& fields) {
  const auto upgrade = websocket::parse_upgrade(fields);
  if (!upgrade) return;
  const std::string accept = websocket::accept_key(upgrade->key);
  const http::Fields switched = answer(upgrade->key, accept);
  BD_ASSERT(websocket::is_valid_switch(switched, upgrade->key));
  const std::string other = websocket::make_key(fields.size(), 0);
  BD_ASSERT(websocket::is_valid_switch(switched, other) == (other == upgrade->key));
  // With any of its fields twice it is refused: no order of them can matter.
  for (const http::Field& field : fields) {
    if (field.id != http::FieldName::upgrade && field.id != http::FieldName::sec_websocket_key &&
        field.id != http::FieldName::sec_websocket_version) {
      continue;
    }
    http::Fields doubled = fields;
    doubled.push_back(field);
    BD_ASSERT(!websocket::parse_upgrade(doubled));
  }
}

/// Frames one by one, as the standard describes them.
struct Plain {
  std::vector<std::size_t> boundaries{0};
  std::optional<std::size_t> broken_at;  ///< The byte behind the one that breaks it.
  bool closed = false;
};

Plain read_plainly(std::string_view bytes) {
  Plain out;
  const auto byte = [&](std::size_t at) {
    return std::uint64_t{static_cast<unsigned char>(bytes[at])};
  };
  for (std::size_t at = 0; at + 2 <= bytes.size();) {
    std::uint64_t length = byte(at + 1) & 127;
    const std::size_t extended = length == 127 ? 8 : length == 126 ? 2 : 0;
    const std::size_t head = 2 + extended + ((byte(at + 1) & 128) != 0 ? 4 : 0);
    if (extended == 8 && at + 2 < bytes.size() && byte(at + 2) > 127) {
      out.broken_at = at + 3;
      return out;
    }
    if (bytes.size() - at < head) return out;
    if (extended > 0) length = 0;
    for (std::size_t i = 0; i < extended; ++i) length = length * 256 + byte(at + 2 + i);
    if (bytes.size() - at - head < length) return out;
    out.closed = out.closed || (byte(at) & 15) == 8;
    at += head + length;
    out.boundaries.push_back(at);
  }
  return out;
}

void check_frames(std::string_view bytes, std::size_t piece) {
  const Plain plain = read_plainly(bytes);
  FrameTracker tracker;
  for (std::size_t at = 0;; at = std::min(at + piece, bytes.size())) {
    const bool is_broken = plain.broken_at && at >= *plain.broken_at;
    BD_ASSERT(tracker.broken() == is_broken);
    const bool is_boundary =
        std::binary_search(plain.boundaries.begin(), plain.boundaries.end(), at);
    BD_ASSERT(tracker.at_boundary() == is_boundary);
    const auto next = std::lower_bound(plain.boundaries.begin(), plain.boundaries.end(), at);
    if (next != plain.boundaries.end()) BD_ASSERT(tracker.bytes_to_boundary() <= *next - at);
    if (at == bytes.size()) break;
    tracker.feed(bytes.substr(at, piece));
  }
  BD_ASSERT(tracker.close_seen() == plain.closed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(raw);
  const std::string response = "HTTP/1.1 101 Switching Protocols\r\n" + std::string(raw);
  http1::RequestHead request_head;
  http1::ResponseHead response_head;
  if (const auto parsed = http1::RequestParser({}).parse(request, request_head);
      parsed && *parsed) {
    check_handshake(request_head.fields);
  }
  if (const auto parsed =
          http1::ResponseParser({}).parse(response, http::Method::get, response_head);
      parsed && *parsed) {
    // Nobody finds a key for an answer of his own: a match is one that the corpus brought along.
    const bool is_switch =
        websocket::is_valid_switch(response_head.fields, "dGhlIHNhbXBsZSBub25jZQ==");
    BD_ASSERT(!is_switch || raw.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string_view::npos);
  }
  const std::size_t end = raw.find("\r\n\r\n");
  const std::string_view frames = end == std::string_view::npos ? raw : raw.substr(end + 4);
  for (const std::size_t piece : {1uz, 2uz, 7uz, size + 1}) check_frames(frames, piece);
  return 0;
}
