#include "http1/section_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "base/ascii.h"

namespace bd::http1 {
namespace {

constexpr std::array<bool, 256> kToken = [] {
  std::array<bool, 256> out{};
  for (unsigned i = 0; i < 128; ++i) out[i] = ascii::is_token(static_cast<char>(i));
  return out;
}();

constexpr std::uint64_t every(std::uint8_t byte) {
  return 0x0101010101010101U * byte;
}

/// The first control but tab from `from` on, or the end. Eight bytes at a time up to what may be
/// one: the borrow of a subtraction can only flag bytes above a real hit, so nothing is missed.
std::size_t find_control(std::string_view bytes, std::size_t from) noexcept {
  for (; bytes.size() - from >= 8; from += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + from, 8);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    const std::uint64_t below_space = (word - every(' ')) & ~word;
    const std::uint64_t is_del = ((word ^ every(0x7f)) - every(1)) & ~(word ^ every(0x7f));
    const std::uint64_t hits = (below_space | is_del) & every(0x80);
    if (hits != 0) {
      from += static_cast<std::size_t>(std::countr_zero(hits)) / 8;
      break;
    }
  }
  for (; from < bytes.size(); ++from) {
    const auto byte = static_cast<unsigned char>(bytes[from]);
    if ((byte < ' ' && byte != '\t') || byte == 0x7f) break;
  }
  return from;
}

/// Adds the field of one line. Returns why the line is refused, or null.
const char* add_field(std::string_view line, http::Fields& fields) {
  std::size_t colon = 0;
  while (colon < line.size() && kToken[static_cast<unsigned char>(line[colon])]) ++colon;
  if (colon == 0) return "field line: no name";  // Also the folded line of RFC 9112 §5.2.
  if (colon == line.size() || line[colon] != ':') return "field line: bad name";
  const std::string_view name = line.substr(0, colon);
  fields.push_back({name, ascii::trim(line.substr(colon + 1)), http::field_name(name)});
  return nullptr;
}

/// True for names that an upstream may read as `words` though they are not: other separators, more
/// of them, or some at the ends. `words` has one `-`.
bool looks_like(std::string_view name, std::string_view words) noexcept {
  std::size_t at = 0;
  bool separated = false;
  for (const char c : name) {
    if (!ascii::is_alnum(c)) {
      separated = true;
      continue;
    }
    const bool boundary = at < words.size() && words[at] == '-';
    if (boundary != (separated && at != 0)) return false;
    if (boundary) ++at;
    if (at == words.size() || ascii::lower(c) != words[at]) return false;
    separated = false;
    ++at;
  }
  return at == words.size();
}

/// Of a name that is nobody's: one that is a framing field's but for its separators.
bool is_framing_look_alike(std::string_view name) noexcept {
  constexpr std::string_view length = "content-length";
  constexpr std::string_view coding = "transfer-encoding";
  return name.size() >= length.size() && (looks_like(name, length) || looks_like(name, coding));
}

/// 1 to 19 digits, at most 2^63 - 1, so that it is the same number in every signed and unsigned
/// type; no leading zero, since some read those as octal.
bool parse_length(std::string_view text, std::uint64_t& out) noexcept {
  constexpr std::uint64_t max = std::numeric_limits<std::int64_t>::max();
  const auto value = ascii::parse_decimal<std::uint64_t>(text);
  if (!value || *value > max || (text.size() > 1 && text.front() == '0')) return false;
  out = *value;
  return true;
}

void read_connection(std::string_view value, Survey& out) noexcept {
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    const std::string_view option = ascii::trim(value.substr(0, comma));
    out.close = out.close || ascii::equal_fold(option, "close");
    out.keep_alive = out.keep_alive || ascii::equal_fold(option, "keep-alive");
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
}

void only_one(const http::Field*& slot, const http::Field& field, Survey& out, const char* fault) {
  if (slot != nullptr) out.fault = fault;
  slot = &field;
}

}  // namespace

SectionReader::Event SectionReader::malformed(const char* detail) noexcept {
  detail_ = detail;
  return Event::malformed;
}

