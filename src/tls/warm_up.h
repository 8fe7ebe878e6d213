#pragma once
// What OpenSSL needs from the file system it gets now or never.

namespace bd::tls {

/// Sets OpenSSL up for a process that soon can't open files: no openssl.cnf is read, now or later
/// (so nothing in one weakens us), random numbers come from getrandom(2). Cheap when called again;
/// every create() of this room calls it too.
void warm_up();

}  // namespace bd::tls
