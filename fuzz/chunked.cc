// Chunks must decode to the same data however they are cut into reads, and the same data must come
// back when it is encoded again.
#include <algorithm>

#include "base/check.h"
#include "http1/judge_test.h"

namespace {

using namespace bd;

http1::Judgement decode(std::string_view raw, std::size_t piece) {
  http1::Judgement out;
  http1::judge_body({http1::Framing::Kind::chunked, 0}, Party::upstream, raw, piece, out);
  return out;
}

std::string encode(std::string_view data, std::size_t chunk) {
  std::string out;
  for (; !data.empty(); data.remove_prefix(std::min(chunk, data.size()))) {
    char head[18];
    const std::string_view part = data.substr(0, chunk);
    out.append(head, http1::write_chunk_head(head, part.size())).append(part);
    out.append(http1::kChunkEnd);
  }
  return out.append(http1::kLastChunk);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  const http1::Judgement whole = decode(raw, size + 1);
  BD_ASSERT(!whole.error || !whole.complete);
  for (const std::size_t piece : {1uz, 2uz, 7uz}) BD_ASSERT(decode(raw, piece) == whole);
  for (const std::size_t chunk : {1uz, 19uz, 4096uz}) {
    const std::string again = encode(whole.body, chunk);
    const http1::Judgement back = decode(again, 5);
    BD_ASSERT(back.complete && back.body == whole.body && back.size == again.size());
  }
  return 0;
}
