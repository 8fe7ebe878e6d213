#pragma once
// The certificates and CA bundles that the configuration names by file: read, checked and watched
// here, so that no door ever opens one. It waits for disks: tls_watch.h has the thread for that.
//
// A file is looked at by stat(), through symlinks as in a mounted Secret, and read when it has
// changed and kept still for two looks: one that is being written may well parse and say less. A
// pair whose key does not belong to its certificate, as in the middle of a renewal, changes
// nothing: the last good pair stays, and a finding says what is wrong with the new one.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "model/finding.h"
#include "translate/material.h"

namespace bd::control {

class TlsFiles {
 public:
  /// What the configuration names from now on. What is new is read at once.
  void use(const config::Config& config);
  /// Looks at every file. True if some unit has changed: doors are to be told.
  [[nodiscard]] bool look();
  /// How often a unit was read: what can't be seen in it has not changed.
  [[nodiscard]] std::uint64_t reads() const noexcept { return reads_; }
  /// Why what was read since the last call can't be used, a line each; for the log.
  [[nodiscard]] std::vector<std::string> take_failures() { return std::exchange(failures_, {}); }
  /// Puts all that is good into `out`, in place of what was read before.
  void add_to(translate::Material& out) const;
  /// What can't be used, and why. `system_is_used`: some upstream is checked by the system's
  /// bundle, so that it is missed if it is not there.
  [[nodiscard]] std::vector<model::Finding> findings(bool system_is_used) const;

 private:
  struct Signature {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = -1, modified_ns = 0, changed_ns = 0;
    bool operator==(const Signature&) const = default;
  };
  /// A bundle, or a chain and a key that belong together.
  template <class Value>
  struct Unit {
    std::vector<std::string> files;
    std::vector<Signature> read, seen;  ///< When it was read, and at the last look.
    std::shared_ptr<const Value> good;  ///< Null: there never was a good one.
    std::string failure;                ///< Of the last read; empty: that is the good one.
    std::set<std::string> exposures;    ///< Who names it.
  };
  using Pair = Unit<model::Certificate>;
  using Bundle = Unit<std::string>;

  [[nodiscard]] static std::vector<Signature> look_at(const std::vector<std::string>& files);
  template <class Value>
  void replace(std::map<std::string, Unit<Value>>& units,
               std::map<std::string, Unit<Value>> wanted);
  template <class Value>
  [[nodiscard]] bool look(std::map<std::string, Unit<Value>>& units);
  template <class Value>
  bool read(Unit<Value>& unit);

  std::map<std::string, Pair> pairs_;      ///< By the name of the unit.
  std::map<std::string, Bundle> bundles_;  ///< The same.
  std::vector<std::string> failures_;
  std::uint64_t reads_ = 0;
};

}  // namespace bd::control
