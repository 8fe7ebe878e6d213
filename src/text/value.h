#pragma once
// A document tree: what YAML and JSON bytes become, with the place of every value, so that an error
// can say file and line. Pure, bounded in depth and size; the only includes of yaml-cpp and
// simdjson are in this room's .cc files.

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bd::text {

struct ParseError {
  int line = 0;  ///< From 1; 0 if unknown.
  int column = 0;
  std::string what;
};

class Value {
 public:
  using Array = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object =
      std::vector<Member>;  ///< In document order; duplicate keys are refused by the parsers.
  enum class Kind : std::uint8_t { null, boolean, integer, real, string, array, object };

  Value() = default;
  explicit Value(bool v) : data_(v) {}
  explicit Value(std::int64_t v) : data_(v) {}
  explicit Value(double v) : data_(v) {}
  explicit Value(std::string v) : data_(std::move(v)) {}
  explicit Value(const char* v) : data_(std::string(v)) {}  ///< Or a literal would become a bool.
  explicit Value(Array v) : data_(std::move(v)) {}
  explicit Value(Object v) : data_(std::move(v)) {}

  [[nodiscard]] Kind kind() const noexcept { return static_cast<Kind>(data_.index()); }
  [[nodiscard]] bool is(Kind k) const noexcept { return kind() == k; }
  [[nodiscard]] const bool* boolean() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  [[nodiscard]] const double* real() const { return std::get_if<double>(&data_); }
  [[nodiscard]] const std::string* string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Array* array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Object* object() const { return std::get_if<Object>(&data_); }
  /// Member of an object; null if this is no object or has no such member.
  [[nodiscard]] const Value* find(std::string_view key) const;
  /// find() along a path: at({"metadata", "labels", "expose"}).
  [[nodiscard]] const Value* at(std::initializer_list<std::string_view> path) const;

  int line = 0;  ///< From 1; 0 for JSON from an API server.
  int column = 0;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> data_;
};

[[nodiscard]] std::string_view name(Value::Kind kind);

struct ParseLimits {
  std::size_t bytes_max = 16u << 20;
  std::size_t depth_max = 64;
  std::size_t nodes_max = 4'000'000;  ///< After alias expansion: stops alias bombs.
};

/// All documents of a YAML stream (JSON is YAML). Plain scalars get the types of the YAML 1.2 core
/// schema (so `yes` is a string, `0o14` and `1e3` numbers; quoted scalars are strings); empty
/// documents are skipped. An error in one document does not hide the ones before it: they are
/// returned with it.
struct YamlResult {
  std::vector<Value> documents;
  std::vector<ParseError> errors;
};
[[nodiscard]] YamlResult parse_yaml(std::string_view bytes, const ParseLimits& limits = {});
/// One JSON document (RFC 8259), strict.
[[nodiscard]] std::expected<Value, ParseError> parse_json(std::string_view bytes,
                                                          const ParseLimits& limits = {});

}  // namespace bd::text
