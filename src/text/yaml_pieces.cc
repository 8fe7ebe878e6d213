#include "text/yaml_pieces.h"

#include <fmt/format.h>

#include "text/checks.h"

namespace bd::text {
namespace {

bool is_marker(std::string_view line, std::string_view marker) {
  if (!line.starts_with(marker)) return false;
  line.remove_prefix(marker.size());
  return line.empty() || line.front() == ' ' || line.front() == '\t' || line.front() == '\r' ||
         line.front() == '\n';
}

/// What is wrong with `rest`, which starts a character; null if nothing is.
const char* fault_of(std::string_view rest) {
  const auto c = static_cast<unsigned char>(rest.front());
  if (c >= 0x80) return utf8_sequence(rest) == 0 ? "no valid UTF-8" : nullptr;
  if (c == '\n' || c == '\t') return nullptr;
  if (c == '\r') {
    return rest.substr(1).starts_with('\n') ? nullptr : "a carriage return without a line feed";
  }
  return c < 0x20 || c == 0x7F ? "a control character" : nullptr;
}

}  // namespace

std::vector<YamlPiece> cut_yaml(std::string_view bytes) {
  std::vector<YamlPiece> pieces;
  std::size_t start = 0;
  int start_line = 1;
  int line = 1;
  const auto cut = [&](std::size_t end, int next_line) {
    if (end > start) pieces.push_back({bytes.substr(start, end - start), start_line});
    start = end;
    start_line = next_line;
  };
  for (std::size_t at = 0; at < bytes.size(); ++line) {
    const std::size_t feed = bytes.find('\n', at);
    const std::size_t next = feed == bytes.npos ? bytes.size() : feed + 1;
    const std::string_view text = bytes.substr(at, next - at);
    if (is_marker(text, "---")) cut(at, line);
    if (is_marker(text, "...")) cut(next, line + 1);
    at = next;
  }
  cut(bytes.size(), line);
  return pieces;
}

std::optional<ParseError> find_bad_byte(const YamlPiece& piece) {
  int line = piece.line;
  std::size_t line_start = 0;
  for (std::size_t at = 0; at < piece.text.size();) {
    const auto c = static_cast<unsigned char>(piece.text[at]);
    if (c >= 0x20 && c < 0x7F) {
      ++at;
      continue;
    }
    const std::string_view rest = piece.text.substr(at);
    if (const char* fault = fault_of(rest); fault != nullptr) {
      const int column = static_cast<int>(at - line_start) + 1;
      return ParseError{line, column, fmt::format("{} (byte 0x{:02X})", fault, c)};
    }
    at += c < 0x80 ? 1 : utf8_sequence(rest);
    if (c != '\n') continue;
    ++line;
    line_start = at;
  }
  return std::nullopt;
}

}  // namespace bd::text
