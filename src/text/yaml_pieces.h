#pragma once
// Cuts a YAML stream into its documents before anything is parsed, so that a broken document harms
// neither the ones before it nor the ones after.

#include <optional>
#include <string_view>
#include <vector>

#include "text/value.h"

namespace bd::text {

struct YamlPiece {
  std::string_view text;  ///< At most one document, with its markers and comments.
  int line = 1;           ///< Of its first byte, from 1.
};

/// The document markers of a stream need no parser: `---` and `...` at the start of a line are
/// never content, not even inside quotes and block scalars (YAML 1.2 §9.1.2, c-forbidden).
[[nodiscard]] std::vector<YamlPiece> cut_yaml(std::string_view bytes);

/// The first byte that must not reach yaml-cpp, which guesses encodings, takes 0x04 for the end of
/// the file and a lone carriage return for text: no valid UTF-8, or a control character.
[[nodiscard]] std::optional<ParseError> find_bad_byte(const YamlPiece& piece);

}  // namespace bd::text
