// A cookie that is found stands in the field, behind its name, and holds no separator.
//
// The input: the name up to the first zero byte, then Cookie fields, cut by line feeds.
#include "http/cookie.h"

#include "base/ascii.h"
#include "base/check.h"

using namespace bd;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(rest.find('\0'), rest.size());
  const std::string_view name = rest.substr(0, zero);
  rest.remove_prefix(std::min(zero + 1, rest.size()));
  http::Fields fields;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    fields.push_back({"Cookie", rest.substr(0, end)});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const auto value = http::cookie(fields, name);
  if (!http::is_cookie_name(name)) return 0;
  const std::string pair = std::string(name) + '=';
  bool is_there = false;
  for (const http::Field& field : fields) {
    is_there |= field.value.starts_with(pair) || field.value.find(";" + pair) != field.value.npos;
    if (!value || value->data() < field.value.data()) continue;
    if (value->data() > field.value.data() + field.value.size()) continue;
    const auto at = static_cast<std::size_t>(value->data() - field.value.data());
    is_there |= at >= pair.size() && field.value.substr(0, at).find(pair) != field.value.npos;
    BD_ASSERT(value->find(';') == value->npos);
    BD_ASSERT(at + value->size() <= field.value.size());
  }
  BD_ASSERT(value.has_value() ? is_there || value->empty() : !is_there);
  return 0;
}
