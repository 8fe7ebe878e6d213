#pragma once
// What did the API server say? Reads pages of lists, lines of watches and error answers. Pure.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kube/objects.h"

namespace bd::source {

/// A resource of the API, as requests and error messages name it.
struct Resource {
  std::string_view kind;    ///< Ingress
  std::string_view group;   ///< networking.k8s.io; empty: the core group
  std::string_view plural;  ///< ingresses
  bool required = true;     ///< False: being forbidden counts as an empty list and a warning.
  /// A selector as it stands in a query, escaped; of lists and watches. Empty: all objects.
  std::string_view selector = {};
  [[nodiscard]] std::string path() const;
};

/// One object as it was last told. `object` is absent for what is there but can't be used;
/// `findings` then say why.
struct Entry {
  std::optional<kube::Object> object;
  std::string version;
  std::vector<model::Finding> findings;
};
using EntryKey = std::pair<std::string, std::string>;  ///< Namespace, name.
using Entries = std::map<EntryKey, Entry>;

struct Page {
  std::string version;
  std::string next;  ///< The `continue` token; empty: this was the last page.
};
/// Adds the objects of one page to `into`. The error is a sentence; `into` is then half filled.
[[nodiscard]] std::expected<Page, std::string> read_page(std::string_view json,
                                                         const Resource& resource, Entries& into);

struct WatchEvent {
  enum class Type : std::uint8_t { upsert, remove, bookmark, error, unknown };
  Type type = Type::unknown;
  EntryKey key;
  Entry entry;            ///< With the version for all but errors.
  std::int64_t code = 0;  ///< Of an error.
  std::string message;    ///< Of an error.
};
[[nodiscard]] std::expected<WatchEvent, std::string> read_event(std::string_view line,
                                                                const Resource& resource);

/// The `message` of a Status object, or the beginning of whatever else came instead.
[[nodiscard]] std::string status_message(std::string_view body);

/// Resource versions are opaque to old API servers and growing numbers to all that exist; where
/// both are numbers they are compared, elsewhere any other one is newer.
[[nodiscard]] bool is_newer(std::string_view version, std::string_view than);

}  // namespace bd::source
