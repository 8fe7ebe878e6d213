#include "route/text_form.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "base/ascii.h"

namespace bd::route {
namespace {

using model::PathPattern;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

bool is_plain(char c) {
  return c > 0x20 && c < 0x7f && c != '\\';
}

void append_escaped(std::string& out, char c) {
  fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
}

/// One word of a line: whatever could end it, or be mistaken for something else, becomes `\xNN`.
std::string word(std::string_view text) {
  if (text.empty()) return "\"\"";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool mistakable = i == 0 && (text[i] == '#' || text[i] == '"');
    if (is_plain(text[i]) && !mistakable) {
      out += text[i];
    } else {
      append_escaped(out, text[i]);
    }
  }
  return out;
}

/// The rest of a line: spaces stay, but not at its ends, where they would be trimmed.
std::string comment(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool inside = i > 0 && i + 1 < text.size();
    if (is_plain(text[i]) || (text[i] == ' ' && inside)) {
      out += text[i];
    } else {
      append_escaped(out, text[i]);
    }
  }
  return out;
}

/// Undoes `word` and `comment`; nothing if a backslash does not begin `\xNN`.
std::optional<std::string> unescaped(std::string_view text) {
  if (text == "\"\"") return "";
  std::string out;
  while (!text.empty()) {
    if (text.front() != '\\') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    unsigned byte = 0;
    if (text.size() < 4 || text[1] != 'x') return std::nullopt;
    if (std::from_chars(text.data() + 2, text.data() + 4, byte, 16).ptr != text.data() + 4) {
      return std::nullopt;
    }
    out += static_cast<char>(byte);
    text.remove_prefix(4);
  }
  return out;
}

std::string text_of(const model::Action& action) {
  return std::visit(
      Overloaded{
          [](const model::Forward& forward) { return "forward " + word(forward.upstream); },
          [](const model::Redirect& redirect) {
            return fmt::format("redirect https {}", redirect.port);
          },
          [](const model::Refuse& refuse) { return "refuse " + word(refuse.cause); },
      },
      action);
}

/// Filled up to the next multiple of `step`, with one space at least. Columns that follow from one
/// line alone keep a change of one route a change of one line.
std::string padded(std::string text, std::size_t step) {
  text.append(step - text.size() % step, ' ');
  return text;
}

void append(std::string& out, const model::Route& route) {
  out += route.path.kind == PathPattern::Kind::exact ? "      exact  " : "      prefix ";
  out += padded(word(route.path.path), 8);
  if (route.origin.empty()) {
    out += text_of(route.action);
  } else {
    out += padded(text_of(route.action), 28) + "# " + comment(route.origin);
  }
  out += '\n';
}

struct Line {
  std::vector<std::string> words;
  std::string comment;
};

/// Nothing if an escape is malformed.
std::optional<Line> cut(std::string_view text) {
  Line out;
  if (text.ends_with('\r')) text.remove_suffix(1);
  for (text = ascii::trim(text); !text.empty(); text = ascii::trim(text)) {
    const bool is_comment = text.starts_with('#');
    const std::size_t end =
        is_comment ? text.size() : std::min(text.find_first_of(" \t"), text.size());
    auto part = unescaped(is_comment ? ascii::trim(text.substr(1)) : text.substr(0, end));
    if (!part) return std::nullopt;
    if (is_comment) {
      out.comment = std::move(*part);
    } else {
      out.words.push_back(std::move(*part));
    }
    text.remove_prefix(end);
  }
  return out;
}

std::string expected(std::string_view what, const Line& line, std::size_t at) {
  const std::string found = at < line.words.size() ? word(line.words[at]) : "the end of the line";
  return fmt::format("expected {}, found {}", what, found);
}

std::string twice(std::string_view what) {
  return fmt::format("{} is there twice", what);
}

/// Reads line by line. Functions return what is the matter with the line; empty: nothing.
class Parser {
 public:
  std::string take(const Line& line) {
    const std::string& keyword = line.words.front();
    if (keyword == "exact") return take_route(PathPattern::Kind::exact, line);
    if (keyword == "prefix") return take_route(PathPattern::Kind::prefix, line);
    if (keyword != "exposure" && keyword != "listener" && keyword != "host") {
      return expected("exposure, listener, host, exact or prefix", line, 0);
    }
    if (line.words.size() < 2) return expected("a name", line, 1);
    if (line.words.size() > 2) return expected("the end of the line", line, 2);
    if (keyword == "exposure") return take_exposure(line.words[1]);
    if (keyword == "listener") return take_listener(line.words[1]);
    return take_host(line.words[1]);
  }

  std::vector<ExposureRoutes> finish() && { return canonical(std::move(out_)); }

 private:
  std::string take_exposure(const std::string& name) {
    const auto same = [&](const ExposureRoutes& other) { return other.exposure == name; };
    if (std::ranges::any_of(out_, same)) return twice("exposure " + word(name));
    out_.push_back({name, {}});
    return {};
  }

