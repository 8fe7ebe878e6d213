#pragma once
// The pages of the admin API, one function each. api.cc decides who may see them.

#include <array>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/api.h"

namespace bd::admin {

/// The parameters of a query, percent-decoded. A parameter that the page does not know is an error,
/// as is one that is given twice: a misspelt filter must not look like an unfiltered answer.
class Query {
 public:
  /// The error is a sentence for the client.
  static std::expected<Query, std::string> parse(std::string_view text,
                                                 std::span<const std::string_view> known);
  /// True if the parameter is absent, or equal to `value`.
  [[nodiscard]] bool admits(std::string_view name, std::string_view value) const;
  [[nodiscard]] const std::string* find(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

/// `{"error": what}`
[[nodiscard]] Response problem(int status, std::string_view what);

[[nodiscard]] Response exposures_page(const View& view, const Query& query);
[[nodiscard]] Response routes_page(const View& view, const Query& query);
[[nodiscard]] Response upstreams_page(const View& view, const Query& query);
[[nodiscard]] Response findings_page(const View& view, const Query& query);
[[nodiscard]] Response generations_page(const View& view, const Query& query);

/// All methods but GET and HEAD get their answer here, as do the paths that do not exist.
[[nodiscard]] bool is_read(std::string_view method);
[[nodiscard]] Response method_refused();
[[nodiscard]] Response not_found(std::span<const std::string_view> paths);

}  // namespace bd::admin
