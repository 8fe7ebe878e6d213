#include <fmt/format.h>

#include "base/ascii.h"
#include "config/checks.h"
#include "config/environment.h"
#include "config/field.h"

namespace bd::config {
namespace {

using text::Value;

/// The keys that stand directly below `prefix`.
std::vector<std::string> siblings(std::string_view prefix) {
  std::vector<std::string> out;
  for (const Key& key : schema()) {
    if (!key.in_file || !key.path.starts_with(prefix)) continue;
    const std::string_view rest = key.path.substr(prefix.size());
    if (rest.find_first_of(".[") == rest.npos) out.emplace_back(rest);
  }
  return out;
}

/// Where a misplaced key belongs: `port` is a key of a listener, not of an exposure.
std::string belongs_to(std::string_view name) {
  for (const Key& key : schema()) {
    if (key.in_file && key.path.ends_with(fmt::format(".{}", name))) {
      return fmt::format("`{}` is a key of {}", name, key.path.substr(0, key.path.rfind('.')));
    }
  }
  return {};
}

/// Reads file, variables and flags into one draft, each over the one before.
class Loader {
 public:
  explicit Loader(const Inputs& inputs) : inputs_(inputs) {}
  Loaded load();

 private:
  void read_file();
  void read_environment();
  void read_variable(const std::string& name, const std::string& value);
  void read_flags();
  void read_flag(const Key& key, const std::vector<std::string>& values);
  void read_text(const Key& key, const std::string& text, std::string path, std::string where,
                 Target target);
  void read_members(const Field& field, std::string_view prefix, Target target);
  void read_value(const Field& field, Target target);
  void read_exposures(const Field& field);
  void read_listeners(const Field& field, model::Exposure& exposure);
  void read_manifests(const Field& field);
  void read_certificates(const Field& field, model::Listener& listener);
  void read_tls_hosts(const Field& field);
  void finish();
  void sort_mistakes();

