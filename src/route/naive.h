#pragma once
// The meaning of a route table, said as plainly as code can: try every host, then every route. The
// fast Table gives the same answers; table_test.cc holds the two equal. For tests and explanations
// only.

#include <memory>
#include <string_view>
#include <vector>

#include "model/route.h"
#include "route/table.h"

namespace bd::route {

/// As Table::match, for the hosts that a table was compiled from.
[[nodiscard]] Match naive_match(const std::vector<std::shared_ptr<const model::VirtualHost>>& hosts,
                                std::string_view host, bool is_ip_literal, std::string_view path);

}  // namespace bd::route
