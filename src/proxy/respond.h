#pragma once
// The one place that turns a Cause into a response.

#include <string>

#include "decide/decide.h"
#include "decide/rewrite.h"

namespace bd::proxy {

struct OwnAnswer {
  decide::Cause cause = decide::Cause::none;
  std::string_view location;  ///< Of a redirect.
  std::string_view finding;   ///< Of a tombstone.
  const decide::RequestId* id = nullptr;
  bool head_only = false;  ///< HEAD: the length of the body, but no body.
  bool close = true;
  bool http10_client = false;
};

/// The whole response, head and body.
[[nodiscard]] std::string respond(const OwnAnswer& answer);

}  // namespace bd::proxy
