#include <fmt/format.h>
#include <simdjson.h>

#include "text/checks.h"
#include "text/value.h"

namespace bd::text {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string too_deep(const ParseLimits& limits) {
  return fmt::format("nested deeper than {}", limits.depth_max);
}

/// simdjson's tape as a Value.
class Converter {
 public:
  explicit Converter(const ParseLimits& limits) : limits_(limits), nodes_left_(limits.nodes_max) {}

  Value convert(const element& from) {
    if (nodes_left_ == 0) {
      fail(fmt::format("more than {} values", limits_.nodes_max));
      return Value();
    }
    --nodes_left_;
    switch (from.type()) {
      case element_type::ARRAY:
        return array(from.get_array().value_unsafe());
      case element_type::OBJECT:
        return object(from.get_object().value_unsafe());
      case element_type::INT64:
        return Value(from.get_int64().value_unsafe());
      case element_type::UINT64:  // Above what 64 bits with a sign hold.
        return Value(static_cast<double>(from.get_uint64().value_unsafe()));
      case element_type::DOUBLE:
        return Value(from.get_double().value_unsafe());
      case element_type::STRING:
        return Value(std::string(from.get_string().value_unsafe()));
      case element_type::BOOL:
        return Value(from.get_bool().value_unsafe());
      case element_type::NULL_VALUE:
        return Value();
    }
    return Value();
  }

  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  void fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }

  Value array(const simdjson::dom::array& from) {
    Value::Array out;
    if (!enter()) return Value();
    for (const element item : from) {
      if (!error_.empty()) break;
      out.push_back(convert(item));
    }
    --depth_;
    return Value(std::move(out));
  }

  Value object(const simdjson::dom::object& from) {
    Value::Object out;
    if (!enter()) return Value();
    for (const auto& [key, value] : from) {
      if (!error_.empty()) break;
      out.emplace_back(std::string(key), convert(value));
    }
    --depth_;
    if (const auto twice = find_duplicate(out)) {
      fail(fmt::format("key `{}` stands twice in one object", out[twice->second].first));
    }
    return Value(std::move(out));
  }

  bool enter() {
    if (++depth_ > limits_.depth_max) fail(too_deep(limits_));
    return error_.empty();
  }

  const ParseLimits& limits_;
  std::size_t depth_ = 0;
  std::size_t nodes_left_;
  std::string error_;
};

}  // namespace

std::expected<Value, ParseError> parse_json(std::string_view bytes, const ParseLimits& limits) {
  const auto refuse = [](std::string what) {
    return std::unexpected(ParseError{0, 0, std::move(what)});
  };
  if (bytes.size() > limits.bytes_max) {
    return refuse(fmt::format("{} bytes; the most is {}", bytes.size(), limits.bytes_max));
  }
  bytes = without_bom(bytes);
  simdjson::dom::parser parser;
  // simdjson does not count empty containers; its bound only keeps the converter's recursion small.
  if (parser.allocate(bytes.size() + 1, limits.depth_max + 1) != simdjson::SUCCESS) {
    return refuse("no memory");
  }
  element root;
  const simdjson::error_code error = parser.parse(bytes.data(), bytes.size()).get(root);
  if (error == simdjson::DEPTH_ERROR) {
    return refuse(too_deep(limits));
  }
  if (error != simdjson::SUCCESS) return refuse(simdjson::error_message(error));
  Converter converter(limits);
  Value value = converter.convert(root);
  if (!converter.error().empty()) return refuse(converter.error());
  return value;
}

}  // namespace bd::text
