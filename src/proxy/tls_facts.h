#pragma once
// What of a client's TLS session an exchange wants to know.

#include <string>
#include <string_view>

#include "model/exposure.h"
#include "tls/session.h"

namespace bd::proxy {

/// The value of X-Forwarded-Client-Cert for an upstream; empty if the client presented no
/// certificate that was verified.
[[nodiscard]] std::string describe_client(const tls::Session& session);

/// The policy that holds for `host`: its own, that of its wildcard, or the listener's.
[[nodiscard]] const model::TlsPolicy& tls_policy(const model::Tls& tls, std::string_view host);

}  // namespace bd::proxy
