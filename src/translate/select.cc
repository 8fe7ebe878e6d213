#include "translate/select.h"

#include <algorithm>
#include <expected>
#include <optional>

#include "base/ascii.h"
#include "translate/findings.h"

namespace bd::translate {
namespace {

using model::Severity;
using Exposures = std::vector<const model::Exposure*>;

bool contains(const Exposures& set, const model::Exposure* exposure) {
  return std::ranges::find(set, exposure) != set.end();
}
template <class Test>
Exposures filter(const Exposures& set, Test test) {
  Exposures out;
  std::ranges::copy_if(set, std::back_inserter(out), test);
  return out;
}
std::vector<std::string> names(const Exposures& set) {
  std::vector<std::string> out;
  for (const model::Exposure* exposure : set) out.push_back(exposure->name);
  return out;
}
std::string annotation_field(std::string_view name) {
  return fmt::format("metadata.annotations[{}]", name);
}

/// `kind`: what the decoder found instead of a string of a fair length.
std::string mistyped_text(std::string_view kind) {
  if (kind == "too long") return "The value is too long: served nowhere.";
  return fmt::format("The value must be a string, not {}: served nowhere.", kind);
}

const std::string kLabelField = fmt::format("metadata.labels.{}", model::kExposeLabel);

/// What the class of an Ingress says.
struct Class {
  enum class Kind { absent, ours, foreign } kind = Kind::absent;
  std::string name;
  std::string field;
  Exposures listed;   // Those that name the class.
  Exposures allowed;  // The bounds of the choice.
};

class Pass {
 public:
  Pass(const kube::Ingress& ingress, const std::vector<kube::IngressClass>& classes,
       const config::Config& config)
      : ingress_(ingress), meta_(ingress.meta), classes_(classes) {
    for (const model::Exposure& exposure : config.exposures) {
      all_.push_back(&exposure);
      if (!exposure.custom_selector) by_label_.push_back(&exposure);
    }
  }

  Selection run() && {
    const std::optional<Class> its_class = read_class();
    if (its_class) {
      Exposures chosen = choose(*its_class);
      if (!chosen.empty() && add_annotated(*its_class, chosen)) {
        // Configuration order, whatever named them.
        out_.exposures = names(filter(all_, [&](const auto* e) { return contains(chosen, e); }));
      }
    }
    return std::move(out_);
  }

 private:
  /// Nowhere, and why. Returns an empty set for `return say(…)`.
  Exposures say(Severity severity, std::string code, std::string field, std::string what,
                std::string hint, const Exposures& concerned = {}) {
    out_.findings.push_back({severity, std::move(code), meta_.ref, std::move(field),
                             std::move(what), std::move(hint), names(concerned)});
    return {};
  }

  std::optional<Class> read_class();
  [[nodiscard]] bool is_controlled_here(std::string_view name) const;
  [[nodiscard]] Exposures matching() const;
  [[nodiscard]] std::optional<std::string> mistyped_label() const;
  Exposures choose(const Class& its_class);
  Exposures choose_foreign(const Class& its_class, const Exposures& matched);
  bool is_known_value(const Exposures& matched);
  Exposures without_label(const Class& its_class);
  Exposures unlabelled();
  bool add_annotated(const Class& its_class, Exposures& chosen);
  bool may_add(const Class& its_class, const Exposures& chosen, std::string_view item);

