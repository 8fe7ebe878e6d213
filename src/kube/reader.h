#pragma once
// Reads typed fields out of a document and keeps every mistake as a Finding with its field path.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/finding.h"
#include "text/value.h"

namespace bd::kube {

/// A place in an object and the value there. Fields are chained on the stack: a child borrows its
/// parent, and the path is made text only when something is wrong.
class Field {
 public:
  explicit Field(const text::Value& root) : value_(&root) {}
  /// Member `key` of an object; absent if there is none. `key` is borrowed.
  [[nodiscard]] Field operator[](std::string_view key) const& { return {*this, key}; }
  /// Item `index` of an array, which must be there.
  [[nodiscard]] Field operator[](std::size_t index) const& { return {*this, index}; }
  Field operator[](std::string_view key) const&& = delete;
  Field operator[](std::size_t index) const&& = delete;

  /// Null and absent are one in Kubernetes. An absent field has no value.
  [[nodiscard]] bool absent() const;
  [[nodiscard]] const text::Value& value() const { return *value_; }
  [[nodiscard]] std::string path() const;  ///< `spec.rules[0].host`; empty for the root.

 private:
  Field(const Field& parent, std::string_view key);
  Field(const Field& parent, std::size_t index);

  const text::Value* value_ = nullptr;
  const Field* parent_ = nullptr;
  std::string_view key_;
  std::optional<std::size_t> index_;  // Set: an item of an array.
};

/// Everything that is said about one object. At most kFindingsPerObjectMax are kept, and one that
/// counts the rest.
class Reader {
 public:
  /// `is_file`: the object comes from a file that no API server has checked.
  Reader(model::ObjectRef ref, bool is_file) : ref_(std::move(ref)), is_file_(is_file) {}

  [[nodiscard]] const model::ObjectRef& ref() const { return ref_; }
  [[nodiscard]] bool is_file() const { return is_file_; }

  void refuse(const Field& at, std::string_view code, std::string what, std::string hint = {});
  void warn(const Field& at, std::string_view code, std::string what, std::string hint = {});

  // Null if the field is absent, or has another type, which is refused as `wrong-type`.
  const text::Value::Object* object(const Field& at);
  const text::Value::Array* array(const Field& at);
  const std::string* string(const Field& at);
  const bool* boolean(const Field& at);
  const std::int64_t* integer(const Field& at);

  /// Warns of every member of the object at `at` that is not in `known`: files only.
  void check_keys(const Field& at, std::initializer_list<std::string_view> known);
  /// For names that mean something else today than in an old API version.
  void check_keys(const Field& at, std::initializer_list<std::string_view> known,
                  std::initializer_list<std::pair<std::string_view, std::string_view>> moved);

  /// Code of the last refusal, kept or not; empty if there was none.
  [[nodiscard]] const std::string& last_refused() const { return last_refused_; }

  [[nodiscard]] std::vector<model::Finding> take();

 private:
  void report(model::Severity severity, const Field& at, std::string_view code, std::string what,
              std::string hint);
  bool is(const Field& at, text::Value::Kind kind);

  model::ObjectRef ref_;
  bool is_file_;
  std::vector<model::Finding> findings_;
  std::string last_refused_;
  std::size_t dropped_ = 0;
  bool dropped_refused_ = false;
};

/// The nearest of `known` for "Did you mean"; empty if none is near.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::initializer_list<std::string_view> known);

}  // namespace bd::kube
