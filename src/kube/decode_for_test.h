#pragma once
// For tests: YAML in, decoded objects and the short form of every finding out.

#include <gtest/gtest.h>

#include <string>

#include "kube/objects.h"

namespace bd::kube {

inline Decoded decode_yaml(std::string_view yaml, std::string source = "manifests:test") {
  const text::YamlResult parsed = text::parse_yaml(yaml);
  EXPECT_TRUE(parsed.errors.empty()) << parsed.errors[0].line << ": " << parsed.errors[0].what;
  const model::ObjectRef where{.source = std::move(source), .file = "test.yaml"};
  Decoded all;
  for (const text::Value& document : parsed.documents) {
    Decoded one = decode(document, where);
    for (Object& object : one.objects) all.objects.push_back(std::move(object));
    for (model::Finding& finding : one.findings) all.findings.push_back(std::move(finding));
  }
  return all;
}

/// `refused port-missing spec.rules[0]…`, one finding a line.
inline std::string brief(const std::vector<model::Finding>& findings) {
  std::string out;
  for (const model::Finding& finding : findings) {
    out += std::string(model::name(finding.severity)) + " " + finding.code;
    out += (finding.field.empty() ? "" : " " + finding.field) + "\n";
  }
  return out;
}

/// The only object of `decoded`, which must be a T.
template <class T>
T only(const Decoded& decoded) {
  if (decoded.objects.size() != 1 || !std::holds_alternative<T>(decoded.objects[0])) {
    ADD_FAILURE() << decoded.objects.size() << " objects, or another kind\n"
                  << brief(decoded.findings);
    return {};
  }
  return std::get<T>(decoded.objects[0]);
}

}  // namespace bd::kube
