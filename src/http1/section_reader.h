#pragma once
// What request and response heads have in common: lines that end in CRLF, the first one different,
// then fields until an empty line. Only head.cc uses this.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/field.h"

namespace bd::http1 {

struct HeadLimits {
  std::size_t line_max = 16 << 10;  ///< Request line or status line, bytes.
  std::size_t head_max = 64 << 10;  ///< Everything up to and with the empty line.
  std::uint32_t fields_max = 100;
};

/// Reads one head, each byte once and in order, so that the verdict can't depend on where reads
/// fell.
class SectionReader {
 public:
  enum class Event : std::uint8_t {
    more,           ///< All lines that are complete were read.
    first_line,     ///< first_line() is there, or it moved with the buffer: parse it (again).
    end,            ///< The empty line was read.
    malformed,      ///< detail() says how.
    line_too_long,  ///< Of the first line.
    too_large,
  };

  /// `blank_line_allowed`: skip one empty line in front of the first.
  explicit SectionReader(bool blank_line_allowed) noexcept
      : blank_line_allowed_(blank_line_allowed) {}

  /// Goes on from where it was. `bytes` starts with the first byte of the head, at any address.
  [[nodiscard]] Event next(std::string_view bytes, const HeadLimits& limits, http::Fields& fields);
  [[nodiscard]] bool untouched() const noexcept { return scanned_ == 0; }
  [[nodiscard]] std::string_view first_line() const noexcept { return first_line_; }
  [[nodiscard]] const char* detail() const noexcept { return detail_; }
  /// Bytes read: after Event::end, the size of the head.
  [[nodiscard]] std::size_t size() const noexcept { return line_start_; }
  void reset() noexcept { *this = SectionReader(blank_line_allowed_); }

 private:
  enum class Stage : std::uint8_t { blank_line, first_line, fields };

  Event read_line(std::string_view bytes, const HeadLimits& limits, std::string_view& line);
  Event malformed(const char* detail) noexcept;
  void follow(std::string_view bytes, http::Fields& fields) noexcept;

  bool blank_line_allowed_;
  Stage stage_ = blank_line_allowed_ ? Stage::blank_line : Stage::first_line;
  const char* base_ = nullptr;  // Where bytes began last time: what the views point into.
  std::size_t line_start_ = 0;
  std::size_t scanned_ = 0;  // No control before this, but tabs and the line ends.
  std::string_view first_line_;
  const char* detail_ = "";
};

/// What the fields of a head say together.
struct Survey {
  const http::Field* host = nullptr;
  const http::Field* transfer_encoding = nullptr;
  bool has_content_length = false;
  std::uint64_t content_length = 0;
  bool expect_continue = false;
  bool expect_other = false;  ///< Anything but one `100-continue`.
  bool close = false;         ///< Connection options.
  bool keep_alive = false;
  const char* fault = nullptr;  ///< Why the message can't be trusted; null if it can.
};
[[nodiscard]] Survey survey(const http::Fields& fields) noexcept;

}  // namespace bd::http1
