#pragma once
// What the front half of a door makes of raw bytes that come in pieces: head, target, authority and
// body. Unit tests and fuzz targets share it; both hold that the pieces make no difference.

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/target.h"
#include "http1/chunked.h"
#include "http1/head.h"

namespace bd::http1 {

inline constexpr std::size_t kPieces[] = {1, 2, 3, 7, 31, 4096};

/// Everything that a peer could see of how one message was understood.
struct Judgement {
  std::optional<Error::Code> error;
  bool complete = false;  ///< The message was read to its end.
  std::size_t size = 0;   ///< Bytes of the message: what follows is the next one.
  std::string head;       ///< The parsed head, printed.
  std::string body;
  bool operator==(const Judgement&) const = default;
};

/// A buffer as a connection has it: it grows piece by piece, and moves when it grows. Small ones
/// move each time, into exactly their size, so that a stale view is seen by the address sanitizer.
class GrowingBuffer {
 public:
  explicit GrowingBuffer(std::string_view all) : all_(all) {}
  std::string_view upto(std::size_t end) {
    if (all_.size() > 2048) return all_.substr(0, end);
    auto grown = std::make_unique<char[]>(end + 1);
    std::memcpy(grown.get(), all_.data(), end);
    bytes_ = std::move(grown);
    return {bytes_.get(), end};
  }

 private:
  std::string_view all_;
  std::unique_ptr<char[]> bytes_;
};

inline void print(const http::Fields& fields, std::string& out) {
  for (const http::Field& field : fields) {
    out.append(field.name).append("=").append(field.value).append("\n");
  }
}

/// Reads the body that `framing` promises from `bytes`, in pieces.
inline void judge_body(const Framing& framing, Party party, std::string_view bytes,
                       std::size_t piece, Judgement& out) {
  switch (framing.kind) {
    case Framing::Kind::none:
      out.complete = true;
      return;
    case Framing::Kind::length:
      out.body = bytes.substr(0, framing.length);
      out.complete = out.body.size() == framing.length;
      break;
    case Framing::Kind::until_close:
      out.body = bytes;
      out.complete = true;
      break;
    case Framing::Kind::chunked: {
      ChunkDecoder decoder(party);
      std::size_t eaten = 0;
      for (std::size_t end = 0; end < bytes.size() && !decoder.done();) {
        end = std::min(end + piece, bytes.size());
        for (;;) {
          const auto step = decoder.next(bytes.substr(eaten, end - eaten));
          if (!step) {
            out.error = step.error().code;
            return;
          }
          out.body += step->data;
          eaten += step->consumed;
          if (step->done || step->consumed == 0) break;
        }
      }
      out.size += eaten;
      out.complete = decoder.done();
      return;
    }
  }
  out.size += out.body.size();
}

/// The target and the authority of a complete head, as the proxy reads them.
inline void judge_identity(const RequestHead& head, Judgement& out) {
  const auto target = http::Target::parse(head.method, head.target);
  if (!target) {
    out.error = target.error().code;
    return;
  }
  const auto authority = http::effective_authority(*target, head.host);
  if (!authority) {
    out.error = authority.error().code;
    return;
  }
  out.head.append(authority->host).append(" ").append(target->path).append(target->query);
}

inline Judgement judge_request(std::string_view raw, std::size_t piece,
                               const HeadLimits& limits = {}) {
  Judgement out;
  RequestParser parser(limits);
  RequestHead head;
  GrowingBuffer buffer(raw);
  for (std::size_t end = 0; end < raw.size();) {
    end = std::min(end + piece, raw.size());
    const auto parsed = parser.parse(buffer.upto(end), head);
    if (!parsed) {
      out.error = parsed.error().code;
      return out;
    }
    if (!*parsed) continue;
    out.size = **parsed;
    out.head.append(head.method_text).append(" ").append(head.target).append("\n");
    out.head.append(head.keep_alive ? "keep-alive" : "close");
    out.head.append(head.expect_continue ? " expect\n" : "\n");
    print(head.fields, out.head);
    judge_identity(head, out);
    if (!out.error) judge_body(head.body, Party::downstream, raw.substr(out.size), piece, out);
    return out;
  }
  return out;
}

inline Judgement judge_response(std::string_view raw, std::size_t piece,
                                http::Method method = http::Method::get,
                                const HeadLimits& limits = {}) {
  Judgement out;
  ResponseParser parser(limits);
  ResponseHead head;
  GrowingBuffer buffer(raw);
  for (std::size_t end = 0; end < raw.size();) {
    end = std::min(end + piece, raw.size());
    const auto parsed = parser.parse(buffer.upto(end), method, head);
    if (!parsed) {
      out.error = parsed.error().code;
      return out;
    }
    if (!*parsed) continue;
    out.size = **parsed;
    out.head.append(std::to_string(head.status)).append(" ").append(head.reason);
    out.head.append(head.keep_alive ? "\nkeep-alive\n" : "\nclose\n");
    print(head.fields, out.head);
    judge_body(head.body, Party::upstream, raw.substr(out.size), piece, out);
    return out;
  }
  return out;
}

}  // namespace bd::http1
