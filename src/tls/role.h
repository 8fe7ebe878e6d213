#pragma once
// What a session is for its context. Internal to this room.

#include <string_view>

#include "tls/session.h"

namespace bd::tls {

/// OpenSSL's callbacks find it by the SSL; it keeps alive what of the context a session needs.
class Role {
 public:
  Role() = default;
  Role(const Role&) = delete;
  Role& operator=(const Role&) = delete;
  virtual ~Role() = default;
  [[nodiscard]] virtual std::string_view server_name() const = 0;
  [[nodiscard]] virtual bool covers(ssl_st*, std::string_view) const { return false; }
  [[nodiscard]] virtual bool satisfies(ssl_st*, std::string_view) const { return false; }
};

[[nodiscard]] Role* role_of(const ssl_st* ssl);

/// A BIO over a line. Null if there is no memory.
[[nodiscard]] bio_st* open_line(Session::Line& line);
/// Sends what is held. False: the wire takes no more now; what is left stays held.
bool flush(Session::Line& line);
/// The line of a session of this room.
[[nodiscard]] Session::Line& line_of(const ssl_st* ssl);

/// Bytes that a peer may send in one call without any data coming of it. One message of a
/// handshake has up to 128 KiB; beyond, it is records that mean nothing, to keep us busy.
inline constexpr std::size_t kFruitlessMax = 256 << 10;
/// OpenSSL sends every message of a handshake by itself where each costs a packet and its way
/// through the kernel: two tickets and a short answer fit in here together.
inline constexpr std::size_t kHeldMax = 2 << 10;
/// KeyUpdates with no data between them. One in 2^24 records is what a key needs.
inline constexpr unsigned kKeyUpdatesMax = 32;

}  // namespace bd::tls
