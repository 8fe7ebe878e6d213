#pragma once
// Which certificates and which policy a server name gets. Internal to this room.

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tls/material.h"
#include "tls/server_context.h"

namespace bd::tls {

/// Values by host pattern, exact or "*.example.com"; exact ones win.
template <class T>
class ByHost {
 public:
  T& operator[](std::string_view pattern) {
    return pattern.starts_with("*.") ? wild_[std::string(pattern.substr(2))]
                                     : exact_[std::string(pattern)];
  }
  /// `host` in lower case. Null: none.
  [[nodiscard]] const T* find(std::string_view host) const {
    if (const auto found = exact_.find(host); found != exact_.end()) return &found->second;
    const std::size_t dot = host.find('.');
    if (dot == std::string_view::npos || dot == 0) return nullptr;
    const auto found = wild_.find(host.substr(dot + 1));
    return found != wild_.end() ? &found->second : nullptr;
  }

 private:
  std::map<std::string, T, std::less<>> exact_;
  std::map<std::string, T, std::less<>> wild_;  // Without "*.".
};

/// The first certificate of each kind of key; they are offered together.
struct Offer {
  std::array<std::shared_ptr<const Material>, kKeyKinds> of;
  bool own = false;  ///< Made by us: the client can't mean it to say anything about a host.

  void add(const std::shared_ptr<const Material>& material);
};

class Certificates {
 public:
  void add(const std::shared_ptr<const Material>& material);
  void set_self_signed(const std::shared_ptr<const Material>& material);
  /// After all were added.
  void finish();
  [[nodiscard]] const Offer& choose(std::string_view host) const;

 private:
  ByHost<Offer> offers_;
  std::shared_ptr<const Material> first_;
  Offer rest_;
};

/// What is asked of clients that name one host.
struct Policy {
  Version min_version = Version::tls12;
  ClientAuth client_auth = ClientAuth::none;
  std::shared_ptr<const Trust> trust;  ///< Null if `client_auth` is none.
  std::string id;                      ///< Policies with the same one ask the same.
};

}  // namespace bd::tls
