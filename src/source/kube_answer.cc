#include "source/kube_answer.h"

#include "base/ascii.h"
#include "model/limits.h"
#include "text/value.h"

namespace bd::source {
namespace {

using model::Finding;
using model::ObjectRef;
using text::Value;
using Fault = std::unexpected<std::string>;

constexpr std::size_t kQuoteMax = 200;  // Of an answer that nobody expected.
const ObjectRef kWhere{.source = "kube"};

std::string string_at(const Value& value, std::initializer_list<std::string_view> path) {
  const Value* found = value.at(path);
  const std::string* text = found == nullptr ? nullptr : found->string();
  return text == nullptr ? std::string() : *text;
}

EntryKey key_of(const Value& object) {
  return {string_at(object, {"metadata", "namespace"}), string_at(object, {"metadata", "name"})};
}

/// The size of a value as JSON, without counting quotes and commas one by one.
std::size_t approximate_bytes(const Value& value) {
  std::size_t bytes = 4;
  if (const std::string* text = value.string()) return bytes + text->size();
  if (const Value::Array* items = value.array()) {
    for (const Value& item : *items) bytes += approximate_bytes(item);
  }
  if (const Value::Object* members = value.object()) {
    for (const auto& [key, member] : *members) bytes += key.size() + 4 + approximate_bytes(member);
  }
  return bytes;
}

Entry too_large(const Resource& resource, const EntryKey& key, std::string version,
                std::size_t bytes) {
  Finding found{model::Severity::refused, "object-too-large"};
  found.object = ObjectRef{.kind = std::string(resource.kind),
                           .ns = key.first,
                           .name = key.second,
                           .source = kWhere.source};
  found.what = fmt::format("The object has about {} bytes, and {} is the most that is read.", bytes,
                           model::kObjectBytesMax);
  found.hint = "Split it into several.";
  return Entry{std::nullopt, std::move(version), {std::move(found)}};
}

text::ParseLimits limits() {
  return {.bytes_max = model::kKubeAnswerMax, .depth_max = model::kManifestDepthMax};
}

void take_object(const Value& object, std::size_t bytes, const Resource& resource,
                 WatchEvent& event) {
  event.key = key_of(object);
  event.entry.version = string_at(object, {"metadata", "resourceVersion"});
  if (event.type != WatchEvent::Type::upsert) return;
  if (bytes > model::kObjectBytesMax) {
    event.entry = too_large(resource, event.key, event.entry.version, bytes);
    return;
  }
  kube::Decoded decoded = kube::decode(object, kWhere);
  event.entry.findings = std::move(decoded.findings);
  if (!decoded.objects.empty()) event.entry.object = std::move(decoded.objects.front());
}

}  // namespace

std::string Resource::path() const {
  if (group.empty()) return fmt::format("/api/v1/{}", plural);
  return fmt::format("/apis/{}/v1/{}", group, plural);
}

std::expected<Page, std::string> read_page(std::string_view json, const Resource& resource,
                                           Entries& into) {
  const auto list = text::parse_json(json, limits());
  if (!list) {
    return Fault(fmt::format("the list of {} is no JSON: {}", resource.plural, list.error().what));
  }
  const std::string kind = string_at(*list, {"kind"});
  const std::string expected = fmt::format("{}List", resource.kind);
  if (kind != expected) {
    return Fault(fmt::format("expected a list of kind {}, got '{}'", expected, kind));
  }
  Page page{string_at(*list, {"metadata", "resourceVersion"}),
            string_at(*list, {"metadata", "continue"})};
  if (page.version.empty()) {
    return Fault(fmt::format("the list of {} has no resourceVersion", resource.plural));
  }
  kube::Decoded decoded = kube::decode(*list, kWhere);
  for (kube::Object& object : decoded.objects) {
    const kube::Meta& meta = kube::meta(object);
    Entry& entry = into[{meta.ref.ns, meta.ref.name}];
    entry.version = meta.resource_version;
    entry.object = std::move(object);
  }
  for (Finding& finding : decoded.findings) {
    into[{finding.object.ns, finding.object.name}].findings.push_back(std::move(finding));
  }
  const Value* items = list->find("items");
  if (items == nullptr || items->array() == nullptr) return page;
  for (const Value& item : *items->array()) {
    const EntryKey key = key_of(item);
    const std::string version = string_at(item, {"metadata", "resourceVersion"});
    if (const auto known = into.find(key); known != into.end()) known->second.version = version;
    const std::size_t bytes = approximate_bytes(item);
    if (bytes > model::kObjectBytesMax) into[key] = too_large(resource, key, version, bytes);
  }
  return page;
}

std::expected<WatchEvent, std::string> read_event(std::string_view line, const Resource& resource) {
  const auto value = text::parse_json(line, limits());
  if (!value) {
    return Fault(fmt::format("a line of the watch of {} is no JSON: {}", resource.plural,
                             value.error().what));
  }
  const std::string type = string_at(*value, {"type"});
  const Value* object = value->find("object");
  if (type.empty() || object == nullptr || object->object() == nullptr) {
    return Fault(fmt::format("a line of the watch of {} is no event", resource.plural));
  }
  WatchEvent event;
  if (type == "ERROR") {
    event.type = WatchEvent::Type::error;
    const Value* code = object->find("code");
    if (code != nullptr && code->integer() != nullptr) event.code = *code->integer();
    event.message = string_at(*object, {"message"});
    return event;
  }
  if (type == "ADDED" || type == "MODIFIED") event.type = WatchEvent::Type::upsert;
  if (type == "DELETED") event.type = WatchEvent::Type::remove;
  if (type == "BOOKMARK") event.type = WatchEvent::Type::bookmark;
  take_object(*object, line.size(), resource, event);
  const bool names_one =
      event.type == WatchEvent::Type::upsert || event.type == WatchEvent::Type::remove;
  if (names_one && event.key.second.empty()) {
    return Fault(fmt::format("an event of the watch of {} names no object", resource.plural));
  }
  return event;
}

std::string status_message(std::string_view body) {
  if (const auto value = text::parse_json(body, limits())) {
    if (std::string message = string_at(*value, {"message"}); !message.empty()) return message;
  }
  return std::string(body.substr(0, kQuoteMax));
}

bool is_newer(std::string_view version, std::string_view than) {
  const auto a = ascii::parse_decimal(version), b = ascii::parse_decimal(than);
  return a && b ? *a > *b : version != than;
}

}  // namespace bd::source
