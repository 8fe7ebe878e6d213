#pragma once
// What the compiler has to say about one object: served where, refused why. A value, never a log
// line.

#include <string>
#include <string_view>
#include <vector>

namespace bd::model {

/// Which object, and where it came from. `file`/`line` are empty/0 for objects of an API server.
struct ObjectRef {
  std::string kind;
  std::string ns;
  std::string name;
  std::string source;  ///< "kube", or "manifests:DIR"; objects of different sources never resolve
                       ///< each other.
  std::string file;
  int line = 0;
  [[nodiscard]] std::string text() const;  ///< `Ingress shop/web (apps.yaml:12)`
  auto operator<=>(const ObjectRef&) const = default;
};

enum class Severity : unsigned char {
  served,   ///< Says where the object is served.
  info,     ///< Not ours, and that may be meant: unlabelled, foreign class.
  warning,  ///< Served, but something in it is ignored or looks wrong.
  refused,  ///< Something that was asked for is not served. `check` exits with 1.
};
[[nodiscard]] std::string_view name(Severity severity);

/// `code` is a stable kebab-case word ("unknown-exposure", "host-owned", "service-missing", …),
/// listed with its meaning in docs/reference/findings.md.
struct Finding {
  Severity severity = Severity::info;
  std::string code;
  ObjectRef object;
  std::string
      field;  ///< Field path: `metadata.labels.expose`, `spec.rules[0].http.paths[1].backend`
  std::string what;                    ///< One sentence, what is the matter.
  std::string hint;                    ///< One sentence, how to mend it; may be empty.
  std::vector<std::string> exposures;  ///< The exposures concerned; may be empty.
  bool operator==(const Finding&) const = default;
};

/// `refused Ingress shop/web (apps.yaml:12) metadata.labels.expose: … hint: …` in one line.
[[nodiscard]] std::string text(const Finding& finding);

/// The nearest of `candidates` to `word` for "did you mean"; empty if none is near (edit distance
/// at most a third of the length, at least 1).
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::vector<std::string>& candidates);

}  // namespace bd::model
