#pragma once
// Writes JSON by hand, in order, with no tree: the admin API, `--output json`, echo.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bd::text {

/// Calls must nest rightly: key() before each value inside an object. Bytes that are no valid UTF-8
/// are replaced by U+FFFD, so that the output is always JSON.
class JsonWriter {
 public:
  explicit JsonWriter(int indent = 2) : indent_(indent) {}  ///< 0: one line.
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& real(double value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  /// key + string in one.
  JsonWriter& member(std::string_view name, std::string_view value) {
    return key(name).string(value);
  }
  JsonWriter& member(std::string_view name, std::int64_t value) { return key(name).number(value); }
  [[nodiscard]] std::string take();  ///< With a final newline if indented.

 private:
  void before_value();
  void newline();
  std::string out_;
  int indent_;
  struct Level {
    bool array;
    bool empty;
  };
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace bd::text
