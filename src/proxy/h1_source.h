#pragma once
// The body of an HTTP/1 message, out of a connection's buffer.

#include <cstdint>
#include <optional>

#include "http1/chunked.h"
#include "http1/head.h"
#include "net/stream.h"
#include "proxy/buffer.h"
#include "proxy/source.h"

namespace bd::proxy {

class H1Source final : public Source {
 public:
  H1Source(net::Stream& stream, Buffer& buffer, Party party)
      : stream_(stream), buffer_(buffer), party_(party) {}

  /// The head was taken out of the buffer; what stands there now begins the body. `body_max` 0: no
  /// limit.
  void start(http1::Framing framing, std::uint64_t body_max = 0);

  [[nodiscard]] Run next() override;
  void consume(std::size_t n) override;
  [[nodiscard]] bool finished() const noexcept override { return decoded_ && data_.empty(); }
  [[nodiscard]] const http::Fields* trailers() override;
  [[nodiscard]] bool is_bulk() const noexcept override;
  void fill(net::Pipe& pipe) override;

 private:
  bool decode();
  bool decode_chunks();
  void take_data(std::string_view data, std::size_t consumed);
  void take_chunked_end();
  bool read_more();
  void fail(net::Io status) noexcept;

  net::Stream& stream_;
  Buffer& buffer_;
  Party party_;
  bool decoded_ = true;  // The source has nothing more of this message but data_.
  http1::Framing framing_;
  std::uint64_t left_ = 0;  // Of a body with a length.
  bool spliced_ = false;    // Some of it went through a pipe, so all that is left may.
  std::uint64_t body_max_ = 0;
  std::uint64_t body_seen_ = 0;
  std::optional<http1::ChunkDecoder> chunks_;
  http::Fields trailers_;
  std::string_view data_;  // A view into buffer_; consume_ bytes go when it is empty.
  std::size_t consume_ = 0;
};

}  // namespace bd::proxy
