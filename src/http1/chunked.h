#pragma once
// The chunked transfer coding (RFC 9112 §7.1), decoded incrementally and regenerated on the way out.

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace bd::http1 {

/// Decodes one message. next() eats from the front of `bytes` and returns a run of data, a view into
/// `bytes`. Chunk extensions (≤ model::kChunkExtensionMax per message) and trailers (≤ kTrailerMax) are
/// checked and dropped. Anything odd is an error of `party`: bare LF, signs, spaces, more than 16 hex digits,
/// no CRLF after data, controls in extensions, trailer lines that are no fields.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(Party party) : party_(party) {}

  struct Step {
    std::size_t consumed = 0;  ///< Bytes eaten from the front, framing included.
    std::string_view data;     ///< May be empty though bytes were eaten.
    bool done = false;         ///< The last chunk and the trailer section were read.
  };
  /// Call again with the rest while consumed > 0 and not done. consumed == 0: more bytes are needed.
  [[nodiscard]] Result<Step> next(std::string_view bytes);
  [[nodiscard]] bool done() const noexcept { return state_ == State::done; }

 private:
  enum class State : std::uint8_t { size_start, size, extension, size_lf, data, data_cr, data_lf,
                                    trailer_start, trailer, trailer_lf, end_lf, done };
  Party party_;
  State state_ = State::size_start;
  std::uint8_t digits_ = 0;
  std::uint16_t extension_bytes_ = 0;
  std::uint16_t trailer_bytes_ = 0;
  std::uint64_t left_ = 0;
};

/// Writes `<hex>\r\n` for a chunk of `size` > 0 bytes into `out` (at least 18 bytes); returns its length.
/// The data follows, then kChunkEnd; the message ends with kLastChunk.
[[nodiscard]] std::size_t write_chunk_head(char* out, std::uint64_t size) noexcept;
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace bd::http1
