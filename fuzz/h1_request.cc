// A request must mean the same however it is cut into reads, and still the same after it was
// written again from what was understood of it: that is what an upstream gets.
#include <algorithm>

#include "base/check.h"
#include "http1/judge_test.h"

namespace bd::http1 {
namespace {

std::string written_again(const RequestHead& head) {
  std::string out(head.method_text);
  out.append(" ").append(head.target).append(" HTTP/1.");
  out.append(std::to_string(head.minor_version)).append("\r\n");
  for (const http::Field& field : head.fields) {
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return out.append("\r\n");
}

void check_head(std::string_view raw) {
  RequestParser parser{HeadLimits{}};
  RequestHead head;
  const auto size = parser.parse(raw, head);
  if (!size || !*size) return;
  BD_ASSERT(**size <= raw.size());
  BD_ASSERT(raw.substr(0, **size).ends_with("\r\n\r\n"));
  BD_ASSERT(head.minor_version == 0 || !head.host.empty());
  BD_ASSERT((head.body.kind == Framing::Kind::length) == (head.body.length > 0));

  // A field that filled the head to its last byte may get a space that it did not have.
  const std::string again = written_again(head);
  RequestParser second(HeadLimits{.line_max = 16 << 10, .head_max = 128 << 10});
  RequestHead same;
  const auto parsed = second.parse(again, same);
  BD_ASSERT(parsed && *parsed == again.size());
  BD_ASSERT(same.method == head.method && same.target == head.target && same.host == head.host);
  BD_ASSERT(same.body.kind == head.body.kind && same.body.length == head.body.length);
  BD_ASSERT(same.keep_alive == head.keep_alive && same.expect_continue == head.expect_continue);
  BD_ASSERT(std::equal(same.fields.begin(), same.fields.end(), head.fields.begin(),
                       head.fields.end(), [](const http::Field& a, const http::Field& b) {
                         return a.name == b.name && a.value == b.value && a.id == b.id;
                       }));
}

}  // namespace
}  // namespace bd::http1

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  const auto whole = bd::http1::judge_request(raw, size + 1);
  for (const std::size_t piece : {1uz, 7uz}) {
    BD_ASSERT(bd::http1::judge_request(raw, piece) == whole);
  }
  bd::http1::check_head(raw);
  return 0;
}
