#include <fmt/format.h>

#include "kube/decode.h"
#include "kube/names.h"
#include "model/exposure.h"
#include "model/limits.h"

namespace bd::kube {
namespace {

using text::Value;
using Texts = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view kOurPrefix = "blastdoor.io/";

/// What translate judges by itself, with the exposures in view: a second finding would only repeat
/// it.
bool is_judged_later(const Meta& meta, std::string_view key) {
  const bool is_ingress = meta.ref.kind == "Ingress";
  if (key.starts_with(kOurPrefix)) return is_ingress || meta.ref.kind == "Service";
  return is_ingress && key == model::kExposeLabel;
}

/// Annotations that somebody in this program reads.
bool is_read(std::string_view key) {
  return key.starts_with(kOurPrefix) || key == "kubernetes.io/ingress.class" ||
         key == "ingressclass.kubernetes.io/is-default-class";
}

void read_texts(const Field& at, Reader& reader, std::string_view code, const Meta& meta,
                Texts& out, Texts& mistyped) {
  const Value::Object* members = reader.object(at);
  if (members == nullptr) return;
  for (const auto& [key, value] : *members) {
    if (const std::string* text = value.string()) {
      out.emplace(key, *text);
      continue;
    }
    mistyped.emplace(key, text::name(value.kind()));
    if (is_judged_later(meta, key)) continue;
    reader.warn(at[key], code,
                fmt::format("The value is no string but {}.", text::name(value.kind())),
                "Put the value in quotes.");
  }
}

/// Annotations may be large (kubectl keeps a copy of the whole object in one), and nobody reads
/// those.
void drop_long_annotations(const Field& at, Reader& reader, Meta& out) {
  for (auto it = out.annotations.begin(); it != out.annotations.end();) {
    if (it->second.size() <= model::kAnnotationBytesMax) {
      ++it;
      continue;
    }
    if (is_read(it->first)) {
      reader.warn(at[it->first], "annotation-too-long",
                  fmt::format("The value has {} bytes; the most is {}.", it->second.size(),
                              model::kAnnotationBytesMax));
      out.mistyped_annotations.emplace(it->first, "too long");
    }
    it = out.annotations.erase(it);
  }
}

std::int64_t read_time(const Field& at, Reader& reader) {
  const std::string* text = reader.string(at);
  if (text == nullptr) return 0;
  const std::optional<std::int64_t> time = parse_time(*text);
  if (!time) {
    reader.warn(at, "timestamp-invalid",
                fmt::format("{} is no time; it is ignored.", backquoted(*text)),
                "Write it like 2024-05-01T10:00:00Z, or leave it out.");
  }
  return time.value_or(0);
}

void warn_of_near_misses(const Field& at, Reader& reader) {
  if (!reader.is_file() || at.absent() || at.value().object() == nullptr) return;
  for (const auto& [key, value] : *at.value().object()) {
    const std::string near =
        did_you_mean(key, {"name", "namespace", "labels", "annotations", "generateName",
                           "generation", "uid", "creationTimestamp", "deletionTimestamp"});
    if (near.empty() || near == key) continue;
    reader.warn(at[key], "unknown-field",
                fmt::format("There is no field {} here; it is ignored.", backquoted(key)),
                fmt::format("Did you mean `{}`?", near));
  }
}

}  // namespace

bool decode_meta(const Field& root, Reader& reader, Meta& out) {
  const Field at = root["metadata"];
  warn_of_near_misses(at, reader);
  if (const std::string* uid = reader.string(at["uid"])) out.uid = *uid;
  if (const std::string* v = reader.string(at["resourceVersion"])) out.resource_version = *v;
  if (const std::int64_t* n = reader.integer(at["generation"])) out.generation = *n;
  out.created = read_time(at["creationTimestamp"], reader);
  out.deleting = !at["deletionTimestamp"].absent();
  read_texts(at["labels"], reader, "label-mistyped", out, out.labels, out.mistyped_labels);
  const Field annotations = at["annotations"];
  read_texts(annotations, reader, "annotation-mistyped", out, out.annotations,
             out.mistyped_annotations);
  drop_long_annotations(annotations, reader, out);
  return annotations.absent() || annotations.value().is(Value::Kind::object);
}

std::optional<std::uint16_t> read_port(const Field& at, Reader& reader) {
  const std::int64_t* number = reader.integer(at);
  if (number == nullptr) return std::nullopt;
  if (*number < 1 || *number > 65535) {
    reader.refuse(at, "port-out-of-range", fmt::format("{} is no port number.", *number),
                  "Ports are 1 to 65535.");
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(*number);
}

}  // namespace bd::kube
