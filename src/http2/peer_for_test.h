#pragma once
// Both sides of a connection for tests: frames made by hand, a handler that writes down what it
// hears, and two Connections that talk to each other in pieces of any size.

#include <fmt/format.h>

#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http2/connection.h"

namespace bd::http2 {

inline constexpr std::size_t kWhole = std::numeric_limits<std::size_t>::max();
inline constexpr std::size_t kPieces[] = {1, 3, 7, 1000, kWhole};

using Names = std::vector<std::pair<std::string, std::string>>;

inline std::string number32(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16 & 0xff),
          static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload = {}) {
  std::string out = number32(static_cast<std::uint32_t>(payload.size())).substr(1);
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  return out.append(number32(stream)).append(payload);
}

inline std::string frame(FrameType type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload = {}) {
  return frame(static_cast<std::uint8_t>(type), flags, stream, payload);
}

/// RFC 7541 §5.1 with a prefix of 7 bits.
inline std::string hpack_size(std::size_t size) {
  if (size < 127) return {static_cast<char>(size)};
  std::string out("\x7f");
  for (size -= 127; size >= 128; size >>= 7) out.push_back(static_cast<char>(size % 128 + 128));
  return out + static_cast<char>(size);
}

/// RFC 7541 §6.2.2, new name: nothing is remembered, nothing is compressed.
inline std::string literal(std::string_view name, std::string_view value) {
  std::string out(1, '\0');
  out.append(hpack_size(name.size())).append(name);
  return out.append(hpack_size(value.size())).append(value);
}

inline std::string block(const Names& names) {
  std::string out;
  for (const auto& [name, value] : names) out += literal(name, value);
  return out;
}

inline std::string headers(std::uint32_t stream, const Names& names, bool end = true) {
  return frame(FrameType::headers, kEndHeaders | (end ? kEndStream : 0), stream, block(names));
}

inline std::string data(std::uint32_t stream, std::string_view bytes, bool end = false) {
  return frame(FrameType::data, end ? kEndStream : 0, stream, bytes);
}

inline std::string window_update(std::uint32_t stream, std::uint32_t by) {
  return frame(FrameType::window_update, 0, stream, number32(by));
}

inline std::string rst_stream(std::uint32_t stream, std::uint32_t code) {
  return frame(FrameType::rst_stream, 0, stream, number32(code));
}

inline std::string ping() {
  return frame(FrameType::ping, 0, 0, "01234567");
}

inline std::string preface() {
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(FrameType::settings, 0, 0);
}

inline std::string settings_ack() {
  return frame(FrameType::settings, kAck, 0);
}

inline Names get(std::string path = "/") {
  return {{":method", "GET"},
          {":scheme", "http"},
          {":authority", "a.test"},
          {":path", std::move(path)}};
}

inline Names post() {
  return {{":method", "POST"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}};
}

struct Seen {
  FrameHead head;
  std::string payload;
  [[nodiscard]] bool is(FrameType type) const {
    return head.type == static_cast<std::uint8_t>(type);
  }
  [[nodiscard]] std::uint32_t word(std::size_t at) const {
    std::uint32_t out = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
      out = out << 8 | static_cast<unsigned char>(payload.at(i));
    }
    return out;
  }
};

/// What a server sent, or a client after its preface.
inline std::vector<Seen> frames_of(std::string_view bytes) {
  std::vector<Seen> out;
  FrameScanner scanner(0);
  while (!bytes.empty()) {
    const auto step = scanner.next(bytes);
    bytes.remove_prefix(step.eaten);
    if (!step.head) break;
    out.push_back({*step.head, std::string(bytes.substr(0, step.head->length))});
  }
  return out;
}

inline std::vector<Seen> frames_of(std::string_view bytes, FrameType type) {
  std::vector<Seen> out = frames_of(bytes);
  std::erase_if(out, [&](const Seen& seen) { return !seen.is(type); });
  return out;
}

