#pragma once
// decide/ answers: what becomes of this request? It is pure: the proxy executes a Decision, the
// admin API and the command line print one.
//
//   table + request head + peer  ->  Decision: forward to an upstream, or an answer of our own

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "http/authority.h"
#include "http/field.h"
#include "model/exposure.h"
#include "model/route.h"
#include "route/table.h"

namespace bd::decide {

/// What holds for every request of one listener. `table` is null before the first complete one.
struct Listener {
  std::string exposure;
  model::Listener facts;
  std::shared_ptr<const route::Table> table;
};

/// The request as the codec left it; views live as long as the message.
struct Request {
  http::Method method = http::Method::other;
  std::string_view target;  ///< Raw.
  std::string_view host;    ///< The Host field, or :authority.
  const http::Fields* fields = nullptr;
  SocketAddress peer;
  SocketAddress local;
  /// What is told of the client's certificate, in the form of X-Forwarded-Client-Cert; empty: none.
  std::string_view client_certificate;
};

/// Why an answer is our own: a fixed vocabulary, sent as X-Blastdoor-Cause.
/// docs/reference/causes.md.
enum class Cause : std::uint8_t {
  none,
  starting,
  draining,
  healthy,
  no_route,
  refused,
  no_endpoints,
  loop,
  method_refused,
  bad_target,
  bad_host,
  redirect,
  bad_request,
  uri_too_long,
  head_too_large,
  body_too_large,
  unsupported,
  version,
  expectation,
  client_timeout,
  connect_failed,
  upstream_timeout,
  upstream_closed,
  bad_response,
  response_too_large,
  bad_upgrade,
  misdirected,
  upstream_tls_failed,
  circuit_connections,
  circuit_pending,
  circuit_requests,
  overloaded,
  count_
};
struct CauseInfo {
  std::string_view name;  ///< kebab-case.
  int status;
  std::string_view party;  ///< Who is to blame: client, upstream, site (its configuration), door.
  std::string_view what;
  std::string_view to_do;
};
[[nodiscard]] const CauseInfo& info(Cause cause);

struct Decision {
  Cause cause = Cause::none;  ///< None: forward. Otherwise answer with it.
  http::Authority authority;
  std::string path;                     ///< Normal form: what was matched is what is forwarded.
  std::string query;                    ///< With its `?`.
  const model::Route* route = nullptr;  ///< Into the table; null if nothing matched.
  std::string_view upstream;            ///< Key, when forwarding; a view into the table.
  std::string_view refused_cause;       ///< Of a tombstone; a view into the table.
  std::string location;                 ///< Of a redirect.
  IpAddress client;                     ///< The resolved client address.
  bool peer_trusted = false;
  bool forwarded_for_ignored = false;  ///< A peer that is not trusted sent X-Forwarded-For.
  bool forwarded_proto_mismatch =
      false;  ///< A peer's X-Forwarded-Proto differs from the listener's fact.
};

struct DoorState {
  bool draining = false;    ///< Health probes fail.
  bool overloaded = false;  ///< Nothing but health probes is served.
};

[[nodiscard]] Decision decide(const Listener& listener, const Request& request,
                              const DoorState& state);

/// The last address of an X-Forwarded-For value: `ip`, `ip:port`, `[v6]`, `[v6]:port`. False if it
/// is none of these.
[[nodiscard]] bool last_forwarded_for(std::string_view value, IpAddress& out);

}  // namespace bd::decide
