// Whatever a peer says, as client or as server: what the handler is told must hold together. The
// first byte picks the role, the size of the pieces, and how the handler behaves.
#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "base/ascii.h"
#include "base/check.h"
#include "http2/connection.h"

namespace bd::http2 {
namespace {

constexpr Options kOptions{.streams_max = 8,
                           .head_max = 4096,
                           .fields_max = 20,
                           .stream_window = 20'000,
                           .outbound_max = 30'000};

struct Told {
  bool ended = false;
  bool closed = false;
  bool may_break_length = false;  // Responses to HEAD, 204, 304, CONNECT.
  std::uint64_t received = 0;
  std::string length;  // Content-Length; empty if there is none.
};

enum class Habit : std::uint8_t { answer, refuse, reset, stall };

class Judge final : public Handler {
 public:
  Judge(Role role, Habit habit) : role_(role), habit_(habit), connection_(role, kOptions, *this) {}

  void say(std::string_view bytes, std::size_t piece) {
    if (role_ == Role::client) ask();
    std::string out;
    bool alive = true;
    int now = 0;
    while (alive && !bytes.empty()) {
      const TimePoint time = TimePoint{} + std::chrono::milliseconds(++now);
      alive = connection_.receive(bytes.substr(0, piece), time);
      bytes.remove_prefix(std::min(piece, bytes.size()));
      out.clear();
      (void)connection_.pull(out, 10'000);
    }
    while (connection_.pull(out, 1 << 20)) out.clear();
    BD_ASSERT(alive || connection_.fault() != nullptr);
    const bool all_closed = std::all_of(told_.begin(), told_.end(),
                                        [](const auto& entry) { return entry.second.closed; });
    BD_ASSERT(all_closed || connection_.fault() == nullptr);
    BD_ASSERT(connection_.fault() == nullptr || connection_.finished());
    BD_ASSERT(connection_.open_streams() <= kOptions.streams_max || role_ == Role::client);
  }

  void on_head(std::int32_t stream, Head head, bool end) override {
    const bool is_new = told_.count(stream) == 0;
    BD_ASSERT(is_new == (role_ == Role::server));
    Told& told = open(stream);
    check_fields(head.fields);
    if (role_ == Role::server) {
      if (!head.too_large) check_request(head);
      told.may_break_length = head.method == "CONNECT";
    } else {
      BD_ASSERT(head.too_large || (head.status >= 100 && head.status <= 599));
      told.may_break_length = stream == 3 || head.status == 204 || head.status == 304;
    }
    const http::Field* const length = http::find(head.fields, http::FieldName::content_length);
    if (length != nullptr && !head.too_large) {
      told.length = length->value;
    }
    if (role_ == Role::server) act(stream, end);
  }
  void on_data(std::int32_t stream, std::string_view data) override {
    BD_ASSERT(!data.empty());
    open(stream).received += data.size();
    if (habit_ != Habit::stall) connection_.consume(stream, data.size());
    if (habit_ == Habit::reset) connection_.reset(stream, kCancel);
  }
  void on_trailers(std::int32_t stream, Head trailers) override {
    (void)open(stream);
    check_fields(trailers.fields);
  }
  void on_end(std::int32_t stream) override {
    Told& told = open(stream);
    told.ended = true;
    BD_ASSERT(told.length.empty() || told.may_break_length ||
              ascii::parse_decimal(told.length) == told.received);
  }
  void on_writable(std::int32_t stream) override {
    BD_ASSERT(!told_.at(stream).closed);
    BD_ASSERT(connection_.outbound(stream) <= kOptions.outbound_max);
    connection_.finish(stream);
  }
  void on_closed(std::int32_t stream, std::uint32_t error_code) override {
    Told& told = told_.at(stream);
    BD_ASSERT(!told.closed);
    told.closed = true;
    // What was cut short must never pass for complete.
    BD_ASSERT(error_code != kNoError || role_ == Role::server || told.ended);
    BD_ASSERT(connection_.write(stream, "late") == 0);
  }

 private:
  /// A stream that may still be heard of.
  Told& open(std::int32_t stream) {
    Told& told = told_[stream];
    BD_ASSERT(!told.closed && !told.ended);
    return told;
  }

  void ask() {
    const auto request = [&](std::string_view method, bool end) {
      const http::Field fields[] = {
          {":method", method}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
      const std::int32_t stream = connection_.submit_request(fields, end);
      BD_ASSERT(stream > 0);
      told_[stream] = Told{};
      return stream;
    };
    (void)request("GET", true);
    (void)request("HEAD", true);
    const std::int32_t post = request("POST", false);
    (void)connection_.write(post, std::string(40'000, 'x'));
    std::string out;
    (void)connection_.pull(out, 1 << 20);
  }

  void act(std::int32_t stream, bool end) {
    const http::Field fields[] = {{"server", "x"}};
    switch (habit_) {
      case Habit::answer:
        connection_.submit_head(stream, 103, fields, false);
        connection_.submit_head(stream, 200, fields, false);
        (void)connection_.write(stream, std::string(40'000, 'y'));
        if (end) connection_.finish(stream, fields);
        break;
      case Habit::refuse:
        connection_.submit_head(stream, 404, {}, true);
        connection_.reset(stream, kNoError);
        break;
      case Habit::reset:
        if (stream % 4 == 1) connection_.reset(stream, kInternalError);
        break;
      case Habit::stall:
        break;
    }
  }

  static void check_fields(const http::Fields& fields) {
    BD_ASSERT(fields.size() <= kOptions.fields_max);
    for (const http::Field& field : fields) {
      BD_ASSERT(!field.name.empty());
      for (const char c : field.name) {
        BD_ASSERT(ascii::is_token(c) && ascii::lower(c) == c);
      }
      for (const char c : field.value) {
        const auto byte = static_cast<unsigned char>(c);
        BD_ASSERT((byte >= ' ' || c == '\t') && byte != 0x7f);
      }
      BD_ASSERT(field.value == ascii::trim(field.value));
      BD_ASSERT(field.id != http::FieldName::connection);
      BD_ASSERT(field.id != http::FieldName::transfer_encoding);
      BD_ASSERT(field.id != http::FieldName::upgrade);
      BD_ASSERT(field.id != http::FieldName::content_length || field.name == "content-length");
    }
  }

  static void check_request(const Head& head) {
    BD_ASSERT(!head.method.empty());
    if (head.method == "CONNECT" && head.protocol.empty()) return;
    BD_ASSERT(head.scheme == "http" || head.scheme == "https");
    BD_ASSERT(head.path.starts_with('/') || head.path == "*");
    BD_ASSERT(std::all_of(head.path.begin(), head.path.end(),
                          [](char c) { return c > ' ' && c < 0x7f && c != '#'; }));
  }

  Role role_;
  Habit habit_;
  std::map<std::int32_t, Told> told_;
  Connection connection_;
};

}  // namespace
}  // namespace bd::http2

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace bd::http2;
  if (size == 0) return 0;
  const unsigned choice = data[0];
  constexpr std::size_t pieces[] = {1, 7, 1000, 1 << 20};
  const Role role = (choice & 1) != 0 ? Role::client : Role::server;
  std::string bytes;
  if ((choice & 2) != 0 && role == Role::server) bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  if ((choice & 2) != 0) bytes.append("\0\0\0\4\0\0\0\0\0", 9);
  bytes.append(reinterpret_cast<const char*>(data + 1), size - 1);
  Judge judge(role, static_cast<Habit>(choice >> 4 & 3));
  judge.say(bytes, pieces[choice >> 2 & 3]);
  return 0;
}
