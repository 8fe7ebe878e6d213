#pragma once
// The one place that turns a Cause into a response.

#include <string>

#include "decide/decide.h"
#include "decide/rewrite.h"
#include "http/field_list.h"

namespace bd::proxy {

struct OwnAnswer {
  decide::Cause cause = decide::Cause::none;
  std::string location;      ///< Of a redirect.
  std::string_view finding;  ///< Of a tombstone.
  const decide::RequestId* id = nullptr;
  bool head_only = false;  ///< HEAD: the length of the body, but no body.
  bool grpc = false;       ///< The client speaks gRPC: it gets a grpc-status.
  // HTTP/1 only.
  bool close = true;
  bool http10_client = false;
};

/// The response without a protocol.
struct OwnResponse {
  int status = 500;
  http::FieldList fields;
  std::string body;  ///< Empty for HEAD, and for gRPC, which has all in its fields.
};
[[nodiscard]] OwnResponse own_response(const OwnAnswer& answer);

/// By the content type (gRPC over HTTP/2, "Requests").
[[nodiscard]] bool is_grpc(const http::Fields& fields);

/// The whole response for HTTP/1, head and body.
[[nodiscard]] std::string respond(const OwnAnswer& answer);

}  // namespace bd::proxy
