#include "text/yaml_builder.h"

#include <fmt/format.h>

#include <unordered_set>

#include "text/checks.h"
#include "text/core_schema.h"

namespace bd::text {
namespace {

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

std::string backquoted(std::string_view text) {
  constexpr std::size_t kShown = 64;
  return fmt::format("`{}{}`", text.substr(0, kShown), text.size() > kShown ? "…" : "");
}

}  // namespace

void YamlBuilder::refuse(Spot spot, std::string what) {
  throw YamlRefusal{{spot.line, spot.column, std::move(what)}};
}

void YamlBuilder::refuse_tag(Spot spot) {
  refuse(spot, "an unknown tag: a text that begins with `!` needs quotes");
}

bool YamlBuilder::wants_key() const {
  return !open_.empty() && open_.back().is_map && !open_.back().has_key;
}

void YamlBuilder::start_document(Spot spot) {
  // yaml-cpp starts a new document where it can't go on with the old one.
  if (started_) refuse(spot, "text after the end of the document");
  started_ = true;
}

void YamlBuilder::null(Spot spot, Anchor anchor) {
  if (wants_key()) refuse(spot, "a key of a map is missing or null");
  // yaml-cpp puts a null where the key itself stands if there is no colon after it: `host` at the
  // end of a file that is being written must not read as any host.
  if (!open_.empty() && open_.back().is_map && open_.back().key_spots.back() == spot) {
    refuse(spot, fmt::format("no `:` after {}", backquoted(open_.back().members.back().first)));
  }
  add(Value(), spot, anchor);
}

void YamlBuilder::scalar(Spot spot, const std::string& tag, Anchor anchor,
                         const std::string& text) {
  const bool plain = tag == "?";
  const std::string_view core = std::string_view(tag).starts_with(kCoreTag)
                                    ? std::string_view(tag).substr(kCoreTag.size())
                                    : "";
  if (!plain && tag != "!" && core.empty()) refuse_tag(spot);
  if (wants_key()) return take_key(spot, text, plain, anchor);
  if (tag == "!" || core == "str") return add(Value(text), spot, anchor);
  Value value = resolve_plain(text);
  const Value::Kind kind = value.kind();
  const bool as_tagged = plain || (core == "null" && kind == Value::Kind::null) ||
                         (core == "bool" && kind == Value::Kind::boolean) ||
                         (core == "int" && kind == Value::Kind::integer) ||
                         (core == "float" && kind == Value::Kind::real);
  if (!as_tagged)
    refuse(spot,
           "the value is not of the type that its tag names: remove the tag, or mend the "
           "value");
  add(std::move(value), spot, anchor);
}

void YamlBuilder::alias(Spot spot, Anchor anchor) {
  if (wants_key()) refuse(spot, "an alias can't be a key");
  const auto found = anchored_.find(anchor);
  if (found == anchored_.end()) refuse(spot, "an alias inside the value that it stands for");
  const Anchored& what = found->second;
  if (open_.size() + what.height > limits_.depth_max) {
    refuse(spot, fmt::format("nested deeper than {}", limits_.depth_max));
  }
  spend_copy(what, spot);
  add(what.value, spot, 0);
}

void YamlBuilder::start_sequence(Spot spot, const std::string& tag, Anchor anchor) {
  start(false, spot, tag, anchor);
}

void YamlBuilder::start_map(Spot spot, const std::string& tag, Anchor anchor) {
  start(true, spot, tag, anchor);
}

void YamlBuilder::start(bool is_map, Spot spot, const std::string& tag, Anchor anchor) {
  const std::string_view kind = is_map ? "map" : "seq";
  const bool known = tag.empty() || tag == "?" || tag == "!" ||
                     (std::string_view(tag).starts_with(kCoreTag) &&
                      std::string_view(tag).substr(kCoreTag.size()) == kind);
  if (!known) refuse_tag(spot);
  if (wants_key()) refuse(spot, "a key of a map must be a string");
  if (open_.size() >= limits_.depth_max) {
    refuse(spot, fmt::format("nested deeper than {}", limits_.depth_max));
  }
  Open& opened = open_.emplace_back();
  opened.is_map = is_map;
  opened.anchor = anchor;
  opened.spot = spot;
}

void YamlBuilder::end_sequence() {
  Open closed = std::move(open_.back());
  open_.pop_back();
  add(Value(std::move(closed.items)), closed.spot, closed.anchor);
}

void YamlBuilder::end_map() {
  Open closed = std::move(open_.back());
  open_.pop_back();
  if (const auto twice = find_duplicate(closed.members)) {
    refuse(closed.key_spots[twice->second],
           fmt::format("key {} stands twice in this map, first in line {}",
                       backquoted(closed.members[twice->second].first),
                       closed.key_spots[twice->first].line));
  }
  if (closed.has_merge) merge(closed);
  add(Value(std::move(closed.members)), closed.spot, closed.anchor);
}

void YamlBuilder::take_key(Spot spot, const std::string& text, bool plain, Anchor anchor) {
  Open& map = open_.back();
  if (anchor != 0) refuse(spot, "a key can't have an anchor");
  if (plain && text == "<<") map.has_merge = true;
  spend(1, spot);
  map.has_key = true;
  map.key_spots.push_back(spot);
  map.members.emplace_back(text, Value());
}

void YamlBuilder::add(Value value, Spot spot, Anchor anchor) {
  spend(1, spot);
  value.line = spot.line;
  value.column = spot.column;
  if (anchor != 0) {
    Anchored what;
    measure(value, 0, what);
    spend_copy(what, spot);
    what.value = value;
    anchored_[anchor] = std::move(what);
  }
  if (open_.empty()) {
    root_ = std::move(value);
  } else if (open_.back().is_map) {
    open_.back().members.back().second = std::move(value);
    open_.back().has_key = false;
  } else {
    open_.back().items.push_back(std::move(value));
  }
}

void YamlBuilder::spend(std::size_t nodes, Spot spot) {
  if (nodes > budget_.nodes) {
    refuse(spot, fmt::format("more than {} values in one file", limits_.nodes_max));
  }
  budget_.nodes -= nodes;
}

/// Copies count as nodes and as bytes: a short file must not become a long one by its aliases.
void YamlBuilder::spend_copy(const Anchored& what, Spot spot) {
  spend(what.nodes, spot);
  if (what.bytes > budget_.copied_bytes) {
    refuse(spot, fmt::format("aliases copy more than {} bytes", limits_.bytes_max));
  }
  budget_.copied_bytes -= what.bytes;
}

void YamlBuilder::measure(const Value& value, std::size_t depth, Anchored& out) {
  ++out.nodes;
  out.height = std::max(out.height, depth);
  if (const std::string* text = value.string()) out.bytes += text->size();
  if (const Value::Array* items = value.array()) {
    out.height = std::max(out.height, depth + 1);
    for (const Value& item : *items) measure(item, depth + 1, out);
  }
  if (const Value::Object* members = value.object()) {
    out.height = std::max(out.height, depth + 1);
    for (const Value::Member& member : *members) {
      ++out.nodes;
      out.bytes += member.first.size();
      measure(member.second, depth + 1, out);
    }
  }
}

/// YAML 1.1's merge key, which kubectl knows too: the map's own keys win, then the earlier source.
void YamlBuilder::merge(Open& map) {
  std::size_t at = 0;
  while (map.members[at].first != "<<") ++at;
  Value source = std::move(map.members[at].second);
  const Spot spot = map.key_spots[at];
  map.members.erase(map.members.begin() + static_cast<std::ptrdiff_t>(at));

  Value::Array sources;
  if (const Value::Array* several = source.array()) {
    sources = *several;
  } else {
    sources.push_back(std::move(source));
  }
  std::size_t count = map.members.size();
  for (const Value& each : sources) {
    if (each.object() == nullptr) refuse(spot, "`<<` needs a map, or a list of maps");
    count += each.object()->size();
  }
  map.members.reserve(count);  // The keys below are views into the members: none may move.
  std::unordered_set<std::string_view> keys;
  for (const Value::Member& member : map.members) keys.insert(member.first);
  for (const Value& each : sources) {
    for (const Value::Member& member : *each.object()) {
      if (keys.contains(member.first)) continue;
      map.members.push_back(member);
      keys.insert(map.members.back().first);
    }
  }
}

}  // namespace bd::text
