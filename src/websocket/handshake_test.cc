#include "websocket/handshake.h"

#include <gtest/gtest.h>

namespace bd::websocket {
namespace {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

http::Fields fields_of(const Pairs& pairs) {
  http::Fields out;
  for (const auto& [name, value] : pairs) out.push_back({name, value, http::field_name(name)});
  return out;
}

// The example of RFC 6455 §1.3.
constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A good message with one field exchanged for others: the first with the name `without`.
http::Fields altered(Pairs good, std::string_view without, const Pairs& instead) {
  std::erase_if(good, [&](const auto& pair) { return pair.first == without; });
  good.insert(good.end(), instead.begin(), instead.end());
  return fields_of(good);
}

const Pairs kRequest = {{"Host", "shop.example.com"},
                        {"Upgrade", "websocket"},
                        {"Connection", "Upgrade"},
                        {"Sec-WebSocket-Version", "13"},
                        {"Sec-WebSocket-Key", kKey},
                        {"Sec-WebSocket-Protocol", "chat, superchat"},
                        {"Origin", "https://shop.example.com"}};

struct Case {
  const char* why;
  std::string_view without;
  Pairs instead;
  bool good;
};

TEST(ParseUpgrade, GivesTheKey) {
  const http::Fields fields = fields_of(kRequest);
  const auto upgrade = parse_upgrade(fields);
  ASSERT_TRUE(upgrade) << upgrade.error();
  EXPECT_EQ(upgrade->key, kKey);
}

TEST(ParseUpgrade, TakesOneWebSocketAndNothingElse) {
  const Case cases[] = {
      {"as it is", "", {}, true},
      {"other case", "Upgrade", {{"upgrade", "WebSocket"}}, true},
      {"no Upgrade", "Upgrade", {}, false},
      {"an empty one", "Upgrade", {{"Upgrade", ""}}, false},
      {"another protocol", "Upgrade", {{"Upgrade", "h2c"}}, false},
      {"a list", "Upgrade", {{"Upgrade", "websocket, h2c"}}, false},
      {"the same twice in a list", "Upgrade", {{"Upgrade", "websocket, websocket"}}, false},
      {"a comma", "Upgrade", {{"Upgrade", "websocket,"}}, false},
      {"a version", "Upgrade", {{"Upgrade", "websocket/13"}}, false},
      {"two fields", "", {{"Upgrade", "websocket"}}, false},
      {"two fields, two protocols", "", {{"Upgrade", "h2c"}}, false},

      {"a list", "Connection", {{"Connection", "keep-alive, Upgrade"}}, true},
      {"lower case, no space", "Connection", {{"Connection", "upgrade,keep-alive"}}, true},
      {"two fields", "Connection", {{"Connection", "keep-alive"}, {"Connection", "upgrade"}}, true},
      {"empty elements", "Connection", {{"Connection", " ,, upgrade ,"}}, true},
      {"no Connection", "Connection", {}, false},
      {"an empty one", "Connection", {{"Connection", ""}}, false},
      {"keep-alive only", "Connection", {{"Connection", "keep-alive"}}, false},
      {"a longer token", "Connection", {{"Connection", "upgrades"}}, false},
      {"part of a token", "Connection", {{"Connection", "no-upgrade"}}, false},
      {"two words", "Connection", {{"Connection", "upgrade now"}}, false},
      {"no token", "Connection", {{"Connection", "upgrade, \"x\""}}, false},
      {"no token in another field", "", {{"Connection", "a b"}}, false},

      {"a length of nothing", "", {{"Content-Length", "0"}}, true},
      {"a length", "", {{"Content-Length", "5"}}, false},
      {"a coding", "", {{"Transfer-Encoding", "chunked"}}, false},
      {"a length in disguise", "", {{"Content_Length", "5"}}, false},

      {"no version", "Sec-WebSocket-Version", {}, false},
      {"an older version", "Sec-WebSocket-Version", {{"Sec-WebSocket-Version", "8"}}, false},
      {"two versions", "Sec-WebSocket-Version", {{"Sec-WebSocket-Version", "13, 8"}}, false},
      {"a leading zero", "Sec-WebSocket-Version", {{"Sec-WebSocket-Version", "013"}}, false},
      {"the version twice", "", {{"sec-websocket-version", "13"}}, false},
      {"the version in disguise",
       "Sec-WebSocket-Version",
       {{"Sec_WebSocket_Version", "13"}},
       false},

      {"lower case names", "Sec-WebSocket-Key", {{"sec-websocket-key", kKey}}, true},
      {"no key", "Sec-WebSocket-Key", {}, false},
      {"the key twice", "", {{"Sec-WebSocket-Key", kKey}}, false},
      {"two keys", "", {{"SEC-WEBSOCKET-KEY", "AAAAAAAAAAAAAAAAAAAAAA=="}}, false},
      {"a look-alike beside it", "", {{"Sec_WebSocket_Key", kKey}}, false},
      {"a look-alike alone", "Sec-WebSocket-Key", {{"Sec_WebSocket_Key", kKey}}, false},
  };
  for (const Case& c : cases) {
    const http::Fields fields = altered(kRequest, c.without, c.instead);
    EXPECT_EQ(parse_upgrade(fields).has_value(), c.good) << c.without << ": " << c.why;
  }
}

TEST(ParseUpgrade, TakesKeysOf16Bytes) {
  struct Key {
    const char* why;
    std::string_view key;
    bool good;
  };
  constexpr Key keys[] = {
      {"zeros", "AAAAAAAAAAAAAAAAAAAAAA==", true},
      {"every kind of digit", "azAZ09+/azAZ09+/azAZ0w==", true},
      {"ends in Q", "AAAAAAAAAAAAAAAAAAAAAQ==", true},
      {"ends in g", "AAAAAAAAAAAAAAAAAAAAAg==", true},
      {"bits behind the last byte", "AAAAAAAAAAAAAAAAAAAAAB==", false},
      {"empty", "", false},
      {"15 bytes", "AAAAAAAAAAAAAAAAAAAA", false},
      {"17 bytes", "AAAAAAAAAAAAAAAAAAAAAAA=", false},
      {"18 bytes", "AAAAAAAAAAAAAAAAAAAAAAAA", false},
      {"no padding", "AAAAAAAAAAAAAAAAAAAAAA", false},
      {"padding in the middle", "AAAAAAAA==AAAAAAAAAAAA==", false},
      {"another alphabet", "AAAA-_AAAAAAAAAAAAAAAA==", false},
      {"a space", "AAAA AAAAAAAAAAAAAAAAA==", false},
      {"a list", "AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA==", false},
  };
  for (const Key& k : keys) {
    const http::Fields fields =
        altered(kRequest, "Sec-WebSocket-Key", {{"Sec-WebSocket-Key", k.key}});
    EXPECT_EQ(parse_upgrade(fields).has_value(), k.good) << k.why;
  }
}

TEST(IsValidSwitch, WantsTheAnswerToThisKey) {
  const Pairs response = {{"Upgrade", "websocket"},
                          {"Connection", "Upgrade"},
                          {"Sec-WebSocket-Accept", kAccept},
                          {"Server", "x"}};
  const Case cases[] = {
      {"as it is", "", {}, true},
      {"as many servers spell it", "Upgrade", {{"upgrade", "WebSocket"}}, true},
      {"a list", "Connection", {{"connection", "keep-alive, upgrade"}}, true},
      {"no Upgrade", "Upgrade", {}, false},
      {"another protocol", "Upgrade", {{"Upgrade", "h2c"}}, false},
      {"one more protocol", "", {{"Upgrade", "h2c"}}, false},
      {"no Connection", "Connection", {}, false},
      {"Connection: close", "Connection", {{"Connection", "close"}}, false},
      {"no Accept", "Sec-WebSocket-Accept", {}, false},
      {"two of them", "", {{"Sec-WebSocket-Accept", kAccept}}, false},
      {"the key itself", "Sec-WebSocket-Accept", {{"Sec-WebSocket-Accept", kKey}}, false},
      {"other case",
       "Sec-WebSocket-Accept",
       {{"Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}},
       false},
      {"cut",
       "Sec-WebSocket-Accept",
       {{"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo"}},
       false},
      {"in disguise", "Sec-WebSocket-Accept", {{"Sec_WebSocket_Accept", kAccept}}, false},
      {"a length", "", {{"Content-Length", "12"}}, false},
      {"a coding", "", {{"Transfer-Encoding", "chunked"}}, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(is_valid_switch(altered(response, c.without, c.instead), kKey), c.good)
        << c.without << ": " << c.why;
  }
  EXPECT_FALSE(is_valid_switch(fields_of(response), "AAAAAAAAAAAAAAAAAAAAAA=="));
  EXPECT_FALSE(is_valid_switch(fields_of(response), ""));
}

TEST(AcceptKey, IsThatOfTheStandard) {
  EXPECT_EQ(accept_key(kKey), kAccept);
}

// A key that we make is one that we would take.
TEST(MakeKey, IsAKey) {
  EXPECT_EQ(make_key(0, 0), "AAAAAAAAAAAAAAAAAAAAAA==");
  EXPECT_EQ(make_key(0x0706050403020100, 0x0f0e0d0c0b0a0908), "AAECAwQFBgcICQoLDA0ODw==");
  const std::string key = make_key(~0ULL, 0x123456789abcdef0);
  const http::Fields fields = altered(kRequest, "Sec-WebSocket-Key", {{"Sec-WebSocket-Key", key}});
  EXPECT_TRUE(parse_upgrade(fields).has_value());
}

}  // namespace
}  // namespace bd::websocket
