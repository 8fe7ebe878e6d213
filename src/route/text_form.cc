#include "route/text_form.h"

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include "base/ascii.h"
#include "http/cookie.h"

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

constexpr std::string_view kTls[] = {"off", "prefer", "require", "verify"};
constexpr std::string_view kProxyHeader[] = {"none", "v1", "v2"};

/// Who is chosen, and how much is allowed.
template <class Option>
void append_traffic(const model::Upstream& upstream, const Option& option) {
  const model::Balance& balance = upstream.balance;
  if (balance.policy != model::BalancePolicy::least_requests) {
    option("balance", model::kBalancePolicies[std::size_t(balance.policy)]);
  }
  if (balance.key != model::HashKey::client_address) {
    option("hash-by", model::hash_key_text(balance));
  }
  if (!balance.sticky_cookie.empty()) option("sticky-cookie", balance.sticky_cookie);
  const model::Circuit usual;
  for (const model::CircuitField& field : model::kCircuitFields) {
    const std::uint32_t most = upstream.circuit.*field.member;
    if (most != usual.*field.member) option(field.name, std::to_string(most));
  }
  for (const model::PatienceField& field : model::kPatienceFields) {
    const auto time = upstream.patience.*field.member;
    if (time.count() > 0) option(field.name, fmt::format("{}ms", time.count()));
  }
}

/// A line of words `name=value`; what is as it is by default is left out.
void append(std::string& out, const model::Upstream& upstream) {
  out += "upstream " + word(upstream.key);
  const auto option = [&](std::string_view name, std::string_view value) {
    out += " " + word(fmt::format("{}={}", name, value));
  };
  const auto key = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) option(name, value);
  };
  if (upstream.protocol == model::UpstreamProtocol::h2) out += " h2";
  if (upstream.tls != model::UpstreamTls::off) option("tls", kTls[std::size_t(upstream.tls)]);
  key("server-name", upstream.server_name);
  key("ca", upstream.ca);
  key("client-certificate", upstream.client_certificate);
  if (upstream.proxy_header != model::ProxyHeader::none) {
    option("proxy-header", kProxyHeader[std::size_t(upstream.proxy_header)]);
  }
  append_traffic(upstream, option);
  out += '\n';
}

/// Undoes one word of append_traffic(). Nothing: it is none of those.
std::optional<bool> take_traffic(std::string_view name, std::string_view value,
                                 model::Upstream& out) {
  if (name == "hash-by") {
    return out.balance.key == model::HashKey::client_address && value != "client-address" &&
           model::parse_hash_key(value, out.balance);
  }
  if (name == "sticky-cookie") {
    return out.balance.sticky_cookie.empty() && http::is_cookie_name(value) &&
           !(out.balance.sticky_cookie = value).empty();
  }
  for (const model::CircuitField& field : model::kCircuitFields) {
    if (field.name != name) continue;
    const auto most = ascii::parse_decimal<std::uint32_t>(value);
    std::uint32_t& into = out.circuit.*field.member;
    const std::uint32_t usual = model::Circuit{}.*field.member;
    if (!most || *most == 0 || *most == usual || into != usual) return false;
    into = *most;
    return true;
  }
  for (const model::PatienceField& field : model::kPatienceFields) {
    if (field.name != name) continue;
    if (!value.ends_with("ms")) return false;
    const auto time = ascii::parse_decimal<std::uint32_t>(value.substr(0, value.size() - 2));
    std::chrono::milliseconds& into = out.patience.*field.member;
    if (!time || *time == 0 || into.count() != 0) return false;
    into = std::chrono::milliseconds(*time);
    return true;
  }
  return std::nullopt;
}

/// Undoes one word behind an upstream's key. False: it is none that we print.
bool take_option(std::string_view text, model::Upstream& out) {
  if (text == "h2") {
    return std::exchange(out.protocol, model::UpstreamProtocol::h2) != model::UpstreamProtocol::h2;
  }
  const std::size_t equals = text.find('=');
  if (equals == text.npos) return false;
  const std::string_view name = text.substr(0, equals);
  const std::string_view value = text.substr(equals + 1);
  // The first name stands for the default, which has no word.
  const auto one_of = [&]<class T>(std::span<const std::string_view> names, T& into) {
    if (into != T{}) return false;
    for (std::size_t i = 1; i < names.size(); ++i) {
      if (names[i] == value) into = static_cast<T>(i);
    }
    return into != T{};
  };
  const auto text_into = [&](std::string& into) {
    if (!into.empty() || value.empty()) return false;
    into = value;
    return true;
  };
  if (const auto taken = take_traffic(name, value, out)) return *taken;
  if (name == "balance") return one_of(model::kBalancePolicies, out.balance.policy);
  if (name == "tls") return one_of(kTls, out.tls);
  if (name == "server-name") return text_into(out.server_name);
  if (name == "ca") return text_into(out.ca);
  if (name == "client-certificate") return text_into(out.client_certificate);
  return name == "proxy-header" && one_of(kProxyHeader, out.proxy_header);
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
    if (keyword == "upstream") return take_upstream(line);
    if (keyword != "exposure" && keyword != "listener" && keyword != "host") {
      return expected("exposure, upstream, listener, host, exact or prefix", line, 0);
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
    upstreams_.clear();
    return {};
  }

  std::string take_upstream(const Line& line) {
    if (out_.empty()) return "expected an exposure before the first upstream";
    if (!out_.back().listeners.empty()) return "expected the upstreams before the first listener";
    if (line.words.size() < 2) return expected("a name", line, 1);
    model::Upstream upstream{line.words[1]};
    for (std::size_t i = 2; i < line.words.size(); ++i) {
      if (!take_option(line.words[i], upstream)) {
        return expected(
            "h2, tls, server-name, ca, client-certificate, proxy-header, balance, hash-by, "
            "sticky-cookie, a limit or a timeout",
            line, i);
      }
    }
    if (!upstreams_.insert(upstream.key).second) return twice("upstream " + word(upstream.key));
    out_.back().upstreams.push_back(std::move(upstream));
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
  std::unordered_set<std::string> upstreams_;  // Of the last exposure.
  std::unordered_set<std::string> hosts_;      // Of the last listener.
  std::unordered_set<std::string> paths_;      // Of the last host, with their kind.
};

}  // namespace

std::vector<ExposureRoutes> canonical(std::vector<ExposureRoutes> routes) {
  std::ranges::sort(routes, {}, &ExposureRoutes::exposure);
  for (ExposureRoutes& exposure : routes) {
    std::erase_if(exposure.upstreams, [](const model::Upstream& upstream) {
      return upstream == model::Upstream{upstream.key};
    });
    std::ranges::sort(exposure.upstreams, {}, &model::Upstream::key);
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
    for (const model::Upstream& upstream : exposure.upstreams) append(out, upstream);
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
