#pragma once
// What is asked for. The path is normalised once; what was matched is what is forwarded (invariant
// 7).

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/authority.h"
#include "http/field.h"

namespace bd::http {

/// RFC 3986 §6.2.2 without surprises: percent-encoded unreserved characters are decoded, other
/// escapes get upper-case hex, dot segments (also when written %2e) are removed. `//` is kept but
/// never lets a path escape its Prefix (see merge_slashes). Refused (bad_request): no leading `/`,
/// bad escapes, %00, raw controls, spaces, 8-bit bytes, `\` raw or %5c, %2f, overlong UTF-8 (%c0
/// %c1 leading, %e0 %80-%9f, %f0 %80-%8f), `#`, `?`, dot segments with parameters (`..;`).
[[nodiscard]] Result<std::string> normalize_path(std::string_view raw);

/// True if `raw` is already in normal form (the common case: no allocation, no rewrite).
[[nodiscard]] bool is_normal_path(std::string_view raw) noexcept;

/// The path that routes are matched on: runs of `/` merged, so that `//admin` can't slip past a
/// rule for
/// `/admin`. Returns `path` itself if it has none; otherwise fills `storage`.
[[nodiscard]] std::string_view merge_slashes(std::string_view path, std::string& storage);

/// A request target in origin-form, absolute-form (http or https scheme) or, for OPTIONS, `*`.
struct Target {
  std::optional<Authority> authority;  ///< Of absolute-form only.
  std::string path;                    ///< Normalised; "*" for asterisk-form.
  std::string
      query;  ///< With its leading `?` if there was one; raw; 8-bit and controls are refused.

  /// CONNECT's authority-form and everything else: bad_request.
  static Result<Target> parse(Method method, std::string_view raw);
};

/// The one authority of a request: Host and absolute-form must agree (compared as Authority::host
/// and port), else bad_request. Also bad_request: no authority at all (HTTP/1.0 without Host, in
/// origin-form).
[[nodiscard]] Result<Authority> effective_authority(const Target& target,
                                                    std::string_view host_field);

}  // namespace bd::http
