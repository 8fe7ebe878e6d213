#include "http1/head.h"

#include <algorithm>
#include <limits>

#include "base/ascii.h"

namespace bd::http1 {
namespace {

using Code = Error::Code;
using Parsed = Result<std::optional<std::size_t>>;
using Event = SectionReader::Event;

constexpr std::size_t kMethodMax = 32;
constexpr std::string_view kVersion = "HTTP/1.1";

std::unexpected<Error> refuse(Code code, const char* detail) {
  return fail(code, Party::downstream, detail);
}

std::unexpected<Error> distrust(const char* detail) {
  return fail(Code::bad_response, Party::upstream, detail);
}

/// `HTTP/1.0` or `HTTP/1.1`: the minor version; another well-formed version: Code::version.
Result<int> parse_version(std::string_view text) {
  const bool well_formed = text.size() == kVersion.size() && text.starts_with("HTTP/") &&
                           ascii::is_digit(text[5]) && text[6] == '.' && ascii::is_digit(text[7]);
  if (!well_formed || text[5] == '0') return refuse(Code::bad_request, "request line: bad version");
  if (text[5] != '1' || text[7] > '1') return refuse(Code::version, "request line: version");
  return text[7] - '0';
}

bool is_method(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMethodMax &&
         std::all_of(text.begin(), text.end(), ascii::is_token);
}

bool is_visible(std::string_view text) noexcept {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

/// RFC 9112 §3, with exactly one space between the parts: where it allows more, parsers differ.
Result<void> parse_request_line(std::string_view line, RequestHead& out) {
  const std::size_t first = std::min(line.find(' '), line.size());
  const std::size_t second = std::min(line.find(' ', first + 1), line.size());
  if (second == line.size()) return refuse(Code::bad_request, "request line: not three parts");
  out.method_text = line.substr(0, first);
  out.target = line.substr(first + 1, second - first - 1);
  if (!is_method(out.method_text)) return refuse(Code::bad_request, "request line: bad method");
  if (!is_visible(out.target)) return refuse(Code::bad_request, "request line: bad target");
  const Result<int> minor = parse_version(line.substr(second + 1));
  if (!minor) return std::unexpected(minor.error());
  out.minor_version = *minor;
  out.method = http::parse_method(out.method_text);
  return {};
}

/// RFC 9112 §4. Many servers leave out the space before an empty reason.
Result<void> parse_status_line(std::string_view line, ResponseHead& out) {
  const std::string_view version = line.substr(0, kVersion.size());
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return distrust("status line: bad version");
  const std::string_view rest = line.substr(kVersion.size());
  const auto status = ascii::parse_decimal<int>(rest.substr(std::min(1uz, rest.size()), 3));
  if (rest.size() < 4 || rest.front() != ' ' || !status || *status < 100 || *status > 599 ||
      (rest.size() > 4 && rest[4] != ' ')) {
    return distrust("status line: bad status");
  }
  out.minor_version = version.back() - '0';
  out.status = *status;
  out.reason = rest.substr(std::min(5uz, rest.size()));
  return {};
}

bool persists(const Survey& fields, int minor_version) noexcept {
  return !fields.close && (minor_version == 1 || fields.keep_alive);
}

bool is_other_coding(std::string_view value) noexcept {
  constexpr std::string_view known[] = {"gzip",     "x-gzip",     "deflate",
                                        "compress", "x-compress", "identity"};
  return std::any_of(std::begin(known), std::end(known),
                     [&](std::string_view coding) { return ascii::equal_fold(value, coding); });
}

/// RFC 9112 §6.3, where every case of doubt is an error.
Result<void> frame(const Survey& fields, RequestHead& out) {
  out.has_content_length = fields.has_content_length;
  if (fields.has_content_length && fields.content_length > 0) {
    out.body = {Framing::Kind::length, fields.content_length};
  }
  if (fields.transfer_encoding == nullptr) return {};
  if (out.minor_version == 0) return refuse(Code::bad_request, "Transfer-Encoding in HTTP/1.0");
  if (!ascii::equal_fold(fields.transfer_encoding->value, "chunked")) {
    const bool known = is_other_coding(fields.transfer_encoding->value);
    return refuse(known ? Code::unsupported : Code::bad_request, "transfer coding");
  }
  out.body = {Framing::Kind::chunked, 0};
  return {};
}

Result<void> finish(RequestHead& out) {
  const Survey fields = survey(out.fields);
  if (fields.fault != nullptr) return refuse(Code::bad_request, fields.fault);
  if (fields.host != nullptr) out.host = fields.host->value;
  // An empty Host is legal, and names nobody: no route could ever serve it.
  if (out.host.empty() && (fields.host != nullptr || out.minor_version == 1)) {
    return refuse(Code::bad_request, "no Host");
  }
  if (const Result<void> framed = frame(fields, out); !framed) return framed;
  if (fields.expect_other) return refuse(Code::expectation, "Expect");
  out.expect_continue =
      fields.expect_continue && out.minor_version == 1 && out.body.kind != Framing::Kind::none;
  out.keep_alive = persists(fields, out.minor_version);
  return {};
}

Result<void> finish(http::Method method, ResponseHead& out) {
  const Survey fields = survey(out.fields);
  if (fields.fault != nullptr) return distrust(fields.fault);
  out.keep_alive = persists(fields, out.minor_version);
  out.has_content_length = fields.has_content_length;
  out.content_length = fields.content_length;
  if (fields.transfer_encoding != nullptr &&
      (out.minor_version == 0 || !ascii::equal_fold(fields.transfer_encoding->value, "chunked"))) {
    return distrust("transfer coding");
  }
  if (method == http::Method::head || out.status < 200 || out.status == 204 || out.status == 304) {
    return {};
  }
  if (fields.transfer_encoding != nullptr) {
    out.body = {Framing::Kind::chunked, 0};
  } else if (!fields.has_content_length) {
    out.body = {Framing::Kind::until_close, 0};
    out.keep_alive = false;
  } else if (fields.content_length > 0) {
    out.body = {Framing::Kind::length, fields.content_length};
  }
  return {};
}

/// Empties a head and keeps the capacity of its field list.
template <class Head>
void clear(Head& head) {
  http::Fields fields = std::move(head.fields);
  fields.clear();
  head = Head{};
  head.fields = std::move(fields);
}

}  // namespace

Parsed RequestParser::parse(std::string_view bytes, RequestHead& out) {
  if (reader_.untouched()) clear(out);
  for (;;) {
    switch (reader_.next(bytes, limits_, out.fields)) {
      case Event::more:
        return std::nullopt;
      case Event::malformed:
        return refuse(Code::bad_request, reader_.detail());
      case Event::line_too_long:
        return refuse(Code::uri_too_long, "request line");
      case Event::too_large:
        return refuse(Code::head_too_large, "request head");
      case Event::first_line:
        if (const auto line = parse_request_line(reader_.first_line(), out); !line) {
          return std::unexpected(line.error());
        }
        break;
      case Event::end: {
        const std::size_t size = reader_.size();
        reader_.reset();
        if (const auto done = finish(out); !done) return std::unexpected(done.error());
        return size;
      }
    }
  }
}

Parsed ResponseParser::parse(std::string_view bytes, http::Method method, ResponseHead& out) {
  if (reader_.untouched()) clear(out);
  for (;;) {
    switch (reader_.next(bytes, limits_, out.fields)) {
      case Event::more:
        return std::nullopt;
      case Event::malformed:
        return distrust(reader_.detail());
      case Event::line_too_long:
      case Event::too_large:
        return fail(Code::response_too_large, Party::upstream, "response head");
      case Event::first_line:
        if (const auto line = parse_status_line(reader_.first_line(), out); !line) {
          return std::unexpected(line.error());
        }
        break;
      case Event::end: {
        const std::size_t size = reader_.size();
        reader_.reset();
        if (const auto done = finish(method, out); !done) return std::unexpected(done.error());
        return size;
      }
    }
  }
}

}  // namespace bd::http1
