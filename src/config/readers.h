#pragma once
// How does each key of the schema get its value? One reader per key that is more than a number, a
// word or a text.

#include "config/field.h"

namespace bd::config {

template <auto Member>
void read_config(const Field& field, Target target) {
  field.store(target.config->*Member);
}
template <auto Member>
void read_exposure(const Field& field, Target target) {
  field.store(target.exposure->*Member);
}
template <auto Member>
void read_listener(const Field& field, Target target) {
  field.store(target.listener->*Member);
}
template <auto Member>
void read_limit(const Field& field, Target target) {
  field.store(target.listener->limits.*Member);
}
template <auto Member>
void read_timeout(const Field& field, Target target) {
  field.store(target.listener->timeouts.*Member);
}
template <auto Member>
void read_manifests(const Field& field, Target target) {
  field.store(target.manifests->*Member);
}

void store_socket(const Field& field, SocketAddress& out);
void store_cidrs(const Field& field, std::vector<Cidr>& out);

template <auto Member>
void read_socket(const Field& field, Target target) {
  store_socket(field, target.config->*Member);
}
template <auto Member>
void read_cidrs(const Field& field, Target target) {
  store_cidrs(field, target.listener->*Member);
}

void read_exposure_name(const Field& field, Target target);
void read_selector(const Field& field, Target target);
void read_classes(const Field& field, Target target);
void read_any_class(const Field& field, Target target);
void read_allow(const Field& field, Target target);
void read_redirect(const Field& field, Target target);
void read_listener_name(const Field& field, Target target);
void read_ip(const Field& field, Target target);
void read_port(const Field& field, Target target);
void read_health_path(const Field& field, Target target);
void read_enabled(const Field& field, Target target);
void read_label_selector(const Field& field, Target target);
void read_allow_loopback(const Field& field, Target target);
void read_handover(const Field& field, Target target);
void read_node_addresses(const Field& field, Target target);

}  // namespace bd::config
