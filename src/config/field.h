#pragma once
// A configuration in the making, and one value on its way into it.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/schema.h"
#include "text/value.h"

namespace bd::config {

/// All that load() has read so far. Wrong values are not stored, so that the checks that look at
/// several values see the default in their place and add no second mistake for the same cause.
struct Draft {
  Config config;
  std::vector<Mistake> mistakes;
  std::vector<std::string> warnings;
  std::map<std::string, std::string> origins;  ///< Where each key was set; the last one counts.
  std::optional<model::Selector> label_selector;
  /// Of `exposures[].tls`, by its path.
  std::map<std::string, model::TlsMode> exposure_tls;
  std::map<std::string, std::vector<TlsHost>> tls_hosts;  ///< By the path of the list.
  bool allow_loopback = false;  ///< For directories that a flag or a variable names.

  void reject(std::string_view key, std::string what, std::string hint = {});
  void warn(std::string_view key, std::string_view what);
  [[nodiscard]] bool is_set(std::string_view key) const {
    return origins.contains(std::string(key));
  }
  [[nodiscard]] bool sets_tls_mode(const std::string& listener) const {
    return is_set(listener + ".tls.mode");
  }
  /// Where `key`, or what holds it, was set; "defaults" if nowhere.
  [[nodiscard]] std::string where(std::string_view key) const;
};

/// One value, the key that it is for, and its place. The readers return nothing, and leave a
/// mistake, if the value is not what the schema asks for.
class Field {
 public:
  Field(Draft& draft, const Key& key, const text::Value& value, std::string path, std::string where)
      : draft(draft), key(key), value(value), path(std::move(path)), where(std::move(where)) {}

  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::int64_t> number()
      const;  ///< Bytes and durations (ms) too, in their range.
  [[nodiscard]] std::optional<std::string> text() const;    ///< Never empty.
  [[nodiscard]] std::optional<std::size_t> choice() const;  ///< The index of the word.
  [[nodiscard]] std::vector<Field> items() const;           ///< The elements of a list.

  void store(bool& out) const;
  void store(std::string& out) const;
  void store(std::chrono::milliseconds& out) const;
  template <std::unsigned_integral T>
  void store(T& out) const {
    if (const auto number = this->number()) out = static_cast<T>(*number);
  }
  /// The words of the key stand in the order of the enumerators.
  template <class T>
    requires std::is_enum_v<T>
  void store(T& out) const {
    if (const auto index = choice()) out = static_cast<T>(*index);
  }

  /// A member or an element of this value.
  [[nodiscard]] Field below(const Key& of, const text::Value& child, std::string_view step) const;
  void wrong() const;  ///< "expected …, found …"
  void reject(std::string what, std::string hint = {}) const;

  Draft& draft;
  const Key& key;
  const text::Value& value;
  std::string path;   ///< exposures[0].listeners[0].port
  std::string where;  ///< blastdoor.yaml:12
};

/// "did you mean `x`?", or nothing if no candidate is near.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& candidates);
/// RFC 1123: what Kubernetes takes as a name of one label.
[[nodiscard]] bool is_dns_label(std::string_view text);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace bd::config
