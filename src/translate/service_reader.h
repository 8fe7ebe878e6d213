#pragma once
// Reads annotations of a Service, and says what is wrong with them. A base class of those that know
// what the annotations mean.

#include <string>
#include <string_view>
#include <vector>

#include "kube/objects.h"
#include "translate/findings.h"

namespace bd::translate {

/// A word that an annotation may hold, and what it stands for.
template <class T>
struct Word {
  std::string_view text;
  T value;
};

class ServiceReader {
 protected:
  using Severity = model::Severity;
  ServiceReader(const kube::Service& service, const std::vector<std::string>& exposures,
                Findings& findings)
      : service_(service), exposures_(exposures), findings_(findings) {}
  ~ServiceReader() = default;

  static std::string field(std::string_view key) {
    return fmt::format("metadata.annotations[{}]", key);
  }

  void say(Severity severity, std::string_view code, std::string field, std::string what,
           std::string hint) {
    findings_.add({severity, std::string(code), service_.meta.ref, std::move(field),
                   std::move(what), std::move(hint), exposures_});
  }

  void refuse(std::string_view code, std::string field, std::string what, std::string hint) {
    if (refused_.empty()) refused_ = code;
    say(Severity::refused, code, std::move(field), std::move(what), std::move(hint));
  }

  /// What is said of a value that can't be understood.
  void reject(std::string_view key, std::string_view code, bool for_security, std::string what,
              std::string hint) {
    if (for_security) return refuse(code, field(key), std::move(what), std::move(hint));
    say(Severity::warning, code, field(key), std::move(what), std::move(hint));
  }

  /// The annotation's value; nothing if there is none, or if it is no text, which is said.
  const std::string* text(std::string_view key, std::string_view code, bool for_security) {
    const auto bad = service_.meta.mistyped_annotations.find(key);
    if (bad != service_.meta.mistyped_annotations.end()) {
      reject(key, code, for_security,
             fmt::format("The value must be a string, not {}.", bad->second), "Put it in quotes.");
      return nullptr;
    }
    const auto found = service_.meta.annotations.find(key);
    return found == service_.meta.annotations.end() ? nullptr : &found->second;
  }

  template <class T, std::size_t N>
  void read_word(std::string_view key, std::string_view code, const Word<T> (&words)[N],
                 bool for_security, T& out) {
    const std::string* value = text(key, code, for_security);
    if (value == nullptr) return;
    std::vector<std::string> known;
    for (const Word<T>& word : words) {
      known.emplace_back(word.text);
      if (word.text != *value) continue;
      out = word.value;
      return;
    }
    // Of the words that we know, http1 is nearer to http2 than h2 is.
    reject(key, code, for_security,
           fmt::format("{} is none of {}.", backquoted(*value), listed(known)),
           value->starts_with("http2") ? "Did you mean `h2`?" : did_you_mean(*value, known, ""));
  }

  const kube::Service& service_;
  const std::vector<std::string>& exposures_;
  Findings& findings_;
  std::string refused_;  // The code of why nothing may be forwarded there; empty: it may.
};

}  // namespace bd::translate
