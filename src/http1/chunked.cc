#include "http1/chunked.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/ascii.h"

namespace bd::http1 {
namespace {

constexpr std::uint8_t kSizeDigitsMax = 16;
constexpr std::uint64_t kSizeMax = std::numeric_limits<std::int64_t>::max();

constexpr int hex_value(char c) noexcept {
  if (ascii::is_digit(c)) return c - '0';
  c = ascii::lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

constexpr bool is_control(char c) noexcept {
  return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f;
}

}  // namespace

const char* ChunkDecoder::go(State to) noexcept {
  state_ = to;
  return nullptr;
}

const char* ChunkDecoder::go_if(bool allowed, State to, const char* otherwise) noexcept {
  return allowed ? go(to) : otherwise;
}

const char* ChunkDecoder::step_size(char c) noexcept {
  if (const int digit = hex_value(c); digit >= 0) {
    if (++digits_ > kSizeDigitsMax) return "chunk size: too many digits";
    left_ = left_ * 16 + static_cast<unsigned>(digit);
    state_ = State::size;
    return nullptr;
  }
  if (state_ == State::size_start) return "chunk size: no digit";
  if (left_ > kSizeMax) return "chunk size: too large";
  if (c == '\r') return go(State::size_lf);
  return go_if(c == ';' && ++extension_bytes_ <= limits_.extension_max, State::extension_name_start,
               "chunk size: bad byte");
}

/// `;name`, `;name=token`, `;name="quoted"` (RFC 9112 §7.1.1), without the spaces that it
/// tolerates.
const char* ChunkDecoder::step_extension(char c) noexcept {
  constexpr const char* bad = "chunk extension: bad byte";
  if (c != '\r' && ++extension_bytes_ > limits_.extension_max) return "chunk extensions: too long";
  const bool token = ascii::is_token(c);
  const bool ended = c == '\r' || c == ';';
  const State after = c == ';' ? State::extension_name_start : State::size_lf;
  if (state_ == State::extension_name_start) return go_if(token, State::extension_name, bad);
  if (state_ == State::extension_quoted && c == '"') return go(State::extension_end);
  if (state_ == State::extension_quoted && c == '\\') return go(State::extension_escaped);
  if (state_ == State::extension_quoted || state_ == State::extension_escaped) {
    return go_if(!is_control(c), State::extension_quoted, bad);
  }
  if (state_ == State::extension_value_start) {
    if (c == '"') return go(State::extension_quoted);
    return go_if(token, State::extension_token, bad);
  }
  if (state_ == State::extension_name && c == '=') return go(State::extension_value_start);
  if (state_ != State::extension_end && token) return nullptr;  // A name or a token goes on.
  return go_if(ended, after, bad);
}

const char* ChunkDecoder::step_trailer(char c) noexcept {
  if (++trailer_bytes_ > limits_.trailer_max) return "trailers: too long";
  if (state_ == State::trailer_start && c == '\r') return go(State::end_lf);
  if (state_ != State::trailer_value) {
    if (c == ':')
      return go_if(state_ == State::trailer_name, State::trailer_value, "trailer: no name");
    return go_if(ascii::is_token(c), State::trailer_name, "trailer: bad name");
  }
  if (c == '\r') return go(State::trailer_lf);
  return go_if(!is_control(c), State::trailer_value, "trailer: control character");
}

const char* ChunkDecoder::step(char c) noexcept {
  switch (state_) {
    case State::size_start:
    case State::size:
      return step_size(c);
    case State::extension_name_start:
    case State::extension_name:
    case State::extension_value_start:
    case State::extension_token:
    case State::extension_quoted:
    case State::extension_escaped:
    case State::extension_end:
      return step_extension(c);
    case State::size_lf:
      digits_ = 0;
      return go_if(c == '\n', left_ == 0 ? State::trailer_start : State::data,
                   "chunk size: bare CR");
    case State::data_cr:
      return go_if(c == '\r', State::data_lf, "chunk data: no CRLF behind it");
    case State::data_lf:
      return go_if(c == '\n', State::size_start, "chunk data: bare CR");
    case State::trailer_start:
    case State::trailer_name:
    case State::trailer_value:
      return step_trailer(c);
    case State::trailer_lf:
      return go_if(c == '\n', State::trailer_start, "trailer: bare CR");
    case State::end_lf:
      return go_if(c == '\n', State::done, "trailers: bare CR");
    case State::data:
    case State::done:
      break;
  }
  return nullptr;
}

Result<ChunkDecoder::Step> ChunkDecoder::next(std::string_view bytes) {
  Step out;
  while (out.consumed < bytes.size() && state_ != State::done) {
    if (state_ == State::data) {
      out.data =
          bytes.substr(out.consumed, std::min<std::uint64_t>(left_, bytes.size() - out.consumed));
      out.consumed += out.data.size();
      left_ -= out.data.size();
      if (left_ == 0) state_ = State::data_cr;
      return out;
    }
    if (const char* wrong = step(bytes[out.consumed])) {
      const bool request = party_ == Party::downstream;
      return fail(request ? Error::Code::bad_request : Error::Code::bad_response, party_, wrong);
    }
    // Behind the step: the empty line that ends the section is no part of it.
    const bool in_trailer = state_ == State::trailer_name || state_ == State::trailer_value ||
                            state_ == State::trailer_lf ||
                            (state_ == State::trailer_start && bytes[out.consumed] == '\n' &&
                             !trailers_.empty());
    if (in_trailer) trailers_.push_back(bytes[out.consumed]);
    ++out.consumed;
  }
  out.done = done();
  return out;
}

void append_trailers(std::string_view section, http::Fields& out) {
  while (!section.empty()) {
    const std::string_view line = section.substr(0, section.find('\r'));
    section.remove_prefix(std::min(section.size(), line.size() + 2));
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    out.push_back({name, ascii::trim(line.substr(colon + 1)), http::field_name(name)});
  }
}

std::size_t write_chunk_head(char* out, std::uint64_t size) noexcept {
  const int digits = (64 - std::countl_zero(size) + 3) / 4;
  for (int i = 0; i < digits; ++i) {
    out[i] = "0123456789abcdef"[(size >> (4 * (digits - 1 - i))) & 0xf];
  }
  out[digits] = '\r';
  out[digits + 1] = '\n';
  return static_cast<std::size_t>(digits) + 2;
}

}  // namespace bd::http1
