#pragma once
// Kubernetes label selectors in their text form (meta/v1 LabelSelector; the syntax of kubectl -l):
//   expose=internal-http, tier in (web, api), team notin (qa), canary, !legacy, env!=dev

#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bd::model {

using Labels = std::map<std::string, std::string, std::less<>>;

class Selector {
 public:
  struct Requirement {
    enum class Op { equals, not_equals, in, not_in, exists, not_exists } op;
    std::string key;
    std::vector<std::string> values;
    bool operator==(const Requirement&) const = default;
  };

  Selector() = default;  ///< Matches nothing, unlike Kubernetes' empty selector: fail closed.
  static Selector equals(std::string key, std::string value);
  /// The error says what was expected, and at which character.
  static std::expected<Selector, std::string> parse(std::string_view text);

  [[nodiscard]] bool matches(const Labels& labels) const;
  /// Some requirement needs a label to be there (`=`, `in`, exists), so that an unlabelled object
  /// can't match. Invariant 2d asks it of every custom selector.
  [[nodiscard]] bool needs_a_label() const;
  [[nodiscard]] const std::vector<Requirement>& requirements() const { return requirements_; }
  [[nodiscard]] std::string text() const;  ///< parse(text()) gives an equal selector.
  bool operator==(const Selector&) const = default;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace bd::model
