#include "websocket/handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/ascii.h"
#include "base/check.h"

namespace bd::websocket {
namespace {

using http::FieldName;

/// RFC 4648 §4, padded.
std::string base64(std::span<const unsigned char> bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a NUL.
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

/// The field of this name if there is exactly one, and no look-alike that an upstream might take
/// for it.
const http::Field* find_single(const http::Fields& fields, FieldName id) {
  const http::Field* const found = http::find(fields, id);
  const auto count = std::count_if(fields.begin(), fields.end(),
                                   [id](const http::Field& field) { return field.id == id; });
  return count == 1 && !http::is_look_alike(*found) ? found : nullptr;
}

/// One Upgrade with one protocol. In a list the upstream could choose another than we expect.
bool upgrades_to_websocket(const http::Fields& fields) {
  const http::Field* const upgrade = find_single(fields, FieldName::upgrade);
  return upgrade != nullptr && ascii::equal_fold(upgrade->value, "websocket");
}

/// Whether one of the Connection fields names `upgrade` (RFC 9110 §7.6.1); false if one of them is
/// no list of tokens. Empty elements are allowed (§5.6.1.2).
bool connection_names_upgrade(const http::Fields& fields) {
  bool found = false;
  for (const http::Field& field : fields) {
    if (field.id != FieldName::connection) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      const std::string_view token = ascii::trim(rest.substr(0, comma));
      if (!std::all_of(token.begin(), token.end(), ascii::is_token)) return false;
      found = found || ascii::equal_fold(token, "upgrade");
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
  return found;
}

bool announces_body(const http::Fields& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const http::Field& field) {
    return field.id == FieldName::transfer_encoding ||
           (field.id == FieldName::content_length && field.value != "0");
  });
}

/// 16 bytes in base64 (§4.1). The last character before the padding carries two bits; the other
/// four must be zero, so that one key has one spelling.
bool is_key(std::string_view value) {
  constexpr std::size_t digits = 22;
  constexpr std::string_view last_digits = "AQgw";
  if (value.size() != digits + 2 || !value.ends_with("==")) return false;
  const auto is_digit = [](char c) { return ascii::is_alnum(c) || c == '+' || c == '/'; };
  return std::all_of(value.begin(), value.begin() + digits, is_digit) &&
         last_digits.find(value[digits - 1]) != std::string_view::npos;
}

}  // namespace

std::expected<Upgrade, const char*> parse_upgrade(const http::Fields& request_fields) {
  if (!upgrades_to_websocket(request_fields)) {
    return std::unexpected("Upgrade does not name websocket alone");
  }
  if (!connection_names_upgrade(request_fields)) {
    return std::unexpected("Connection does not name upgrade");
  }
  if (announces_body(request_fields)) return std::unexpected("an upgrade with a body");
  const http::Field* const version = find_single(request_fields, FieldName::sec_websocket_version);
  if (version == nullptr || version->value != "13") {
    return std::unexpected("Sec-WebSocket-Version is not 13");
  }
  const http::Field* const key = find_single(request_fields, FieldName::sec_websocket_key);
  if (key == nullptr || !is_key(key->value)) {
    return std::unexpected("Sec-WebSocket-Key is not one of 16 bytes");
  }
  return Upgrade{key->value};
}

bool is_valid_switch(const http::Fields& response_fields, std::string_view key) {
  if (!upgrades_to_websocket(response_fields)) return false;
  if (!connection_names_upgrade(response_fields) || announces_body(response_fields)) return false;
  const http::Field* const accept = find_single(response_fields, FieldName::sec_websocket_accept);
  return accept != nullptr && accept->value == accept_key(key);
}

std::string accept_key(std::string_view key) {
  std::string text(key);
  text.append("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");  // §1.3: the same for everybody.
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  // It fails only without memory or without SHA-1, and then no switch can be checked.
  BD_ASSERT(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  return base64(std::span(digest).first(size));
}

std::string make_key(std::uint64_t a, std::uint64_t b) {
  std::array<unsigned char, 16> bytes;
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = static_cast<unsigned char>(a >> (8 * i));
    bytes[8 + i] = static_cast<unsigned char>(b >> (8 * i));
  }
  return base64(bytes);
}

}  // namespace bd::websocket
