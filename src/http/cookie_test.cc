#include "http/cookie.h"

namespace bd::http {
namespace {

TEST(Cookie, IsFoundByItsName) {
  struct Case {
    std::vector<std::string_view> fields;
    std::optional<std::string_view> value;
  };
  const Case cases[] = {
      {{}, std::nullopt},
      {{""}, std::nullopt},
      {{"sid=a"}, "a"},
      {{"sid="}, ""},
      {{"sid"}, std::nullopt},
      {{"=sid"}, std::nullopt},
      {{"other=1; sid=a"}, "a"},
      {{"other=1;sid=a;more=2"}, "a"},
      {{"other=1 ; \t sid=a \t; more=2"}, "a"},
      {{"sid=a; sid=b"}, "a"},
      {{"other=1", "sid=b"}, "b"},
      {{"SID=a"}, std::nullopt},
      {{"xsid=a; sidx=b"}, std::nullopt},
      {{"sid =a"}, std::nullopt},
      {{"other=\"1; sid=a\""}, "a\""},  // RFC 6265 §5.4: quotes hide nothing.
      {{"sid=\"a\""}, "a"},
      {{"sid=\""}, "\""},
      {{"sid=a=b"}, "a=b"},
      {{";;; ;=;sid=a"}, "a"},
      {{"sid=a;"}, "a"},
  };
  for (const Case& c : cases) {
    Fields fields = {{"Host", "sid=x", FieldName::host}};
    for (const std::string_view value : c.fields) fields.push_back({"cOOkie", value});
    const std::string text = c.fields.empty() ? "none" : std::string(c.fields.front());
    EXPECT_EQ(cookie(fields, "sid"), c.value) << text;
  }
}

TEST(Cookie, ANameIsAToken) {
  EXPECT_TRUE(is_cookie_name("sid"));
  EXPECT_TRUE(is_cookie_name("__Host-sid.1"));
  for (const std::string_view name : {"", "a b", "a;b", "a=b", "a,b", "\xc3\xa4", "a\"b"}) {
    EXPECT_FALSE(is_cookie_name(name)) << name;
  }
}

}  // namespace
}  // namespace bd::http
