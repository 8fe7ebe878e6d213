#pragma once
// Makes a Value of one YAML document's events and holds every bound while it does: depth, nodes,
// and what aliases may copy. It knows the events, not the library that they come from.

#include <map>
#include <string>
#include <vector>

#include "text/value.h"

namespace bd::text {

/// Thrown out of an event, caught in yaml.cc: yaml-cpp's event interface has no other way to stop.
struct YamlRefusal {
  ParseError error;
};

/// What is left of the bounds that all documents of a stream share.
struct YamlBudget {
  std::size_t nodes = 0;
  std::size_t copied_bytes = 0;
};

/// One call per event, in document order; each may throw YamlRefusal. An anchor is a number that is
/// unique in the document; 0 is none. Tags are `?` for plain scalars and `!` for quoted ones.
class YamlBuilder {
 public:
  using Anchor = std::size_t;
  struct Spot {
    int line = 0;
    int column = 0;
    bool operator==(const Spot&) const = default;
  };

  YamlBuilder(const ParseLimits& limits, YamlBudget& budget) : limits_(limits), budget_(budget) {}

  void start_document(Spot spot);
  void null(Spot spot, Anchor anchor);
  void alias(Spot spot, Anchor anchor);
  void scalar(Spot spot, const std::string& tag, Anchor anchor, const std::string& text);
  void start_sequence(Spot spot, const std::string& tag, Anchor anchor);
  void end_sequence();
  void start_map(Spot spot, const std::string& tag, Anchor anchor);
  void end_map();
  [[nodiscard]] Value take() { return std::move(root_); }

 private:
  /// A sequence or map whose end was not seen yet.
  struct Open {
    bool is_map = false;
    bool has_key = false;
    bool has_merge = false;  // Some key is a plain `<<`.
    Anchor anchor = 0;
    Spot spot;
    Value::Array items;
    Value::Object members;
    std::vector<Spot> key_spots;
  };
  /// What an alias copies, and what the copy costs.
  struct Anchored {
    Value value;
    std::size_t nodes = 0;
    std::size_t bytes = 0;
    std::size_t height = 0;
  };

  [[noreturn]] static void refuse(Spot spot, std::string what);
  /// Does not show it: it may be a password that begins with `!`.
  [[noreturn]] static void refuse_tag(Spot spot);
  [[nodiscard]] bool wants_key() const;
  void start(bool is_map, Spot spot, const std::string& tag, Anchor anchor);
  void take_key(Spot spot, const std::string& text, bool plain, Anchor anchor);
  void add(Value value, Spot spot, Anchor anchor);
  void spend(std::size_t nodes, Spot spot);
  void spend_copy(const Anchored& what, Spot spot);
  static void measure(const Value& value, std::size_t depth, Anchored& out);
  static void merge(Open& map);

  const ParseLimits& limits_;
  YamlBudget& budget_;
  bool started_ = false;
  Value root_;
  std::vector<Open> open_;
  std::map<Anchor, Anchored> anchored_;
};

}  // namespace bd::text
