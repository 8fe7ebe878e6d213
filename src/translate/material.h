#pragma once
// What doors need beyond what objects and configuration say: certificates and CA bundles that were
// read from files, and session ticket keys. Control reads and makes them; here they are put where a
// door looks for them, so that they can change without a compile.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "snapshot/snapshot.h"

namespace bd::translate {

/// Name of the bundle that upstreams are checked by if they name no other.
inline constexpr std::string_view kSystemBundle = "system";

struct Material {
  /// By the name of the unit: "file NAME". What can't be used is not there.
  std::map<std::string, std::shared_ptr<const model::Certificate>> certificates;
  /// By the name of the unit: "file NAME", "system".
  std::map<std::string, std::shared_ptr<const std::string>> bundles;
  /// By exposure; of those that end TLS.
  std::map<std::string, std::vector<std::string>> ticket_keys;
};

/// True if some listener of the exposure ends TLS.
[[nodiscard]] bool ends_tls(const model::Exposure& exposure);

/// How many units that objects name a door has place for, beside those that its configuration
/// names.
struct Room {
  std::size_t certificates = 0;  ///< Of Secrets.
  std::size_t bundles = 0;       ///< Of ConfigMaps.
};
[[nodiscard]] Room room_of(const model::Exposure& exposure);

/// The finding where there is no room, and what it says.
inline constexpr std::string_view kTooManyCertificates = "too-many-certificates";
/// `kind`: "certificates of Secrets".
[[nodiscard]] std::string too_many(std::string_view kind, std::size_t room);

/// Gives `door`, whose exposure is configured as `exposure`, what it names of `material`, and takes
/// from it what it names no more. Names of other kinds ("secret …") stay as they are. A bundle that
/// is not there becomes one that trusts nobody: what can't be checked is refused, never let in.
void add_material(const model::Exposure& exposure, const Material& material, snapshot::Door& door);

/// Without what only the controller needs: the names of files.
[[nodiscard]] model::Exposure for_door(model::Exposure exposure);

}  // namespace bd::translate
