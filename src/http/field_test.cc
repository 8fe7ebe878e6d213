#include "http/field.h"

#include <gtest/gtest.h>

namespace bd::http {
namespace {

TEST(FieldName, FoldsCaseAndSeparators) {
  struct Case {
    const char* name;
    FieldName want;
  };
  constexpr Case cases[] = {
      {"Host", FieldName::host},
      {"HOST", FieldName::host},
      {"TE", FieldName::te},
      {"te", FieldName::te},
      {"X-Forwarded-For", FieldName::x_forwarded_for},
      {"x_forwarded_for", FieldName::x_forwarded_for},
      {"X_FORWARDED-FOR", FieldName::x_forwarded_for},
      {"X.Forwarded~For", FieldName::x_forwarded_for},
      {"X-Forwarded-Proto", FieldName::x_forwarded_proto},
      {"X-Forwarded-Foo", FieldName::x_forwarded_other},
      {"X-Forwarded-Client-Cert-Chain-Of-Everybody", FieldName::x_forwarded_other},
      {"X_Forwarded_User", FieldName::x_forwarded_other},
      {"X-Amzn-Trace-Id", FieldName::x_amzn_trace_id},
      {"x-amzn-oidc-data", FieldName::x_amzn_other},
      {"X_Amzn_Mtls_Clientcert", FieldName::x_amzn_other},
      {"X-Blastdoor-Hop", FieldName::x_blastdoor_hop},
      {"x_blastdoor_cause", FieldName::x_blastdoor_other},
      {"Content-Length", FieldName::content_length},
      {"Transfer-Encoding", FieldName::transfer_encoding},
      {"Proxy-Authorization", FieldName::proxy_authorization},
      {"HTTP2-Settings", FieldName::http2_settings},
      {"Sec-WebSocket-Key", FieldName::sec_websocket_key},
      {"sec_websocket_key", FieldName::sec_websocket_key},
      {"sec-websocket-version", FieldName::sec_websocket_version},
      {"SEC-WEBSOCKET-ACCEPT", FieldName::sec_websocket_accept},
      {"Sec-WebSocket-Protocol", FieldName::other},
      {"X-Forwarded", FieldName::other_identity},
      {"X-Forwarded-", FieldName::other},
      {"XForwardedFor", FieldName::other},
      {"X-Amz-Cf-Id", FieldName::other},
      {"Hosts", FieldName::other},
      {"Hos", FieldName::other},
      {"Accept", FieldName::other},
      {"User-Agent", FieldName::other},
      {"", FieldName::other},
      {"H\xc3\xb6st", FieldName::other},
  };
  for (const Case& c : cases) EXPECT_EQ(field_name(c.name), c.want) << c.name;
  EXPECT_EQ(field_name(std::string_view("te\0", 3)), FieldName::other);
  EXPECT_EQ(field_name(std::string_view("\0\0\0\0", 4)), FieldName::other);
}

TEST(Fields, AreFoundByName) {
  const Fields fields = {{"A", "1", FieldName::other}, {"Host", "a", FieldName::host}};
  ASSERT_NE(find(fields, FieldName::host), nullptr);
  EXPECT_EQ(find(fields, FieldName::host)->value, "a");
  EXPECT_EQ(find(fields, FieldName::expect), nullptr);
}

TEST(Method, IsCaseSensitive) {
  struct Case {
    const char* token;
    Method want;
    bool idempotent;
  };
  constexpr Case cases[] = {
      {"GET", Method::get, true},          {"HEAD", Method::head, true},
      {"PUT", Method::put, true},          {"DELETE", Method::del, true},
      {"OPTIONS", Method::options, true},  {"TRACE", Method::trace, true},
      {"POST", Method::post, false},       {"PATCH", Method::patch, false},
      {"CONNECT", Method::connect, false}, {"PROPFIND", Method::other, false},
      {"PRI", Method::pri, false},         {"pri", Method::other, false},
      {"get", Method::other, false},       {"GETS", Method::other, false},
      {"", Method::other, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(parse_method(c.token), c.want) << c.token;
    EXPECT_EQ(is_idempotent(c.want), c.idempotent) << c.token;
  }
}

TEST(ReasonPhrase, IsEmptyForWhatHasNone) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(308), "Permanent Redirect");
  EXPECT_EQ(reason_phrase(508), "Loop Detected");
  EXPECT_EQ(reason_phrase(299), "");
  EXPECT_EQ(reason_phrase(-1), "");
}

}  // namespace
}  // namespace bd::http
