#pragma once
// For tests: a Value as compact JSON, so that a table can say what is expected in one string.

#include <string>

#include "text/json_writer.h"
#include "text/value.h"

namespace bd::text {

inline void dump(const Value& value, JsonWriter& out) {
  switch (value.kind()) {
    case Value::Kind::null:
      out.null();
      return;
    case Value::Kind::boolean:
      out.boolean(*value.boolean());
      return;
    case Value::Kind::integer:
      out.number(*value.integer());
      return;
    case Value::Kind::real:
      out.real(*value.real());
      return;
    case Value::Kind::string:
      out.string(*value.string());
      return;
    case Value::Kind::array:
      out.begin_array();
      for (const Value& item : *value.array()) dump(item, out);
      out.end_array();
      return;
    case Value::Kind::object:
      out.begin_object();
      for (const Value::Member& member : *value.object())
        dump(member.second, out.key(member.first));
      out.end_object();
      return;
  }
}

inline std::string dump(const Value& value) {
  JsonWriter out(0);
  dump(value, out);
  return out.take();
}

/// All documents, then all errors as `line: what`, one a line.
inline std::string dump(const YamlResult& result) {
  std::string out;
  for (const Value& document : result.documents) out += dump(document) + "\n";
  for (const ParseError& error : result.errors) {
    out += std::to_string(error.line) + ": " + error.what + "\n";
  }
  return out;
}

}  // namespace bd::text
