#pragma once
// How do the keys about TLS get their values, and what must hold between them?

#include "config/field.h"

namespace bd::config {

void read_tls_mode(const Field& field, Target target);
/// `exposures[].tls`: the mode of every listener that does not set its own.
void read_exposure_tls(const Field& field, Target target);
/// 1.2 without quotes is a number in YAML, and meant as the word.
void read_tls_version(const Field& field, Target target);
void read_client_certificate(const Field& field, Target target);
void read_client_ca(const Field& field, Target target);
void read_certificate_file(const Field& field, Target target);
void read_key_file(const Field& field, Target target);
void read_tls_host(const Field& field, Target target);
void read_secrets(const Field& field, Target target);

/// Modes that an exposure sets for its listeners, and what hosts take over from their listener.
void derive_tls(Draft& draft);
void check_tls(Draft& draft);

}  // namespace bd::config