inline std::string written(const http::Fields& fields) {
  std::string out;
  for (const http::Field& field : fields) out += fmt::format(" {}={}", field.name, field.value);
  return out;
}

/// Writes down what it hears; `then` may act in the middle of it.
class Recorder final : public Handler {
 public:
  void on_head(std::int32_t stream, Head head, bool end) override {
    const Head moved = std::move(head);  // Its views must survive that.
    if (moved.status != 0) {
      note("{} status {}{}{}", stream, moved.status, written(moved.fields), end ? " ." : "");
    } else {
      note("{} {} {}://{}{}{}{}{}", stream, moved.method, moved.scheme, moved.authority, moved.path,
           moved.protocol.empty() ? "" : fmt::format(" ({})", moved.protocol),
           written(moved.fields), end ? " ." : "");
    }
    if (moved.too_large) note("{} too large", stream);
    if (then_head) then_head(stream);
  }
  void on_data(std::int32_t stream, std::string_view bytes) override {
    received += bytes.size();
    // Pieces are an accident of the transport.
    const std::string begin = fmt::format("{} data ", stream);
    if (!log.empty() && log.back().starts_with(begin)) {
      log.back().append(bytes);
    } else {
      log.push_back(begin + std::string(bytes));
    }
    if (then_data) then_data(stream, bytes.size());
  }
  void on_trailers(std::int32_t stream, Head trailers) override {
    note("{} trailers{}", stream, written(trailers.fields));
  }
  void on_end(std::int32_t stream) override {
    note("{} end", stream);
    if (then_end) then_end(stream);
  }
  void on_writable(std::int32_t stream) override { note("{} writable", stream); }
  void on_closed(std::int32_t stream, std::uint32_t code) override {
    note("{} closed {}", stream, code);
    if (then_closed) then_closed(stream);
  }

  std::vector<std::string> log;
  std::size_t received = 0;
  std::function<void(std::int32_t)> then_head;
  std::function<void(std::int32_t, std::size_t)> then_data;
  std::function<void(std::int32_t)> then_end;
  std::function<void(std::int32_t)> then_closed;

 private:
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    log.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
};

inline TimePoint at(double seconds) {
  return TimePoint{} + std::chrono::hours(1) +
         std::chrono::duration_cast<TimePoint::duration>(std::chrono::duration<double>(seconds));
}

/// One Connection; the test is its peer.
struct Side {
  explicit Side(Role role, const Options& options = {}) : connection(role, options, heard) {}

  /// False as soon as the connection is over. What it sends is collected.
  bool hear(std::string_view bytes, std::size_t piece = kWhole, double seconds = 0) {
    bool alive = true;
    while (!bytes.empty() && alive) {
      alive = connection.receive(bytes.substr(0, piece), at(seconds));
      bytes.remove_prefix(std::min(piece, bytes.size()));
      (void)connection.pull(sent, kWhole);
    }
    return alive;
  }
  std::string take() {
    (void)connection.pull(sent, kWhole);
    return std::exchange(sent, {});
  }

  Recorder heard;
  Connection connection;
  std::string sent;
};

/// A client and a server that talk until both are silent.
struct Pair {
  explicit Pair(const Options& client_options = {}, const Options& server_options = {})
      : client(Role::client, client_options), server(Role::server, server_options) {}

  void run(std::size_t piece = kWhole) {
    for (bool moved = true; moved;) {
      const std::string to_server = client.take();
      (void)server.hear(to_server, piece);
      const std::string to_client = server.take();
      (void)client.hear(to_client, piece);
      moved = !to_server.empty() || !to_client.empty() || !client.sent.empty();
    }
  }

  Side client;
  Side server;
};

inline std::vector<http::Field> fields_of(const Names& names) {
  std::vector<http::Field> out;
  for (const auto& [name, value] : names) out.push_back({name, value});
  return out;
}

}  // namespace bd::http2