/// Puts the views into the buffer's new place. The old one is gone: only its address is used.
void SectionReader::follow(std::string_view bytes, http::Fields& fields) noexcept {
  const auto old = reinterpret_cast<std::uintptr_t>(base_);
  const auto moved = [&](std::string_view view) {
    const char* const begin = view.data();
    return bytes.substr(reinterpret_cast<std::uintptr_t>(begin) - old, view.size());
  };
  first_line_ = moved(first_line_);
  for (http::Field& field : fields) {
    field.name = moved(field.name);
    field.value = moved(field.value);
  }
}

SectionReader::Event SectionReader::read_line(std::string_view bytes, const HeadLimits& limits,
                                              std::string_view& line) {
  // The first byte of the line end must be before `bound`.
  std::size_t bound = limits.head_max;
  Event over = Event::too_large;
  if (stage_ != Stage::fields && line_start_ + limits.line_max + 1 < bound) {
    bound = line_start_ + limits.line_max + 1;
    over = Event::line_too_long;
  }
  const std::size_t to = std::min(bytes.size(), bound);
  const std::size_t at = find_control(bytes.substr(0, to), std::min(scanned_, to));
  scanned_ = at;
  if (at == to) return to == bound ? over : Event::more;
  if (bytes[at] == '\n') return malformed("line end: bare LF");
  if (bytes[at] != '\r') return malformed("control character");
  if (at + 1 == bytes.size()) return Event::more;
  if (bytes[at + 1] != '\n') return malformed("line end: bare CR");
  if (at + 2 > limits.head_max) return Event::too_large;
  line = bytes.substr(line_start_, at - line_start_);
  line_start_ = scanned_ = at + 2;
  return Event::end;
}

SectionReader::Event SectionReader::next(std::string_view bytes, const HeadLimits& limits,
                                         http::Fields& fields) {
  if (bytes.data() != base_) {
    if (stage_ == Stage::fields) follow(bytes, fields);
    base_ = bytes.data();
    if (stage_ == Stage::fields) return Event::first_line;
  }
  for (;;) {
    std::string_view line;
    if (const Event event = read_line(bytes, limits, line); event != Event::end) return event;
    if (stage_ == Stage::blank_line && line.empty()) {
      stage_ = Stage::first_line;
    } else if (stage_ != Stage::fields) {
      stage_ = Stage::fields;
      first_line_ = line;
      return Event::first_line;
    } else if (line.empty()) {
      return Event::end;
    } else if (fields.size() == limits.fields_max) {
      return Event::too_large;
    } else if (const char* refused = add_field(line, fields)) {
      return malformed(refused);
    }
  }
}

Survey survey(const http::Fields& fields) noexcept {
  using http::FieldName;
  constexpr const char* look_alike = "look-alike of a framing field";
  Survey out;
  for (const http::Field& field : fields) {
    switch (field.id) {
      case FieldName::other:
        if (is_framing_look_alike(field.name)) out.fault = look_alike;
        break;
      case FieldName::host:
        only_one(out.host, field, out, "several Host fields");
        break;
      case FieldName::connection:
        read_connection(field.value, out);
        break;
      case FieldName::expect: {
        const bool known = ascii::equal_fold(field.value, "100-continue");
        out.expect_other = out.expect_other || out.expect_continue || !known;
        out.expect_continue = true;
        break;
      }
      case FieldName::transfer_encoding:
        only_one(out.transfer_encoding, field, out, "several Transfer-Encoding fields");
        if (http::is_look_alike(field)) out.fault = look_alike;
        break;
      case FieldName::content_length:
        if (out.has_content_length) out.fault = "several Content-Length fields";
        out.has_content_length = true;
        if (!parse_length(field.value, out.content_length)) out.fault = "bad Content-Length";
        if (http::is_look_alike(field)) out.fault = look_alike;
        break;
      default:
        break;
    }
  }
  if (out.transfer_encoding != nullptr && out.has_content_length) {
    out.fault = "Transfer-Encoding and Content-Length";
  }
  return out;
}

}  // namespace bd::http1
