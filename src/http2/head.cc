#include "http2/head.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/ascii.h"

namespace bd::http2 {
namespace {

using http::FieldName;

constexpr std::size_t kMethodMax = 32;      // As in http1.
constexpr std::size_t kFieldOverhead = 32;  // RFC 9113 §6.5.2.
constexpr std::size_t kScratchMax = 4 << 10;
constexpr std::string_view kCookie = "cookie";
constexpr std::string_view kPseudoNames[] = {":method", ":scheme",   ":authority",
                                             ":path",   ":protocol", ":status"};

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), ascii::is_token);
}

/// A path goes into a request line one day: no space, no control, no 8-bit byte, no fragment.
bool is_path(std::string_view text) noexcept {
  return !text.empty() && (text.front() == '/' || text == "*") &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

/// As in http1: the same number in every type, and octal to nobody.
bool is_length(std::string_view text) noexcept {
  constexpr std::uint64_t max = std::numeric_limits<std::int64_t>::max();
  const auto value = ascii::parse_decimal<std::uint64_t>(text);
  return value && *value <= max && (text.size() == 1 || text.front() != '0');
}

/// True if a sloppy reader takes `name` for `words`: other separators, more of them, or at the
/// ends.
bool reads_as(std::string_view name, std::string_view words) noexcept {
  std::size_t at = 0;
  bool separated = false;
  for (const char c : name) {
    if (!ascii::is_alnum(c)) {
      separated = true;
      continue;
    }
    if (separated && at != 0) {
      if (at == words.size() || words[at] != '-') return false;
      ++at;
    }
    separated = false;
    if (at == words.size() || ascii::lower(c) != words[at]) return false;
    ++at;
  }
  return at == words.size();
}

bool is_framing_look_alike(std::string_view name) noexcept {
  constexpr std::string_view names[] = {"content-length", "transfer-encoding"};
  return std::any_of(std::begin(names), std::end(names), [&](std::string_view framing) {
    return name.size() >= framing.size() && name != framing && reads_as(name, framing);
  });
}

}  // namespace

void HeadBuilder::begin(Kind kind) {
  kind_ = kind;
  malformed_ = false;
  too_large_ = false;
  size_ = 0;
  bytes_.clear();
  entries_.clear();
  cookie_.clear();
  std::fill(std::begin(pseudo_), std::end(pseudo_), std::nullopt);
}

void HeadBuilder::add(std::string_view name, std::string_view value) {
  size_ += name.size() + value.size() + kFieldOverhead;
  if (name.starts_with(':')) {
    add_pseudo(name, value);
  } else {
    add_field(name, value);
  }
}

bool HeadBuilder::make_room(bool is_new_field) {
  const std::size_t fields = entries_.size() + (cookie_.empty() ? 0 : 1);
  if (size_ > options_.head_max || (is_new_field && fields >= options_.fields_max)) {
    too_large_ = true;
  }
  return !too_large_;
}

void HeadBuilder::add_pseudo(std::string_view name, std::string_view value) {
  const auto* const found = std::find(std::begin(kPseudoNames), std::end(kPseudoNames), name);
  const auto index = static_cast<std::size_t>(found - std::begin(kPseudoNames));
  if (kind_ == Kind::trailers || index == pseudo_count || pseudo_[index]) {
    malformed_ = true;
    return;
  }
  if (size_ > options_.head_max) {
    too_large_ = true;
    return;
  }
  pseudo_[index] = Entry{bytes_.size(), 0, value.size()};
  bytes_.append(value);
}

bool HeadBuilder::is_fit(std::string_view name, std::string_view value, FieldName id) const {
  if (!is_token(name) || is_framing_look_alike(name)) return false;
  switch (id) {
    case FieldName::content_length:
      return kind_ != Kind::trailers && is_length(value);
    case FieldName::host:
      return kind_ != Kind::trailers;
    case FieldName::connection:
    case FieldName::keep_alive:
    case FieldName::proxy_connection:
    case FieldName::transfer_encoding:
    case FieldName::upgrade:
      return false;
    case FieldName::te:
      return ascii::equal_fold(value, "trailers");
    default:
      return true;
  }
}

