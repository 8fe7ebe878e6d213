#pragma once
// What the certificates of all doors say, each parsed once, wherever it came from: names, dates,
// fingerprints, and never a key. For findings, the admin API and metrics.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/finding.h"
#include "snapshot/snapshot.h"
#include "tls/certificate.h"

namespace bd::control {

class Certificates {
 public:
  using Known = std::shared_ptr<const tls::Facts>;
  /// Reads what is new in `snapshot`, and forgets what is gone.
  void update(const snapshot::Snapshot& snapshot);
  /// By exposure, then by the name of the certificate. What a source let through and nobody can
  /// read is not there.
  [[nodiscard]] const std::map<std::string, std::map<std::string, Known>>& all() const noexcept {
    return by_exposure_;
  }
  /// Those that expire soon, have expired, or are not yet valid. `now`: Unix seconds.
  [[nodiscard]] std::vector<model::Finding> findings(std::int64_t now) const;

 private:
  std::map<std::shared_ptr<const model::Certificate>, Known> known_;
  std::map<std::string, std::map<std::string, Known>> by_exposure_;
};

/// What is the matter with these dates, in a sentence; empty: nothing.
[[nodiscard]] std::string say_dates(const tls::Facts& facts, std::int64_t now);

}  // namespace bd::control
