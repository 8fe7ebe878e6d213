#pragma once
// The source that mirrors an API server, with its times in the open for tests.

#include <memory>

#include "source/kube_mirror.h"
#include "source/source.h"

namespace bd::source {

[[nodiscard]] std::unique_ptr<Source> watch_kubernetes(KubeAccess access, KubeScope scope,
                                                       const KubeTimes& times);

}  // namespace bd::source
