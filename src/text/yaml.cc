#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <streambuf>

#include "text/checks.h"
#include "text/value.h"
#include "text/yaml_builder.h"
#include "text/yaml_pieces.h"

namespace bd::text {
namespace {

/// A file of broken documents must not become a longer list of errors.
constexpr std::size_t kErrorsMax = 100;

/// A piece for yaml-cpp, which reads only streams, with an end marker after it: without one,
/// yaml-cpp takes quotes that the end of the file cut for closed ones.
class PieceBuffer final : public std::streambuf {
 public:
  explicit PieceBuffer(std::string_view piece) : text_(piece) {
    text_ += piece.ends_with('\n') ? "...\n" : "\n...\n";
    setg(text_.data(), text_.data(), text_.data() + text_.size());
  }

 private:
  std::string text_;
};

/// Hands yaml-cpp's events on, with places in the whole file.
class Events final : public YAML::EventHandler {
 public:
  Events(YamlBuilder& to, int line) : to_(to), line_(line) {}

  void OnDocumentStart(const YAML::Mark& at) override { to_.start_document(spot(at)); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& at, YAML::anchor_t anchor) override { to_.null(spot(at), anchor); }
  void OnAlias(const YAML::Mark& at, YAML::anchor_t anchor) override {
    to_.alias(spot(at), anchor);
  }
  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    to_.scalar(spot(at), tag, anchor, text);
  }
  void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    to_.start_sequence(spot(at), tag, anchor);
  }
  void OnSequenceEnd() override { to_.end_sequence(); }
  void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    to_.start_map(spot(at), tag, anchor);
  }
  void OnMapEnd() override { to_.end_map(); }

 private:
  [[nodiscard]] YamlBuilder::Spot spot(const YAML::Mark& at) const {
    return {line_ + at.line, at.column + 1};
  }

  YamlBuilder& to_;
  int line_;
};

bool is_indented_by_tab(std::string_view text, int line) {
  for (; line > 0 && text.find('\n') != text.npos; --line) text.remove_prefix(text.find('\n') + 1);
  const std::size_t indent = text.find_first_not_of(' ');
  return line == 0 && indent != text.npos && text[indent] == '\t';
}

/// What yaml-cpp says, with a hint where a common mistake in manifests makes it say something dark.
std::string explain(const YAML::Exception& e, std::string_view text) {
  for (const std::string_view alias :
       {YAML::ErrorMsg::UNKNOWN_ANCHOR, YAML::ErrorMsg::ALIAS_NOT_FOUND,
        YAML::ErrorMsg::CHAR_IN_ALIAS}) {
    if (e.msg.starts_with(alias)) return e.msg + " (text that starts with * must be in quotes)";
  }
  if (e.msg == YAML::ErrorMsg::DOC_IN_SCALAR) return "quotes that the end of the document cuts";
  if (is_indented_by_tab(text, e.mark.line))
    return e.msg + " (indented by a tab; YAML wants spaces)";
  return e.msg;
}

class StreamParser {
 public:
  explicit StreamParser(const ParseLimits& limits)
      : limits_(limits), budget_{limits.nodes_max, limits.bytes_max} {}

  void parse(const YamlPiece& piece) {
    if (std::optional<ParseError> bad = find_bad_byte(piece)) {
      result_.errors.push_back(std::move(*bad));
      return;
    }
    try {
      parse_document(piece);
    } catch (const YamlRefusal& refusal) {
      result_.errors.push_back(refusal.error);
    } catch (const YAML::Exception& e) {
      const bool placed = !e.mark.is_null();
      result_.errors.push_back({placed ? piece.line + e.mark.line : piece.line,
                                placed ? e.mark.column + 1 : 0, explain(e, piece.text)});
    } catch (const std::exception& e) {
      result_.errors.push_back({piece.line, 0, e.what()});
    }
  }

  [[nodiscard]] bool must_stop() const {
    return budget_.nodes == 0 || result_.errors.size() >= kErrorsMax;
  }
  void stop(int line) {
    result_.errors.push_back(
        {line, 0, "the rest of the file is not read: too many errors or values"});
  }
  [[nodiscard]] YamlResult take() { return std::move(result_); }

 private:
  void parse_document(const YamlPiece& piece) {
    PieceBuffer buffer(piece.text);
    std::istream in(&buffer);
    YAML::Parser parser(in);
    YamlBuilder builder(limits_, budget_);
    Events events(builder, piece.line);
    while (parser.HandleNextDocument(events)) {
      // A piece holds one document; the builder refuses the start of a second.
    }
    Value value = builder.take();
    if (!value.is(Value::Kind::null)) result_.documents.push_back(std::move(value));
  }

  const ParseLimits& limits_;
  YamlBudget budget_;
  YamlResult result_;
};

}  // namespace

YamlResult parse_yaml(std::string_view bytes, const ParseLimits& limits) {
  if (bytes.size() > limits.bytes_max) {
    return {{}, {{0, 0, fmt::format("{} bytes; the most is {}", bytes.size(), limits.bytes_max)}}};
  }
  StreamParser parser(limits);
  for (const YamlPiece& piece : cut_yaml(without_bom(bytes))) {
    if (parser.must_stop()) {
      parser.stop(piece.line);
      break;
    }
    parser.parse(piece);
  }
  return parser.take();
}

}  // namespace bd::text
