#pragma once
// Which names Kubernetes allows. Names become parts of upstream keys ("namespace/service:port"), so
// a file that no API server has checked must not smuggle a separator into one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bd::kube {

/// RFC 1123 label: at most 63 of a-z, 0-9 and `-`, which is at neither end.
[[nodiscard]] bool is_dns_label(std::string_view name) noexcept;
/// Labels joined by dots, at most 253 bytes.
[[nodiscard]] bool is_dns_subdomain(std::string_view name) noexcept;

/// `text` for messages: cut to 64 bytes, without control characters, in backquotes.
[[nodiscard]] std::string backquoted(std::string_view text);

/// RFC 3339 (`2024-05-01T10:00:00Z`, fractions and offsets too) as seconds since the epoch.
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text) noexcept;

}  // namespace bd::kube