void HeadBuilder::add_field(std::string_view name, std::string_view value) {
  const FieldName id = http::field_name(name);
  if (!is_fit(name, value, id)) malformed_ = true;
  if (malformed_) return;
  if (name == kCookie && kind_ == Kind::request) {
    add_cookie(value);
    return;
  }
  if (!make_room(true)) return;
  entries_.push_back({bytes_.size(), name.size(), value.size()});
  bytes_.append(name).append(value);
}

void HeadBuilder::add_cookie(std::string_view crumb) {
  if (crumb.empty()) return;  // Joined, it would end the value with a space.
  if (!make_room(cookie_.empty())) return;
  if (!cookie_.empty()) cookie_.append("; ");
  cookie_.append(crumb);
}

bool HeadBuilder::judge_request(const Head& head) const {
  if (pseudo_[status]) return false;
  const bool is_connect = head.method == "CONNECT";
  if (!is_token(head.method) || head.method.size() > kMethodMax) return false;
  if (head.authority.find('@') != std::string_view::npos) return false;
  for (const http::Field& field : head.fields) {
    if (field.name == "host" && pseudo_[authority] &&
        !ascii::equal_fold(field.value, head.authority)) {
      return false;
    }
    if (field.name == "host" && field.value.find('@') != std::string_view::npos) return false;
  }
  if (pseudo_[protocol]) {
    if (!is_connect || !is_token(head.protocol)) return false;
    // A CONNECT has no content (RFC 9110 §9.3.6); what follows is the tunnel's.
    if (http::find(head.fields, FieldName::content_length) != nullptr) return false;
  } else if (is_connect) {
    return !pseudo_[scheme] && !pseudo_[path] && pseudo_[authority];
  }
  return (head.scheme == "http" || head.scheme == "https") && is_path(head.path);
}

bool HeadBuilder::judge_response(const Head& head) const {
  const bool only_status = std::all_of(pseudo_, pseudo_ + status,
                                       [](const auto& pseudo) { return !pseudo.has_value(); });
  // RFC 9113 §8.6: there is no 101 in HTTP/2.
  return only_status && head.status >= 100 && head.status <= 599 && head.status != 101;
}

std::optional<Head> HeadBuilder::finish() {
  if (malformed_) return std::nullopt;
  Head head;
  head.too_large = too_large_;
  if (!cookie_.empty()) {
    entries_.push_back({bytes_.size(), kCookie.size(), cookie_.size()});
    bytes_.append(kCookie).append(cookie_);
  }
  head.bytes_ = std::make_unique_for_overwrite<char[]>(bytes_.size());
  std::memcpy(head.bytes_.get(), bytes_.data(), bytes_.size());
  const std::string_view all(head.bytes_.get(), bytes_.size());

  std::string_view* const views[] = {&head.method, &head.scheme, &head.authority, &head.path,
                                     &head.protocol};
  for (std::size_t i = 0; i < std::size(views); ++i) {
    if (pseudo_[i]) *views[i] = all.substr(pseudo_[i]->at, pseudo_[i]->value_size);
  }
  if (pseudo_[status]) {
    const std::string_view text = all.substr(pseudo_[status]->at, pseudo_[status]->value_size);
    head.status = text.size() == 3 ? ascii::parse_decimal<int>(text).value_or(0) : 0;
  }
  head.fields.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    const std::string_view name = all.substr(entry.at, entry.name_size);
    head.fields.push_back(
        {name, all.substr(entry.at + entry.name_size, entry.value_size), http::field_name(name)});
  }
  // A connection that is idle for hours must not hold what its largest head needed.
  if (bytes_.capacity() > kScratchMax) bytes_ = std::string();
  if (cookie_.capacity() > kScratchMax) cookie_ = std::string();
  if (kind_ == Kind::trailers) return head;
  // A pseudo-field that did not fit can't be judged, and the answer is 431 in any case.
  if (kind_ == Kind::request && !head.too_large && !judge_request(head)) return std::nullopt;
  if (kind_ == Kind::response && !head.too_large && !judge_response(head)) return std::nullopt;
  return head;
}

}  // namespace bd::http2
