#pragma once
// How requests are spread over the endpoints of a Service, how many it may take, and how long it is
// waited for: from annotations of the Service. What can't be understood is a warning, and the
// default holds.

#include <string>
#include <string_view>
#include <vector>

#include "kube/objects.h"
#include "model/route.h"
#include "translate/findings.h"

namespace bd::translate {

inline constexpr std::string_view kBalance = "blastdoor.io/balance";
inline constexpr std::string_view kHashBy = "blastdoor.io/hash-by";
inline constexpr std::string_view kStickyCookie = "blastdoor.io/sticky-cookie";
/// Of an EndpointSlice.
inline constexpr std::string_view kWeight = "blastdoor.io/weight";

/// These, and those of model::kCircuitFields and model::kPatienceFields.
[[nodiscard]] std::vector<std::string> traffic_annotations();

struct Traffic {
  model::Balance balance;
  model::Circuit circuit;
  model::Patience patience;
  bool operator==(const Traffic&) const = default;
};

[[nodiscard]] Traffic read_traffic(const kube::Service& service,
                                   const std::vector<std::string>& exposures, Findings& findings);

/// The weight of all endpoints of the slice.
[[nodiscard]] std::uint32_t read_weight(const kube::EndpointSlice& slice, Findings& findings);

}  // namespace bd::translate
