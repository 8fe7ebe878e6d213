#include "kube/decode.h"

#include <fmt/format.h>

#include "kube/names.h"
#include "model/limits.h"

namespace bd::kube {
namespace {

using text::Value;

/// The kinds that we read: where they live, and which names they may have.
struct Kind {
  std::string_view name;
  std::string_view api_version;
  bool in_namespace;
  bool name_is_label;  // Else a DNS subdomain.
};
constexpr Kind kKinds[] = {
    {"Ingress", "networking.k8s.io/v1", true, false},
    {"IngressClass", "networking.k8s.io/v1", false, false},
    {"Service", "v1", true, true},
    {"EndpointSlice", "discovery.k8s.io/v1", true, false},
    {"Namespace", "v1", false, true},
    {"Secret", "v1", true, false},
    {"ConfigMap", "v1", true, false},
};

const Kind* find_kind(std::string_view name) {
  for (const Kind& kind : kKinds) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

/// A group of somebody's own resources has a dot in its name, and is not one of Kubernetes' own: a
/// Knative `Service` is not our business, an `extensions/v1beta1` Ingress is.
bool is_foreign_group(std::string_view api_version) {
  const std::size_t slash = api_version.find('/');
  if (slash == api_version.npos) return false;
  const std::string_view group = api_version.substr(0, slash);
  return group.find('.') != group.npos && !group.ends_with(".k8s.io");
}

/// About the size of the object as JSON, which is what etcd's limit counts.
std::size_t json_size(const Value& value) {
  std::size_t size = 4;
  if (const std::string* text = value.string()) size += text->size();
  if (const Value::Array* items = value.array()) {
    for (const Value& item : *items) size += json_size(item);
  }
  if (const Value::Object* members = value.object()) {
    for (const Value::Member& member : *members)
      size += member.first.size() + json_size(member.second);
  }
  return size;
}

/// What a list says of its items, which then need not say it themselves.
struct Inherited {
  std::string_view kind;
  std::string_view api_version;
};

class Decoder {
 public:
  explicit Decoder(const model::ObjectRef& where) : where_(where) {}

  void decode(const Field& at, Inherited inherited, std::size_t depth) {
    Reader reader(ref_of(at, inherited.kind), where_.source != "kube");
    if (!at.value().is(Value::Kind::object)) {
      reader.refuse(
          at, "not-an-object",
          fmt::format("An object was expected here, not {}.", text::name(at.value().kind())));
      return finish(reader);
    }
    const std::string_view kind = text_of(at, "kind", inherited.kind);
    const std::string_view api_version = text_of(at, "apiVersion", inherited.api_version);
    if (kind.empty()) {
      const Field kind_at = at["kind"];
      if (reader.string(kind_at) == nullptr && !kind_at.absent()) return finish(reader);
      reader.refuse(kind_at, "kind-missing", "The object has no kind.");
      return finish(reader);
    }
    if (kind == "List" || (kind.ends_with("List") && find_kind(kind.substr(0, kind.size() - 4)))) {
      list(at, reader, kind, api_version, depth);
    } else if (const Kind* known = find_kind(kind)) {
      if (!is_foreign_group(api_version)) known_kind(at, reader, *known, api_version);
    } else {
      unknown_kind(at, reader, kind, api_version);
    }
    finish(reader);
  }

  [[nodiscard]] Decoded take() { return std::move(out_); }

 private:
  [[nodiscard]] static std::string_view text_of(const Field& at, std::string_view key,
                                                std::string_view otherwise) {
    const Value* value = at.value().find(key);
    return value != nullptr && value->string() != nullptr ? std::string_view(*value->string())
                                                          : otherwise;
  }

  /// Names the object as far as it can be read, whatever else is wrong with it.
  [[nodiscard]] model::ObjectRef ref_of(const Field& at, std::string_view kind) const {
    model::ObjectRef ref = where_;
    if (at.value().line > 0) ref.line = at.value().line;
    constexpr std::size_t kNameMax = 253;  // Longer ones are refused, and need not be shown whole.
    ref.kind = text_of(at, "kind", kind).substr(0, kNameMax);
    const Field metadata = at["metadata"];
    if (metadata.absent()) return ref;
    ref.name = text_of(metadata, "name", "").substr(0, kNameMax);
    ref.ns = text_of(metadata, "namespace", "").substr(0, kNameMax);
    const Kind* known = find_kind(ref.kind);
    if (known != nullptr && !known->in_namespace) ref.ns.clear();
    if (known != nullptr && known->in_namespace && ref.ns.empty()) ref.ns = "default";
    return ref;
  }

  void finish(Reader& reader) {
    for (model::Finding& finding : reader.take()) out_.findings.push_back(std::move(finding));
  }

  void list(const Field& at, Reader& reader, std::string_view kind, std::string_view api_version,
            std::size_t depth) {
    if (depth >= model::kListDepthMax) {
      reader.refuse(at, "list-too-deep", fmt::format("Lists are nested deeper than {}.", depth));
      return;
    }
    if (is_foreign_group(api_version)) return;
    const Inherited inherited =
        kind == "List" ? Inherited{} : Inherited{kind.substr(0, kind.size() - 4), api_version};
    const Field items_at = at["items"];
    const Value::Array* items = reader.array(items_at);
    for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
      decode(Field((*items)[i]), inherited, depth + 1);
    }
  }

  static void unknown_kind(const Field& at, Reader& reader, std::string_view kind,
                           std::string_view api_version) {
    std::vector<std::string> near_kinds;
    for (const Kind& each : kKinds) {
      if (each.api_version == api_version) near_kinds.emplace_back(each.name);
    }
    constexpr std::size_t kKindMax = 64;
    const std::string near = kind.size() > kKindMax ? "" : model::nearest(kind, near_kinds);
    if (near.empty()) return;
    reader.refuse(at["kind"], "kind-unknown", fmt::format("There is no kind {}.", backquoted(kind)),
                  fmt::format("Did you mean `{}`?", near));
  }

  static bool check_identity(const Field& at, Reader& reader, const Kind& kind) {
    const Field metadata = at["metadata"];
    if (!metadata.absent() && reader.object(metadata) == nullptr) return false;
    const Field name_at = metadata["name"];
    const std::string* name = reader.string(name_at);
    if (name == nullptr) {
      if (name_at.absent()) reader.refuse(name_at, "name-missing", "The object has no name.");
      return false;
    }
    if (!(kind.name_is_label ? is_dns_label(*name) : is_dns_subdomain(*name))) {
      reader.refuse(name_at, "name-invalid",
                    fmt::format("{} is no name of {}.", backquoted(*name), kind.name),
                    "Names are a-z, 0-9 and `-`.");
      return false;
    }
    const Field ns_at = metadata["namespace"];
    const std::string* ns = reader.string(ns_at);
    if (ns == nullptr) return ns_at.absent();
    if (kind.in_namespace && !ns->empty() && !is_dns_label(*ns)) {
      reader.refuse(ns_at, "name-invalid",
                    fmt::format("{} is no name of a namespace.", backquoted(*ns)),
                    "Names are a-z, 0-9 and `-`.");
      return false;
    }
    return true;
  }

  void known_kind(const Field& at, Reader& reader, const Kind& kind, std::string_view api_version) {
    if (kind.name == "Secret" && !is_wanted_secret(at)) return;
    if (kind.name == "ConfigMap" && !is_wanted_config_map(at)) return;
    if (!check_identity(at, reader, kind)) return;
    bool whole = check_api_version(at, reader, kind, api_version);
    if (const std::size_t size = json_size(at.value()); size > model::kObjectBytesMax) {
      reader.refuse(at, "object-too-large",
                    fmt::format("The object has about {} bytes; the most is {}.", size,
                                model::kObjectBytesMax));
      whole = false;
    }
    if (kind.name == "Ingress") return ingress(at, reader, whole);
    if (!whole) return;
    if (kind.name == "IngressClass") return add<IngressClass>(at, reader, decode_ingress_class);
    if (kind.name == "Service") return add<Service>(at, reader, decode_service);
    if (kind.name == "EndpointSlice") return add<EndpointSlice>(at, reader, decode_endpoint_slice);
    if (kind.name == "Secret") return add<Secret>(at, reader, decode_secret);
    if (kind.name == "ConfigMap") {
      add<ConfigMap>(at, reader, decode_config_map);
      // The label may be there and no text, which is said now.
      if (!meta(out_.objects.back()).labels.contains(kCaLabel)) out_.objects.pop_back();
      return;
    }
    add<Namespace>(at, reader, [](const Field&, Reader&, Namespace&) {});
  }

  static bool check_api_version(const Field& at, Reader& reader, const Kind& kind,
                                std::string_view api_version) {
    if (api_version == kind.api_version) return true;
    const Field version_at = at["apiVersion"];
    const std::string hint = fmt::format("Use `apiVersion: {}`.", kind.api_version);
    if (version_at.absent() && api_version.empty()) {
      reader.refuse(version_at, "api-version-missing", "The object has no apiVersion.", hint);
    } else if (!api_version.empty()) {
      reader.refuse(version_at, "api-version-unsupported",
                    fmt::format("{} {} is not read.", backquoted(api_version), kind.name), hint);
    } else {
      reader.refuse(version_at, "api-version-missing", "The apiVersion is no text.", hint);
    }
    return false;
  }

  template <class T, class Decode>
  void add(const Field& at, Reader& reader, Decode decode_spec) {
    T object;
    object.meta.ref = reader.ref();
    // Annotations of these kinds only refine; one that can't be read is reported, and the object
    // lives.
    static_cast<void>(decode_meta(at, reader, object.meta));
    decode_spec(at, reader, object);
    out_.objects.emplace_back(std::move(object));
  }

  void ingress(const Field& at, Reader& reader, bool whole) {
    Ingress object;
    object.meta.ref = reader.ref();
    const bool annotations_readable = decode_meta(at, reader, object.meta);
    if (const std::size_t paths = count_paths(at); paths > model::kRulesPerObjectMax) {
      const Field spec = at["spec"];
      reader.refuse(spec["rules"], "too-many-rules",
                    fmt::format("{} paths; the most is {}.", paths, model::kRulesPerObjectMax),
                    "Split the Ingress.");
      whole = false;
    }
    if (whole && annotations_readable) {
      decode_ingress(at, reader, object);
    } else {
      break_ingress(at, reader, object);
    }
    object.mistakes = reader.take();
    out_.objects.emplace_back(std::move(object));
  }

  const model::ObjectRef& where_;
  Decoded out_;
};

}  // namespace

const Meta& meta(const Object& object) {
  return std::visit([](const auto& each) -> const Meta& { return each.meta; }, object);
}

Decoded decode(const text::Value& document, const model::ObjectRef& where) {
  Decoder decoder(where);
  decoder.decode(Field(document), {}, 0);
  return decoder.take();
}

}  // namespace bd::kube
