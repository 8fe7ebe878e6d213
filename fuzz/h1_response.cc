// An answer must mean the same however it is cut into reads, whatever was asked for, and one in
// doubt must never pass for complete.
#include "base/check.h"
#include "http1/judge_test.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace bd;
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  for (const http::Method method : {http::Method::get, http::Method::head}) {
    const auto whole = http1::judge_response(raw, size + 1, method);
    BD_ASSERT(!whole.error || !whole.complete);
    BD_ASSERT(whole.size <= size);
    BD_ASSERT(method != http::Method::head || whole.body.empty());
    for (const std::size_t piece : {1uz, 7uz}) {
      BD_ASSERT(http1::judge_response(raw, piece, method) == whole);
    }
  }
  return 0;
}