  const Inputs& inputs_;
  Draft draft_;
  std::size_t outside_manifests_ =
      0;  ///< Directories of a variable or a flag; they replace the file's.
};

Loaded Loader::load() {
  read_file();
  read_environment();
  read_flags();
  finish();
  return {std::move(draft_.config), std::move(draft_.mistakes), std::move(draft_.warnings)};
}

void Loader::read_file() {
  if (!inputs_.file) return;
  const text::YamlResult yaml = text::parse_yaml(*inputs_.file);
  for (const text::ParseError& error : yaml.errors) {
    draft_.mistakes.push_back(
        {fmt::format("{}:{}", inputs_.file_name, error.line), "", error.what, ""});
  }
  if (yaml.documents.empty()) return;
  const auto place = [&](const Value& document) {
    return fmt::format("{}:{}", inputs_.file_name, document.line);
  };
  if (yaml.documents.size() > 1) {
    draft_.mistakes.push_back({place(yaml.documents[1]), "", "a second document begins here",
                               "a configuration is one YAML document"});
  }
  constexpr Key root{.path = "", .kind = Kind::object, .effect = Effect::live};
  read_members(Field(draft_, root, yaml.documents[0], "", place(yaml.documents[0])), "",
               {.config = &draft_.config});
}

/// The members of a mapping; `prefix` is the schema's path of what holds them, with its separator.
void Loader::read_members(const Field& field, std::string_view prefix, Target target) {
  if (field.value.object() == nullptr) return field.wrong();
  for (const auto& [name, value] : *field.value.object()) {
    const Key* key = find_key(std::string(prefix) + name);
    const Field member = field.below(key == nullptr ? field.key : *key, value,
                                     field.path.empty() ? name : "." + name);
    if (key != nullptr && key->in_file) {
      read_value(member, target);
      continue;
    }
    std::string hint = did_you_mean(name, siblings(prefix));
    if (hint.empty()) hint = belongs_to(name);
    if (hint.empty()) hint = "the keys here are " + join(siblings(prefix), ", ");
    member.reject("there is no such key", std::move(hint));
  }
}

void Loader::read_value(const Field& field, Target target) {
  draft_.origins[field.path] = field.where;
  if (field.key.kind == Kind::object && field.value.string() != nullptr &&
      !field.key.shorthand.empty()) {
    const Key& key = *find_key(fmt::format("{}.{}", field.key.path, field.key.shorthand));
    read_value(field.below(key, field.value, fmt::format(".{}", field.key.shorthand)), target);
  } else if (field.key.kind == Kind::object) {
    read_members(field, std::string(field.key.path) + ".", target);
  } else if (field.key.path == "exposures") {
    read_exposures(field);
  } else if (field.key.path == "exposures[].listeners") {
    read_listeners(field, *target.exposure);
  } else if (field.key.path == "exposures[].listeners[].tls.certificates") {
    read_certificates(field, *target.listener);
  } else if (field.key.path == "exposures[].listeners[].tls.hosts") {
    read_tls_hosts(field);
  } else if (field.key.path == "manifests") {
    read_manifests(field);
  } else if (field.key.read != nullptr) {
    field.key.read(field, target);
  }
}

void Loader::read_exposures(const Field& field) {
  const std::vector<Field> items = field.items();
  if (field.value.array() == nullptr) return;
  if (items.empty()) field.reject("names no exposure", "remove the key to get the four defaults");
  draft_.config.exposures.clear();
  for (const Field& item : items) {
    draft_.origins[item.path] = item.where;
    const Value* name = item.value.find("name");
    const auto* known =
        name == nullptr || name->string() == nullptr ? nullptr : default_exposure(*name->string());
    model::Exposure exposure =
        known != nullptr ? *known
                         : model::make_exposure("", model::Side::internal, model::Scheme::http, 0);
    for (const std::string_view needed : {".name", ".side", ".listeners[0].port"}) {
      // An element that is no mapping is one mistake; that it lacks its keys is no other.
      if (item.value.object() == nullptr)
        draft_.origins[item.path + std::string(needed)] = item.where;
    }
    read_members(item, "exposures[].", {.config = &draft_.config, .exposure = &exposure});
    draft_.config.exposures.push_back(std::move(exposure));
  }
}

/// The listener `main`, or the only one, inherits from the default exposure of that name; a second
/// one can't share its port.
void Loader::read_listeners(const Field& field, model::Exposure& exposure) {
  const std::vector<Field> items = field.items();
  if (field.value.array() == nullptr) return;
  if (items.empty()) return field.reject("names no listener", "an exposure needs at least one");
  const model::Listener base = exposure.listeners.front();
  exposure.listeners.clear();
  for (const Field& item : items) {
    draft_.origins[item.path] = item.where;
    model::Listener listener = base;
    read_members(item, "exposures[].listeners[].", {.exposure = &exposure, .listener = &listener});
    if (item.value.object() == nullptr) draft_.origins[item.path + ".port"] = item.where;
    const bool inherits = items.size() == 1 || listener.name == "main";
    if (!inherits && !draft_.is_set(item.path + ".port")) listener.bind.port = 0;
    exposure.listeners.push_back(std::move(listener));
  }
}

void Loader::read_certificates(const Field& field, model::Listener& listener) {
  listener.tls.files.clear();
  for (const Field& item : field.items()) {
    draft_.origins[item.path] = item.where;
    model::CertificateFiles entry;
    read_members(item, std::string(field.key.path) + "[].", {.certificate = &entry});
    for (const std::string_view needed : {".certificate", ".key"}) {
      if (item.value.object() == nullptr)
        draft_.origins[item.path + std::string(needed)] = item.where;
    }
    listener.tls.files.push_back(std::move(entry));
  }
}

void Loader::read_tls_hosts(const Field& field) {
  std::vector<TlsHost>& hosts = draft_.tls_hosts[field.path];
  hosts.clear();
  for (const Field& item : field.items()) {
    draft_.origins[item.path] = item.where;
    TlsHost entry{.path = item.path, .host = {}, .policy = {}};
    read_members(item, std::string(field.key.path) + "[].", {.tls_host = &entry});
    if (item.value.object() == nullptr) draft_.origins[item.path + ".host"] = item.where;
    hosts.push_back(std::move(entry));
  }
}

void Loader::read_manifests(const Field& field) {
  draft_.config.manifests.clear();
  for (const Field& item : field.items()) {
    draft_.origins[item.path] = item.where;
    ManifestsSource source;
    if (item.value.string() != nullptr) {
      item.store(source.directory);
    } else {
      read_members(item, "manifests[].", {.manifests = &source});
      if (item.value.object() != nullptr && !draft_.is_set(item.path + ".directory"))
        item.reject("directory is missing");
    }
    draft_.config.manifests.push_back(std::move(source));
  }
}

/// A value of a variable or a flag: lists are separated by commas, everything else is written as in
/// the file.
Value value_of(const Key& key, std::string_view text) {
  switch (key.kind) {
    case Kind::boolean:
      if (text == "true" || text == "false") return Value(text == "true");
      break;
    case Kind::number:
    case Kind::bytes:
      if (const auto number = ascii::parse_decimal<std::int64_t>(text)) return Value(*number);
      break;
    case Kind::choices:
    case Kind::list:
    case Kind::text_or_list:
    case Kind::objects: {
      Value::Array out;
      for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t comma = std::min(text.find(',', begin), text.size());
        out.emplace_back(std::string(ascii::trim(text.substr(begin, comma - begin))));
        begin = comma + 1;
      }
      return Value(std::move(out));
    }
    case Kind::redirect:
      if (text != "twin") return Value(Value::Object{{"twin", Value(std::string(text))}});
      break;
    case Kind::duration:
    case Kind::text:
    case Kind::choice:
    case Kind::object:
      break;
  }
  return Value(std::string(text));
}

void Loader::read_text(const Key& key, const std::string& text, std::string path, std::string where,
                       Target target) {
  if (text.empty()) {
    // A template that forgot to fill in BLASTDOOR_EXPOSURES must not end up serving all exposures.
    draft_.mistakes.push_back({std::move(where), std::move(path), "is set, but empty",
                               "leave it out to get the default"});
    return;
  }
  const Value value = value_of(key, text);
  read_value(Field(draft_, key, value, std::move(path), std::move(where)), target);
  if (key.path == "manifests") outside_manifests_ = draft_.config.manifests.size();
}

void Loader::read_environment() {
  for (const auto& [name, value] : inputs_.environment) {
    if (!name.starts_with("BLASTDOOR_") || name.starts_with("BLASTDOOR_TEST_")) continue;
    if (!is_injected(name, value)) read_variable(name, value);
  }
}

void Loader::read_variable(const std::string& name, const std::string& value) {
  const std::string where = "environment " + name;
  const std::vector<Meaning> meanings = meanings_of(name, draft_.config);
  if (meanings.empty()) {
    std::string hint = nearest_variable(name, draft_.config);
    if (hint.empty()) hint = "all are in docs/reference/configuration.md";
    draft_.mistakes.push_back({where, "", "there is no such variable", std::move(hint)});
    return;
  }
  if (meanings.size() > 1) {
    draft_.mistakes.push_back({where, meanings[0].path,
                               fmt::format("could also mean {}", meanings[1].path),
                               "set it in the file"});
    return;
  }
  const Meaning& meaning = meanings[0];
  Target target{.config = &draft_.config};
  if (meaning.exposure) {
    target.exposure = &draft_.config.exposures[*meaning.exposure];
    if (!meaning.listener) {
      draft_.mistakes.push_back(
          {where, meaning.path,
           fmt::format("{} has several listeners, and none is called main", target.exposure->name),
           "set it in the file"});
      return;
    }
    target.listener = &target.exposure->listeners[*meaning.listener];
  }
  read_text(*meaning.key, value, meaning.path, where, target);
}

void Loader::read_flags() {
  for (const auto& [name, values] : inputs_.flags) {
    const Key* found = nullptr;
    for (const Key& key : schema()) {
      if (!key.flag.empty() && flag_key(key) == name) found = &key;
    }
    if (found != nullptr) {
      read_flag(*found, values);
    } else {
      draft_.mistakes.push_back({"--" + name, "", "there is no such flag", ""});
    }
  }
}

void Loader::read_flag(const Key& key, const std::vector<std::string>& values) {
  if (values.size() > 1 && !is_list(key)) {
    draft_.mistakes.push_back(
        {std::string(key.flag), std::string(key.path), "is given more than once", ""});
    return;
  }
  const bool bare = key.kind == Kind::boolean && (values.empty() || values[0].empty());
  read_text(key, bare ? "true" : join(values, ","), std::string(key.path), std::string(key.flag),
            {.config = &draft_.config});
}

void Loader::finish() {
  Config& config = draft_.config;
  if (outside_manifests_ != 0) {
    for (ManifestsSource& source : config.manifests) source.allow_loopback = draft_.allow_loopback;
  } else if (draft_.allow_loopback) {
    draft_.warn(
        "allowLoopback",
        "has no effect: no directory was named beside it; in the file it is a key of manifests[]");
  }
  config.kubernetes =
      !config.kubeconfig.empty() || (inputs_.in_cluster && config.manifests.empty());
  derive(draft_);
  check(draft_);
  sort_mistakes();
}

/// In the order of the file, so that a reader goes down it once; then those of variables and flags.
void Loader::sort_mistakes() {
  const auto line = [&](const Mistake& mistake) {
    const bool in_file = mistake.where.starts_with(inputs_.file_name + ":");
    const std::size_t colon = mistake.where.rfind(':');
    return in_file
               ? ascii::parse_decimal<std::uint32_t>(mistake.where.substr(colon + 1)).value_or(0)
               : UINT32_MAX;
  };
  std::multimap<std::uint32_t, Mistake> by_line;  // Keeps the order of those on one line.
  for (Mistake& mistake : draft_.mistakes) by_line.emplace(line(mistake), std::move(mistake));
  draft_.mistakes.clear();
  for (auto& [_, mistake] : by_line) draft_.mistakes.push_back(std::move(mistake));
}

}  // namespace

std::string file_name(const Inputs& inputs) {
  const Key& key = *find_key("config");
  const auto flag = inputs.flags.find(flag_key(key));
  if (flag != inputs.flags.end() && !flag->second.empty()) return flag->second.back();
  const auto set = inputs.environment.find(variable(key, {}));
  return set == inputs.environment.end() ? "" : set->second;
}

Loaded load(const Inputs& inputs) {
  return Loader(inputs).load();
}

}  // namespace bd::config
