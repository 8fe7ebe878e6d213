#pragma once
// Which keys are there? Every key of the configuration, once: its path in the file, its environment
// variable, its flag, what it accepts, its default, when a change of it takes effect, what it is
// for.
//
// load.cc reads files, variables and flags by this table, reference.cc prints it. A key that is not
// here does not exist.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace bd::config {

class Field;

/// The shape of a value.
enum class Kind : std::uint8_t {
  boolean,
  number,    ///< Between `min` and `max`.
  bytes,     ///< `16KiB`, or a number; between `min` and `max`.
  duration,  ///< `10s`; between `min` and `max`, which are milliseconds.
  text,
  choice,   ///< One of `words`.
  choices,  ///< A list of `words`.
  list,     ///< A list of texts.
  text_or_list,
  redirect,  ///< `twin`, or {twin: NAME}.
  object,    ///< Holds the keys below it.
  objects,   ///< A list of such.
};

/// When a change takes effect: at once, or with the next start (DoorSpecs, sockets and process
/// settings).
enum class Effect : std::uint8_t { live, restart };

/// An entry of a listener's `tls.hosts`.
struct TlsHost {
  std::string path;  ///< exposures[0].listeners[0].tls.hosts[1]
  std::string host;
  model::TlsPolicy policy;
};

/// What a value is stored in; the pointers that the key's path needs are set.
struct Target {
  Config* config = nullptr;
  model::Exposure* exposure = nullptr;
  model::Listener* listener = nullptr;
  ManifestsSource* manifests = nullptr;
  model::CertificateFiles* certificate = nullptr;
  TlsHost* tls_host = nullptr;
};

struct Key {
  std::string_view path;  ///< `exposures[].listeners[].port`
  Kind kind;
  std::string_view fallback;  ///< As one would write it in the file; "" if there is none, or if
                              ///< `about` has to explain it.
  Effect effect;
  std::string_view about;
  void (*read)(const Field&,
               Target);  ///< Null for objects, and for keys that load.cc places itself.
  std::string_view format =
      {};  ///< Of texts and lists: "an IP address". Of choices: the words, by comma.
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::string_view flag = {};      ///< `--admin`; "" if it has none.
  std::string_view variable = {};  ///< If it is not the one that the path gives.
  bool in_file = true;
  std::string_view shorthand = {};  ///< Of objects: the key below it that a bare word sets.
};

[[nodiscard]] std::span<const Key> schema();
[[nodiscard]] const Key* find_key(std::string_view path);
/// Of keys below exposures, `exposure` in place of the name: BLASTDOOR_INTERNAL_HTTP_PORT. Empty if
/// the key can't be set by environment: objects, and what names an element of a list.
[[nodiscard]] std::string variable(const Key& key, std::string_view exposure);
/// The name of the flag as a key of Inputs::flags: `--allow-loopback` is `allowLoopback`.
[[nodiscard]] std::string flag_key(const Key& key);
/// "a number from 0 to 65535"
[[nodiscard]] std::string expected(const Key& key);
/// The same for one element of a list.
[[nodiscard]] std::string expected_item(const Key& key);
/// The words of a choice.
[[nodiscard]] std::vector<std::string> words(const Key& key);
/// Several flags of it add up.
[[nodiscard]] inline bool is_list(const Key& key) {
  return key.kind == Kind::list || key.kind == Kind::objects;
}
[[nodiscard]] inline bool is_per_exposure(const Key& key) {
  return key.path.starts_with("exposures[].");
}

}  // namespace bd::config
