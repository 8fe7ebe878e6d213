#pragma once
// A session's server side. Internal to this room: the callbacks of the context and of its tickets
// find it by the SSL.

#include <memory>
#include <string>
#include <string_view>

#include "tls/choice.h"
#include "tls/role.h"
#include "tls/tickets.h"

namespace bd::tls {

class ServerRole final : public Role {
 public:
  ServerRole(std::shared_ptr<const ServerContext::Inner> inner,
             std::shared_ptr<const TicketKeys> keys);
  [[nodiscard]] std::string_view server_name() const override { return name_; }
  [[nodiscard]] bool covers(ssl_st* ssl, std::string_view host) const override;
  [[nodiscard]] bool satisfies(ssl_st* ssl, std::string_view host) const override;
  [[nodiscard]] const TicketKeys& tickets() const { return *keys_; }

  /// The ClientHello is here: fixes name and policy. False ends the handshake with `alert`.
  bool greet(ssl_st* ssl, int& alert);
  bool offer_certificates(ssl_st* ssl) const;
  [[nodiscard]] bool h2() const;

 private:
  bool apply_policy(ssl_st* ssl) const;

  std::shared_ptr<const ServerContext::Inner> inner_;
  std::shared_ptr<const TicketKeys> keys_;
  std::string name_;
  const Policy* policy_;
  bool greeted_ = false;
};

[[nodiscard]] inline ServerRole& server_role_of(const ssl_st* ssl) {
  return static_cast<ServerRole&>(*role_of(ssl));
}

/// What sessions need of a context.
struct ServerContext::Inner {
  OwnContext ssl;
  Certificates certificates;
  Policy policy;
  ByHost<Policy> policies;
  bool h2 = true;
  // For the context after this one: what was parsed, by the text it was parsed from.
  std::map<std::shared_ptr<const KeyPair>, std::shared_ptr<const Material>> parsed;
  std::map<std::string, std::shared_ptr<const Trust>, std::less<>> trusts;
  std::shared_ptr<const Material> own;

  [[nodiscard]] const Policy& policy_of(std::string_view host) const;
};

}  // namespace bd::tls
