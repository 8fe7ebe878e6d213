#pragma once
// The keys of session tickets (RFC 8446 §4.6.1): of each exposure its own, so that no session of
// one door is resumed at another. They live in memory alone, the controller's and the doors'. A
// controller that starts anew makes new ones, which costs every client one full handshake.

#include <array>
#include <map>
#include <string>
#include <vector>

#include "config/config.h"
#include "rt/reactor.h"

namespace bd::control {

class TicketKeys {
 public:
  /// Makes keys for exposures that end TLS and have none, forgets those of others, and rotates the
  /// ones that are due. True if some differ: doors are to be told.
  [[nodiscard]] bool refresh(const config::Config& config, rt::Instant now);
  /// By exposure: the newest first.
  [[nodiscard]] std::map<std::string, std::vector<std::string>> all() const;

 private:
  struct Keys {
    std::vector<std::string> keys;
    rt::Instant made{};
  };
  std::map<std::string, Keys> by_exposure_;
};

}  // namespace bd::control
