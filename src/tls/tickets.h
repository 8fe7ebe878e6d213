#pragma once
// Keys of session tickets: whoever has the same keys resumes the same sessions, so workers and
// nodes need no common memory.

#include <array>
#include <memory>
#include <vector>

struct ssl_ctx_st;

namespace bd::tls {

/// RFC 5077 §4: 16 bytes of name, 32 for AES-256-CBC, 32 for HMAC-SHA256. Of several the first
/// encrypts and all decrypt; a ticket under an older one is renewed.
using TicketKey = std::array<unsigned char, 80>;
using TicketKeys = std::vector<TicketKey>;

/// Makes a server context use the keys of each session's role (see server_role.h).
void use_tickets(ssl_ctx_st* context);

}  // namespace bd::tls
