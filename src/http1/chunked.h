#pragma once
// The chunked transfer coding (RFC 9112 §7.1), decoded incrementally and regenerated on the way
// out.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/field.h"

namespace bd::http1 {

struct ChunkLimits {
  std::uint32_t extension_max = 256;    ///< Bytes of all extensions of a message.
  std::uint32_t trailer_max = 8 << 10;  ///< Bytes of the trailer section.
};

/// Decodes one message. next() eats from the front of `bytes` and returns a run of data, a view
/// into `bytes`. Chunk extensions are checked and dropped; trailers are checked and kept as text:
/// whether they go on is for others to decide. Anything odd is an error of
/// `party` (bad_request or bad_response): bare LF, signs, spaces, more than 16 hex digits, more
/// than 2^63-1 bytes, no CRLF after data, extensions that break the grammar, trailer lines that are
/// no fields.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(Party party, const ChunkLimits& limits = {})
      : party_(party), limits_(limits) {}

  struct Step {
    std::size_t consumed = 0;  ///< Bytes eaten from the front, framing included.
    std::string_view data;     ///< May be empty though bytes were eaten.
    bool done = false;         ///< The last chunk and the trailer section were read.
  };
  /// Call again with the rest while consumed > 0 and not done. consumed == 0: more bytes are
  /// needed.
  [[nodiscard]] Result<Step> next(std::string_view bytes);
  [[nodiscard]] bool done() const noexcept { return state_ == State::done; }
  /// Once done(): the trailer section's lines, each with its CRLF.
  [[nodiscard]] std::string_view trailers() const noexcept { return trailers_; }

 private:
  enum class State : std::uint8_t {
    size_start,
    size,
    extension_name_start,
    extension_name,
    extension_value_start,
    extension_token,
    extension_quoted,
    extension_escaped,
    extension_end,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer_name,
    trailer_value,
    trailer_lf,
    end_lf,
    done,
  };

  // Each takes one byte of framing, and returns what is wrong with it, or null.
  const char* step(char c) noexcept;
  const char* step_size(char c) noexcept;
  const char* step_extension(char c) noexcept;
  const char* step_trailer(char c) noexcept;
  const char* go(State to) noexcept;
  const char* go_if(bool allowed, State to, const char* otherwise) noexcept;

  Party party_;
  State state_ = State::size_start;
  std::uint8_t digits_ = 0;
  ChunkLimits limits_;
  std::uint32_t extension_bytes_ = 0;
  std::uint32_t trailer_bytes_ = 0;
  std::uint64_t left_ = 0;
  std::string trailers_;
};

/// The fields of a trailer section that was checked; views into it.
void append_trailers(std::string_view section, http::Fields& out);

/// Writes `<hex>\r\n` for a chunk of `size` > 0 bytes into `out` (at least 18 bytes); returns its
/// length. The data follows, then kChunkEnd; the message ends with kLastChunk.
[[nodiscard]] std::size_t write_chunk_head(char* out, std::uint64_t size) noexcept;
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace bd::http1
