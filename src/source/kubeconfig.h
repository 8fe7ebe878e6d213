#pragma once
// How to reach an API server, read from what kubectl or a pod has. Only what this file says is
// supported; anything else is an error in words, never a silent half.

#include <expected>
#include <string>
#include <string_view>

#include "source/source.h"

namespace bd::source {

/// `text` is a kubeconfig; file names in it are relative to `folder`.
[[nodiscard]] std::expected<KubeAccess, std::string> parse_kubeconfig(std::string_view text,
                                                                      const std::string& folder);

/// `host` and `port` as Kubernetes gives them to a pod; `folder` holds `token` and `ca.crt`.
[[nodiscard]] std::expected<KubeAccess, std::string> service_account_access(
    const std::string& host, const std::string& port, const std::string& folder);

}  // namespace bd::source