  std::string take_listener(const std::string& name) {
    if (out_.empty()) return "expected an exposure before the first listener";
    auto& listeners = out_.back().listeners;
    const auto same = [&](const ListenerRoutes& other) { return other.listener == name; };
    if (std::ranges::any_of(listeners, same)) return twice("listener " + word(name));
    listeners.push_back({name, {}});
    hosts_.clear();
    return {};
  }

  std::string take_host(const std::string& text) {
    if (out_.empty() || out_.back().listeners.empty()) return "expected a listener before the host";
    auto host = model::HostPattern::parse(text == "*" ? "" : text);
    if (!host) return fmt::format("the host {} {}", word(text), host.error());
    auto& hosts = out_.back().listeners.back().hosts;
    if (!hosts_.insert(host->text()).second) return twice("host " + host->text());
    hosts.push_back({std::move(*host), {}});
    paths_.clear();
    return {};
  }

  std::string take_route(PathPattern::Kind kind, const Line& line) {
    if (out_.empty() || out_.back().listeners.empty() ||
        out_.back().listeners.back().hosts.empty()) {
      return "expected a host before the path";
    }
    if (line.words.size() < 2) return expected("a path", line, 1);
    auto path = PathPattern::parse(kind, line.words[1]);
    if (!path) return fmt::format("the path {} {}", word(line.words[1]), path.error());
    auto action = action_of(line);
    if (!action) return std::move(action.error());
    auto& routes = out_.back().listeners.back().hosts.back().routes;
    const std::string name = line.words[0] + " " + path->path;
    if (!paths_.insert(name).second) return twice(name);
    routes.push_back({std::move(*path), std::move(*action), line.comment});
    return {};
  }

  static std::expected<model::Action, std::string> action_of(const Line& line) {
    const auto is = [&](std::size_t at, std::string_view text) {
      return at < line.words.size() && line.words[at] == text;
    };
    const auto wrong = [&](std::string_view what, std::size_t at) {
      return std::unexpected(expected(what, line, at));
    };
    const std::size_t size = line.words.size();
    if (!is(2, "forward") && !is(2, "refuse") && !is(2, "redirect")) {
      return wrong("forward, redirect or refuse", 2);
    }
    if (is(2, "redirect")) {
      if (!is(3, "https")) return wrong("https", 3);
      const auto port =
          size > 4 ? ascii::parse_decimal<std::uint16_t>(line.words[4]) : std::nullopt;
      if (!port || *port == 0) return wrong("a port", 4);
      if (size > 5) return wrong("the end of the line", 5);
      return model::Redirect{*port};
    }
    if (size < 4) return wrong(is(2, "forward") ? "an upstream" : "a cause", 3);
    if (size > 4) return wrong("the end of the line", 4);
    if (is(2, "forward")) return model::Forward{line.words[3]};
    return model::Refuse{line.words[3]};
  }

  std::vector<ExposureRoutes> out_;
  std::unordered_set<std::string> hosts_;  // Of the last listener.
  std::unordered_set<std::string> paths_;  // Of the last host, with their kind.
};

}  // namespace

std::vector<ExposureRoutes> canonical(std::vector<ExposureRoutes> routes) {
  std::ranges::sort(routes, {}, &ExposureRoutes::exposure);
  for (ExposureRoutes& exposure : routes) {
    std::ranges::sort(exposure.listeners, {}, &ListenerRoutes::listener);
    for (ListenerRoutes& listener : exposure.listeners) {
      std::ranges::sort(listener.hosts, {}, &model::VirtualHost::host);
      for (model::VirtualHost& host : listener.hosts) {
        std::ranges::sort(host.routes, model::matches_before);
      }
    }
  }
  return routes;
}

std::string print(const std::vector<ExposureRoutes>& routes) {
  std::string out;
  for (const ExposureRoutes& exposure : canonical(routes)) {
    out += "exposure " + word(exposure.exposure) + "\n";
    for (const ListenerRoutes& listener : exposure.listeners) {
      out += "listener " + word(listener.listener) + "\n";
      for (const model::VirtualHost& host : listener.hosts) {
        out += "  host " + host.host.text() + "\n";
        for (const model::Route& route : host.routes) append(out, route);
      }
    }
  }
  return out;
}

std::expected<std::vector<ExposureRoutes>, std::string> parse(std::string_view text) {
  Parser parser;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto line = cut(text.substr(0, end));
    std::string mistake;
    if (!line) mistake = "expected \\x and two hex digits after a backslash";
    if (line && !line->words.empty()) mistake = parser.take(*line);
    if (!mistake.empty()) return std::unexpected(fmt::format("line {}: {}", number, mistake));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::move(parser).finish();
}

}  // namespace bd::route