  const kube::Ingress& ingress_;
  const kube::Meta& meta_;
  const std::vector<kube::IngressClass>& classes_;
  Exposures all_;
  Exposures by_label_;  // Those with the default selector: `expose` equal to the name.
  Selection out_;
};

bool Pass::is_controlled_here(std::string_view name) const {
  return std::ranges::any_of(classes_, [&](const kube::IngressClass& c) {
    return c.meta.ref.name == name && c.controller == model::kControllerName;
  });
}

std::optional<Class> Pass::read_class() {
  const std::string field = "spec.ingressClassName";
  if (ingress_.class_name == "") {  // The decoder's word for one that is there and no string.
    say(Severity::refused, "class-mistyped", field, "The class can't be read: served nowhere.",
        "Make it a string.");
    return std::nullopt;
  }
  if (meta_.mistyped_annotations.contains(kClassAnnotation)) {
    say(Severity::refused, "class-mistyped", annotation_field(kClassAnnotation),
        "The class can't be read: served nowhere.", "Make it a string.");
    return std::nullopt;
  }
  const auto annotation = meta_.annotations.find(kClassAnnotation);
  const std::string by_annotation = annotation == meta_.annotations.end() ? "" : annotation->second;
  const std::string by_field = ingress_.class_name.value_or("");
  if (!by_annotation.empty() && !by_field.empty() && by_annotation != by_field) {
    say(Severity::refused, "class-contradiction", field,
        fmt::format("The field says class {} and the annotation {} says {}: served nowhere.",
                    backquoted(by_field), kClassAnnotation, backquoted(by_annotation)),
        "Remove the annotation.");
    return std::nullopt;
  }
  Class out;
  out.allowed = all_;
  out.name = by_field.empty() ? by_annotation : by_field;
  out.field = by_field.empty() ? annotation_field(kClassAnnotation) : field;
  if (out.name.empty()) return out;
  out.listed = filter(all_, [&](const auto* e) {
    return std::ranges::find(e->ingress_classes, out.name) != e->ingress_classes.end();
  });
  const bool ours = !out.listed.empty() || is_controlled_here(out.name);
  out.kind = ours ? Class::Kind::ours : Class::Kind::foreign;
  if (!out.listed.empty()) out.allowed = out.listed;
  if (!ours) out.allowed = filter(all_, [](const auto* e) { return e->any_class; });
  return out;
}

/// A label whose value is no string is unknown. A selector that asks for its absence must not match
/// for that.
std::optional<std::string> Pass::mistyped_label() const {
  for (const auto& [key, kind] : meta_.mistyped_labels) {
    if (key == model::kExposeLabel && !by_label_.empty()) return key;
    for (const model::Exposure* exposure : all_) {
      for (const auto& requirement : exposure->selector.requirements()) {
        if (requirement.key == key) return key;
      }
    }
  }
  return std::nullopt;
}

Exposures Pass::matching() const {
  return filter(all_, [&](const auto* e) { return e->selector.matches(meta_.labels); });
}

Exposures Pass::choose(const Class& its_class) {
  const std::optional<std::string> mistyped = mistyped_label();
  const Exposures matched = mistyped ? Exposures{} : matching();
  if (its_class.kind == Class::Kind::foreign) return choose_foreign(its_class, matched);
  if (mistyped) {
    return say(Severity::refused, "label-mistyped", fmt::format("metadata.labels.{}", *mistyped),
               mistyped_text(meta_.mistyped_labels.find(*mistyped)->second), "Put it in quotes.");
  }
  if (!is_known_value(matched)) return {};
  if (matched.empty()) return without_label(its_class);
  const Exposures chosen =
      filter(matched, [&](const auto* e) { return contains(its_class.allowed, e); });
  if (chosen.empty()) {
    return say(
        Severity::refused, "class-forbids", its_class.field,
        fmt::format("The labels select {}, but class {} belongs to {}: served nowhere.",
                    listed(names(matched)), backquoted(its_class.name),
                    listed(names(its_class.allowed))),
        "Change the label or the class; the exposures' key ingressClass lists their classes.",
        matched);
  }
  return chosen;
}

/// Not ours, unless an exposure takes any class. Said as information, and clearly if a label asked
/// for us.
Exposures Pass::choose_foreign(const Class& its_class, const Exposures& matched) {
  const Exposures chosen =
      filter(matched, [&](const auto* e) { return contains(its_class.allowed, e); });
  if (!chosen.empty()) return chosen;
  std::string what = fmt::format("Class {} is not one of ours, so the Ingress is left to others.",
                                 backquoted(its_class.name));
  if (!matched.empty()) {
    what = fmt::format("The labels select {}, but class {} is not one of ours: served nowhere.",
                       listed(names(matched)), backquoted(its_class.name));
  }
  std::vector<std::string> ours;
  for (const model::Exposure* exposure : all_) {
    ours.insert(ours.end(), exposure->ingress_classes.begin(), exposure->ingress_classes.end());
  }
  for (const kube::IngressClass& c : classes_) {
    if (c.controller == model::kControllerName) ours.push_back(c.meta.ref.name);
  }
  std::string hint = did_you_mean(its_class.name, ours, "");
  if (hint.empty() && !matched.empty()) {
    hint = fmt::format("Remove the class, or name one whose controller is {}.",
                       model::kControllerName);
  }
  return say(Severity::info, "foreign-class", its_class.field, std::move(what), std::move(hint),
             matched);
}

/// The label `expose` must name an exposure, even if a custom selector on other labels matches.
bool Pass::is_known_value(const Exposures& matched) {
  const auto label = meta_.labels.find(model::kExposeLabel);
  if (by_label_.empty() || label == meta_.labels.end()) return true;
  const auto reads_it = [](const model::Exposure* exposure) {
    return std::ranges::any_of(exposure->selector.requirements(),
                               [](const auto& r) { return r.key == model::kExposeLabel; });
  };
  if (std::ranges::any_of(matched, reads_it)) return true;
  const std::string& value = label->second;
  std::string hint = did_you_mean(value, names(by_label_),
                                  fmt::format("The exposures are {}.", listed(names(by_label_))));
  for (const model::Exposure* exposure : all_) {
    if (exposure->name == value) {
      hint =
          fmt::format("Exposure `{}` has its own selector: {}", value, exposure->selector.text());
    }
  }
  say(Severity::refused, "unknown-exposure", kLabelField,
      fmt::format("{} is no exposure: served nowhere.", backquoted(value)), std::move(hint));
  return false;
}

Exposures Pass::without_label(const Class& its_class) {
  if (its_class.listed.empty()) return unlabelled();
  const bool one_side = std::ranges::all_of(
      its_class.listed, [&](const auto* e) { return e->side == its_class.listed.front()->side; });
  if (one_side) return its_class.listed;
  return say(Severity::refused, "two-sides", its_class.field,
             fmt::format("Class {} belongs to exposures of both sides ({}) and no label chooses: "
                         "served nowhere.",
                         backquoted(its_class.name), listed(names(its_class.listed))),
             "Label the Ingress with one of them.", its_class.listed);
}

/// Nothing selects it. That may be meant, unless something in it looks like a label that was meant.
Exposures Pass::unlabelled() {
  const std::string known = listed(names(by_label_.empty() ? all_ : by_label_));
  if (meta_.annotations.contains(model::kExposeAnnotation)) {
    return say(Severity::refused, "expose-without-label",
               annotation_field(model::kExposeAnnotation),
               "The annotation only adds to what a label selects, and no label selects an "
               "exposure: served nowhere.",
               fmt::format("Label the Ingress with {}: one of {}.", model::kExposeLabel, known));
  }
  if (by_label_.empty()) {
    return say(Severity::info, "unlabelled", "metadata.labels",
               "No exposure's selector matches its labels.", "");
  }
  const auto names_one = [&](const std::string& value) {
    return std::ranges::any_of(by_label_, [&](const auto* e) { return e->name == value; });
  };
  const auto near = [&](std::string_view key) {
    key = key.substr(key.rfind('/') + 1);  // npos + 1 is 0.
    return !model::nearest(key, {std::string(model::kExposeLabel)}).empty();
  };
  for (const auto& [key, value] : meta_.labels) {
    if (!near(key) && !names_one(value)) continue;
    return say(Severity::warning, "near-label", fmt::format("metadata.labels.{}", key),
               fmt::format("The label {} selects nothing: served nowhere.", backquoted(key)),
               fmt::format("Did you mean the label `{}`?", model::kExposeLabel));
  }
  for (const auto& [key, value] : meta_.annotations) {
    if (!names_one(value)) continue;
    return say(Severity::warning, "near-label", annotation_field(key),
               fmt::format("The annotation {} selects nothing: served nowhere.", backquoted(key)),
               fmt::format("Did you mean the label `{}`?", model::kExposeLabel));
  }
  return say(Severity::info, "unlabelled", kLabelField,
             "No label selects an exposure, so it is served nowhere.",
             fmt::format("To expose it, label it with one of {}.", known));
}

/// False: something disagrees, so the Ingress is served nowhere.
bool Pass::add_annotated(const Class& its_class, Exposures& chosen) {
  const auto other_side = [&](const auto* e) { return e->side != chosen.front()->side; };
  if (std::ranges::any_of(chosen, other_side)) {
    say(Severity::refused, "two-sides", "metadata.labels",
        fmt::format("The labels select exposures of both sides ({}): served nowhere.",
                    listed(names(chosen))),
        "Let the selectors of the two sides exclude each other.", chosen);
    return false;
  }
  const std::string field = annotation_field(model::kExposeAnnotation);
  if (const auto bad = meta_.mistyped_annotations.find(model::kExposeAnnotation);
      bad != meta_.mistyped_annotations.end()) {
    say(Severity::refused, "expose-mistyped", field, mistyped_text(bad->second),
        "Put it in quotes.", chosen);
    return false;
  }
  const auto annotation = meta_.annotations.find(model::kExposeAnnotation);
  if (annotation == meta_.annotations.end()) return true;
  const Exposures by_label = chosen;
  for (std::string_view rest = annotation->second;;) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = ascii::trim(rest.substr(0, comma));
    if (!may_add(its_class, by_label, item)) return false;
    chosen.push_back(*std::ranges::find_if(all_, [&](const auto* e) { return e->name == item; }));
    if (comma == std::string_view::npos) return true;
    rest.remove_prefix(comma + 1);
  }
}

bool Pass::may_add(const Class& its_class, const Exposures& chosen, std::string_view item) {
  const std::string field = annotation_field(model::kExposeAnnotation);
  const auto found = std::ranges::find_if(all_, [&](const auto* e) { return e->name == item; });
  if (found == all_.end()) {
    say(Severity::refused, "unknown-exposure", field,
        fmt::format("{} is no exposure: served nowhere.", backquoted(item)),
        did_you_mean(item, names(all_), fmt::format("The exposures are {}.", listed(names(all_)))),
        chosen);
    return false;
  }
  if ((*found)->side != chosen.front()->side) {
    say(Severity::refused, "expose-other-side", field,
        fmt::format("`{}` is on side {}, what the labels select ({}) on side {}: served nowhere.",
                    item, model::name((*found)->side), listed(names(chosen)),
                    model::name(chosen.front()->side)),
        "One Ingress is on one side; make a second Ingress for the other.", chosen);
    return false;
  }
  if (!contains(its_class.allowed, *found)) {
    say(Severity::refused, "class-forbids", field,
        fmt::format("Class {} does not belong to {}: served nowhere.", backquoted(its_class.name),
                    backquoted(item)),
        "The exposures' key ingressClass lists their classes.", chosen);
    return false;
  }
  return true;
}

}  // namespace

Selection select(const kube::Ingress& ingress, const std::vector<kube::IngressClass>& classes,
                 const config::Config& config) {
  return Pass(ingress, classes, config).run();
}

}  // namespace bd::translate
