#include "config/readers.h"

#include "http/target.h"

namespace bd::config {
namespace {

/// Names stand in labels, variables and metrics, so that all are DNS labels.
void store_name(const Field& field, std::string& out) {
  auto text = field.text();
  if (!text) return;
  if (!is_dns_label(*text)) field.wrong();
  out = std::move(*text);  // Kept also when wrong, so that what refers to it finds it.
}

/// A selector that an unlabelled object could match would expose what nobody labelled.
std::optional<model::Selector> checked_selector(const Field& field) {
  const auto text = field.text();
  if (!text) return std::nullopt;
  auto selector = model::Selector::parse(*text);
  if (!selector) {
    field.reject(fmt::format("the selector `{}` does not parse: {}", *text, selector.error()),
                 "write it as kubectl takes it: `expose=internal-http`, `tier in (web, api)`");
    return std::nullopt;
  }
  if (!selector->needs_a_label()) {
    field.reject(fmt::format("the selector `{}` also matches objects without any label", *text),
                 "add a requirement that needs a label: `key=value`, `key in (a, b)` or `key`");
    return std::nullopt;
  }
  return std::move(*selector);
}

}  // namespace

void store_socket(const Field& field, SocketAddress& out) {
  const auto text = field.text();
  if (!text) return;
  const auto address = SocketAddress::parse(*text);
  if (!address) return field.wrong();
  out = *address;
}

void store_cidrs(const Field& field, std::vector<Cidr>& out) {
  out.clear();
  for (const Field& item : field.items()) {
    const auto text = item.text();
    if (!text) continue;
    const auto cidr = Cidr::parse(*text);
    cidr ? out.push_back(*cidr) : item.wrong();
  }
}

void read_exposure_name(const Field& field, Target target) {
  store_name(field, target.exposure->name);
}

void read_listener_name(const Field& field, Target target) {
  store_name(field, target.listener->name);
}

void read_handover(const Field& field, Target target) {
  store_name(field, target.config->handover);
}

void read_selector(const Field& field, Target target) {
  if (auto selector = checked_selector(field)) target.exposure->selector = std::move(*selector);
}

void read_label_selector(const Field& field, Target) {
  if (auto selector = checked_selector(field)) field.draft.label_selector = std::move(*selector);
}

void read_classes(const Field& field, Target target) {
  target.exposure->ingress_classes.clear();
  for (const Field& item : field.items()) {
    if (auto name = item.text()) target.exposure->ingress_classes.push_back(std::move(*name));
  }
}

void read_any_class(const Field& field, Target target) {
  if (field.choice()) target.exposure->any_class = true;
}

void read_allow(const Field& field, Target target) {
  using model::Allow;
  constexpr bool Allow::* members[] = {&Allow::wildcard, &Allow::empty_host,
                                       &Allow::default_backend};
  Allow out;
  for (const Field& item : field.items()) {
    if (const auto index = item.choice()) out.*members[*index] = true;
  }
  target.exposure->allow = out;
}

/// An empty name asks for the only https exposure of the side, which is known when all are read.
void read_redirect(const Field& field, Target target) {
  const auto* word = field.value.string();
  const auto* object = field.value.object();
  const text::Value* twin = field.value.find("twin");
  const std::string* name = twin == nullptr ? nullptr : twin->string();
  if (word != nullptr && *word == "twin") {
    target.exposure->redirect_twin = "";
  } else if (object != nullptr && object->size() == 1 && name != nullptr && !name->empty()) {
    target.exposure->redirect_twin = *name;
  } else {
    field.wrong();
  }
}

void read_ip(const Field& field, Target target) {
  const auto text = field.text();
  if (!text) return;
  const auto ip = IpAddress::parse(*text);
  if (!ip) return field.wrong();
  target.listener->bind.ip = *ip;
}

void read_port(const Field& field, Target target) {
  field.store(target.listener->bind.port);
}

/// Requests are compared with it in normal form: no other form would ever match.
void read_health_path(const Field& field, Target target) {
  auto text = field.text();
  if (!text) return;
  const bool normal = http::is_normal_path(*text) && text->find_first_of("?#") == text->npos &&
                      text->find("//") == text->npos;
  if (!normal) return field.wrong();
  target.listener->health_path = std::move(*text);
}

void read_enabled(const Field& field, Target target) {
  target.config->enabled.clear();
  for (const Field& item : field.items()) {
    if (auto name = item.text()) target.config->enabled.push_back(std::move(*name));
  }
  if (field.value.array() != nullptr && field.value.array()->empty()) {
    field.reject("names no exposure", "remove the key to serve all of them");
  }
}

void read_allow_loopback(const Field& field, Target) {
  field.store(field.draft.allow_loopback);
}

void read_node_addresses(const Field& field, Target target) {
  target.config->node_addresses.clear();
  for (const Field& item : field.items()) {
    const auto text = item.text();
    if (!text) continue;
    const auto ip = IpAddress::parse(*text);
    ip ? target.config->node_addresses.push_back(ip->text()) : item.wrong();
  }
}

}  // namespace bd::config
