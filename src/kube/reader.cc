#include "kube/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/names.h"
#include "model/limits.h"

namespace bd::kube {
namespace {

using text::Value;

/// `.key`, or `[key]` if dots or slashes in it would make the path ambiguous.
std::string step(std::string_view key, bool first) {
  constexpr std::size_t kShown =
      128;  // Kubernetes' longest keys have 317 bytes; nobody reads them whole.
  key = key.substr(0, kShown);
  if (key.find_first_of("./") != key.npos) return fmt::format("[{}]", key);
  return fmt::format("{}{}", first ? "" : ".", key);
}

std::string hint_for(Value::Kind want, const Value& value) {
  if (want == Value::Kind::string &&
      (value.is(Value::Kind::integer) || value.is(Value::Kind::boolean) ||
       value.is(Value::Kind::real))) {
    return "Put the value in quotes.";
  }
  if ((want == Value::Kind::integer || want == Value::Kind::boolean) &&
      value.is(Value::Kind::string)) {
    return "Write the value without quotes.";
  }
  return "";
}

std::string_view article(Value::Kind kind) {
  const bool vowel =
      kind == Value::Kind::integer || kind == Value::Kind::array || kind == Value::Kind::object;
  return vowel ? "an" : "a";
}

}  // namespace

Field::Field(const Field& parent, std::string_view key)
    : value_(parent.value_ == nullptr ? nullptr : parent.value_->find(key)),
      parent_(&parent),
      key_(key) {}

Field::Field(const Field& parent, std::size_t index)
    : value_(&(*parent.value_->array())[index]), parent_(&parent), index_(index) {}

bool Field::absent() const {
  return value_ == nullptr || value_->is(Value::Kind::null);
}

std::string Field::path() const {
  if (parent_ == nullptr) return "";
  std::string before = parent_->path();
  if (index_) return before + fmt::format("[{}]", *index_);
  return before + step(key_, before.empty());
}

void Reader::refuse(const Field& at, std::string_view code, std::string what, std::string hint) {
  report(model::Severity::refused, at, code, std::move(what), std::move(hint));
}

void Reader::warn(const Field& at, std::string_view code, std::string what, std::string hint) {
  report(model::Severity::warning, at, code, std::move(what), std::move(hint));
}

void Reader::report(model::Severity severity, const Field& at, std::string_view code,
                    std::string what, std::string hint) {
  if (severity == model::Severity::refused) last_refused_ = code;
  if (findings_.size() >= model::kFindingsPerObjectMax) {
    ++dropped_;
    dropped_refused_ = dropped_refused_ || severity == model::Severity::refused;
    return;
  }
  findings_.push_back({.severity = severity,
                       .code = std::string(code),
                       .object = ref_,
                       .field = at.path(),
                       .what = std::move(what),
                       .hint = std::move(hint)});
}

std::vector<model::Finding> Reader::take() {
  if (dropped_ > 0) {
    findings_.push_back(
        {.severity = dropped_refused_ ? model::Severity::refused : model::Severity::warning,
         .code = "too-many-findings",
         .object = ref_,
         .what = fmt::format("{} more mistakes in this object are not shown.", dropped_),
         .hint = "Mend the ones above first."});
  }
  dropped_ = 0;
  return std::exchange(findings_, {});
}

bool Reader::is(const Field& at, Value::Kind kind) {
  if (at.absent()) return false;
  const Value& value = at.value();
  if (value.is(kind)) return true;
  refuse(at, "wrong-type",
         fmt::format("Expected {} {}, found {} {}.", article(kind), text::name(kind),
                     article(value.kind()), text::name(value.kind())),
         hint_for(kind, value));
  return false;
}

const Value::Object* Reader::object(const Field& at) {
  return is(at, Value::Kind::object) ? at.value().object() : nullptr;
}
const Value::Array* Reader::array(const Field& at) {
  return is(at, Value::Kind::array) ? at.value().array() : nullptr;
}
const std::string* Reader::string(const Field& at) {
  return is(at, Value::Kind::string) ? at.value().string() : nullptr;
}
const bool* Reader::boolean(const Field& at) {
  return is(at, Value::Kind::boolean) ? at.value().boolean() : nullptr;
}
const std::int64_t* Reader::integer(const Field& at) {
  return is(at, Value::Kind::integer) ? at.value().integer() : nullptr;
}

void Reader::check_keys(const Field& at, std::initializer_list<std::string_view> known) {
  check_keys(at, known, {});
}

void Reader::check_keys(
    const Field& at, std::initializer_list<std::string_view> known,
    std::initializer_list<std::pair<std::string_view, std::string_view>> moved) {
  if (!is_file_ || at.absent() || at.value().object() == nullptr) return;
  for (const Value::Member& member : *at.value().object()) {
    const std::string& key = member.first;
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto now = std::find_if(moved.begin(), moved.end(),
                                  [&key](const auto& each) { return each.first == key; });
    std::string hint;
    if (now != moved.end()) {
      hint = fmt::format("In networking.k8s.io/v1 this is `{}`.", now->second);
    } else if (std::string near = did_you_mean(key, known); !near.empty()) {
      hint = fmt::format("Did you mean `{}`?", near);
    }
    warn(at[key], "unknown-field",
         fmt::format("There is no field {} here; it is ignored.", backquoted(key)),
         std::move(hint));
  }
}

std::string did_you_mean(std::string_view word, std::initializer_list<std::string_view> known) {
  constexpr std::size_t kWordMax = 64;  // Nothing that we know is as long; the search is quadratic.
  if (word.size() > kWordMax) return "";
  return model::nearest(word, std::vector<std::string>(known.begin(), known.end()));
}

}  // namespace bd::kube
