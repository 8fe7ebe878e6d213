#include "decide/rewrite.h"

#include "decide/ask_for_test.h"

namespace bd::decide {
namespace {

using testing::Ask;
using testing::Asked;
using testing::prefix;
using Kind = BodyFraming::Kind;

const RequestId kId = RequestId::make(0x0123456789abcdef, 0xfedcba9876543210);
constexpr std::string_view kIdText = "fedcba98765432100123456789abcdef";

Listener shop(model::Scheme scheme = model::Scheme::http) {
  return testing::listener({{"shop.example.com", prefix("/"), model::Forward{"shop/web:80"}},
                            {"", prefix("/"), model::Forward{"shop/web:80"}}},
                           scheme);
}

std::string head_for(const Listener& listener, const Ask& what, BodyFraming framing = {}) {
  const Asked asked(what);
  const Decision decision = decide(listener, asked.request, {});
  EXPECT_EQ(decision.cause, Cause::none);
  std::string out;
  append_request_head(out, {listener, asked.request, "GET", decision, kId, framing});
  return out;
}

TEST(RequestHead, IsRegeneratedFromTheDecision) {
  EXPECT_EQ(head_for(shop(), {.target = "http://Shop.Example.com:10000/a/../b//%7ec?d=%zz",
                              .host = "SHOP.example.com.:10000",
                              .fields = {{"Host", "SHOP.example.com.:10000"},
                                         {"Accept", "*/*"},
                                         {"X-App", "1"},
                                         {"x-app", "2"}}}),
            "GET /b//~c?d=%zz HTTP/1.1\r\n"
            "Host: shop.example.com:10000\r\n"
            "Accept: */*\r\n"
            "X-App: 1\r\n"
            "x-app: 2\r\n"
            "X-Forwarded-For: 192.0.2.7\r\n"
            "X-Forwarded-Proto: http\r\n"
            "X-Forwarded-Port: 80\r\n"
            "X-Forwarded-Host: shop.example.com:10000\r\n"
            "X-Request-Id: " +
                std::string(kIdText) +
                "\r\n"
                "X-Blastdoor-Hop: 1\r\n"
                "\r\n");
}

TEST(RequestHead, TellsTheListenersFacts) {
  Listener listener = shop(model::Scheme::https);
  listener.facts.public_port = 8443;
  const std::string head =
      head_for(listener, {.fields = {{"X-Forwarded-Proto", "http"}, {"X-Forwarded-Port", "80"}},
                          .peer = "10.0.0.1:1"});
  EXPECT_NE(head.find("\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n"),
            std::string::npos)
      << head;
  EXPECT_EQ(head.find("X-Forwarded-Proto: http\r\n"), std::string::npos);
}

TEST(RequestHead, NamesTheClientAndTheBalancerThatVouchesForIt) {
  const auto forwarded_for = [](const Ask& what) {
    const std::string head = head_for(shop(), what);
    const std::size_t begin = head.find("\r\nX-Forwarded-For: ") + 19;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  };
  EXPECT_EQ(forwarded_for(
                {.fields = {{"X-Forwarded-For", "6.6.6.6, 198.51.100.1"}}, .peer = "10.1.2.3:1"}),
            "198.51.100.1, 10.1.2.3");
  EXPECT_EQ(forwarded_for({.fields = {{"X-Forwarded-For", "6.6.6.6"}}}), "192.0.2.7");
  EXPECT_EQ(forwarded_for({.peer = "10.1.2.3:1"}), "10.1.2.3");
  EXPECT_EQ(forwarded_for({.peer = "[2001:db8::7]:1"}), "2001:db8::7");
}

TEST(RequestHead, HasNoForwardedHostWithoutAHost) {
  const std::string head = head_for(shop(), {.host = ""});
  EXPECT_TRUE(head.starts_with("GET / HTTP/1.1\r\nHost: \r\n")) << head;
  EXPECT_EQ(head.find("X-Forwarded-Host"), std::string::npos);
}

TEST(RequestHead, FramesTheBodyItself) {
  const Ask posted = {.fields = {{"Content-Length", "7"},
                                 {"Transfer-Encoding", "chunked"},
                                 {"Content-Type", "text/plain"}}};
  const auto count = [](const std::string& head, std::string_view what) {
    std::size_t out = 0;
    for (std::size_t at = head.find(what); at != std::string::npos; at = head.find(what, at + 1))
      ++out;
    return out;
  };
  struct Case {
    BodyFraming framing;
    const char* line;
  };
  const Case cases[] = {
      {{Kind::none, 0}, nullptr},
      {{Kind::length, 0}, "\r\nContent-Length: 0\r\n"},
      {{Kind::length, 18446744073709551615u}, "\r\nContent-Length: 18446744073709551615\r\n"},
      {{Kind::chunked, 0}, "\r\nTransfer-Encoding: chunked\r\n"},
  };
  for (const Case& c : cases) {
    const std::string head = head_for(shop(), posted, c.framing);
    EXPECT_EQ(count(head, "Content-Length") + count(head, "Transfer-Encoding"),
              c.line == nullptr ? 0u : 1u)
        << head;
    if (c.line != nullptr) EXPECT_EQ(count(head, c.line), 1u) << head;
    EXPECT_NE(head.find("\r\nContent-Type: text/plain\r\n"), std::string::npos);
  }
}

constexpr std::string_view kOurs[] = {"X-Forwarded-For",  "X-Forwarded-Proto", "X-Forwarded-Port",
                                      "X-Forwarded-Host", "X-Request-Id",      "X-Blastdoor-Hop"};

TEST(RequestHead, DropsWhatBelongsToOneHopOrClaimsAnIdentity) {
  constexpr std::string_view names[] = {"Connection",
                                        "Keep-Alive",
                                        "Proxy-Connection",
                                        "TE",
                                        "Trailer",
                                        "Upgrade",
                                        "Expect",
                                        "HTTP2-Settings",
                                        "Proxy-Authorization",
                                        "X-Forwarded-For",
                                        "X-Forwarded-Proto",
                                        "X-Forwarded-Port",
                                        "X-Forwarded-Host",
                                        "X-Forwarded-Prefix",
                                        "X-Forwarded-Server",
                                        "X-Forwarded-Scheme",
                                        "X-Forwarded-Ssl",
                                        "X-Forwarded-Anything",
                                        "Forwarded",
                                        "X-Real-IP",
                                        "X-Original-URL",
                                        "X-Original-Host",
                                        "X-Rewrite-URL",
                                        "X-Request-Id",
                                        "X-Client-IP",
                                        "True-Client-IP",
                                        "Front-End-Https",
                                        "X-Blastdoor-Cause"};
  for (const std::string_view name : names) {
    std::string lower, folded;
    for (const char c : name) {
      lower.push_back(static_cast<char>(std::tolower(c)));
      folded.push_back(c == '-' ? '_' : c);
    }
    for (const std::string_view spelling :
         {name, std::string_view(lower), std::string_view(folded)}) {
      for (const char* peer : {"192.0.2.7:1", "10.0.0.1:1"}) {
        const std::string head =
            head_for(shop(), {.fields = {{spelling, "mark-of-the-client"}}, .peer = peer});
        EXPECT_EQ(head.find("mark-of-the-client"), std::string::npos)
            << spelling << " from " << peer;
      }
    }
  }
}

TEST(RequestHead, KeepsTheBalancersTraceOnlyFromTheBalancer) {
  struct Case {
    const char* name;
    const char* peer;
    bool kept;
  };
  constexpr Case cases[] = {
      {"X-Amzn-Trace-Id", "10.0.0.1:1", true},        {"x-amzn-trace-id", "10.0.0.1:1", true},
      {"X-Amzn-Oidc-Identity", "10.0.0.1:1", true},   {"X-Amzn-Trace-Id", "192.0.2.7:1", false},
      {"X-Amzn-Oidc-Identity", "192.0.2.7:1", false}, {"X_Amzn_Trace_Id", "10.0.0.1:1", false},
      {"X-Amzn_Oidc-Identity", "10.0.0.1:1", false},
  };
  for (const Case& c : cases) {
    const std::string head = head_for(shop(), {.fields = {{c.name, "trace"}}, .peer = c.peer});
    EXPECT_EQ(head.find(std::string(c.name) + ": trace\r\n") != std::string::npos, c.kept)
        << c.name << " from " << c.peer;
  }
}

TEST(RequestHead, ConnectionTakesNothingAway) {
  const std::string head =
      head_for(shop(), {.fields = {{"Connection", "close, X-Forwarded-For, Authorization, X-App"},
                                   {"Authorization", "Basic YTpi"},
                                   {"X-App", "1"}}});
  EXPECT_NE(head.find("\r\nAuthorization: Basic YTpi\r\n"), std::string::npos);
  EXPECT_NE(head.find("\r\nX-App: 1\r\n"), std::string::npos);
  for (const std::string_view name : kOurs)
    EXPECT_NE(head.find("\r\n" + std::string(name) + ": "), std::string::npos) << name;
}

std::string response_head(const std::vector<std::pair<std::string_view, std::string_view>>& from,
                          ResponseRewrite rewrite) {
  http::Fields fields;
  for (const auto& [name, value] : from) fields.push_back({name, value, http::field_name(name)});
  rewrite.fields = &fields;
  std::string out;
  append_response_head(out, rewrite);
  return out;
}

TEST(ResponseHead, KeepsTheApplicationsFieldsAndDropsTheHops) {
  EXPECT_EQ(
      response_head({{"Date", "today"},
                     {"Server", "app"},
                     {"Set-Cookie", "a=b"},
                     {"Set-Cookie", "c=d"},
                     {"Connection", "keep-alive"},
                     {"Keep-Alive", "timeout=5"},
                     {"Transfer-Encoding", "chunked"},
                     {"Content-Length", "12"},
                     {"Trailer", "X"},
                     {"Upgrade", "h2c"},
                     {"Proxy-Connection", "close"},
                     {"TE", "x"},
                     {"X-Blastdoor-Cause", "no-route"},
                     {"X_Blastdoor_Hop", "1"},
                     {"Location", "/there"}},
                    {.status = 201, .framing = {Kind::length, 12}}),
      "HTTP/1.1 201 Created\r\nDate: today\r\nServer: app\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"
      "Location: /there\r\nContent-Length: 12\r\n\r\n");
}

TEST(ResponseHead, StatusLinesHaveAReason) {
  EXPECT_EQ(response_head({}, {.status = 200, .reason = "Fine"}), "HTTP/1.1 200 Fine\r\n\r\n");
  EXPECT_EQ(response_head({}, {.status = 404}), "HTTP/1.1 404 Not Found\r\n\r\n");
  EXPECT_EQ(response_head({}, {.status = 599}), "HTTP/1.1 599 \r\n\r\n");
}

TEST(ResponseHead, FramesAndPersistsAsAsked) {
  struct Case {
    const char* why;
    ResponseRewrite rewrite;
    const char* rest;
  };
  const Case cases[] = {
      {"chunked", {.framing = {Kind::chunked, 0}}, "Transfer-Encoding: chunked\r\n"},
      {"until close", {.framing = {Kind::until_close, 0}, .close = true}, "Connection: close\r\n"},
      {"HEAD keeps the length it was told", {.bodiless = true}, "Content-Length: 7\r\n"},
      {"HTTP/1.0 client that persists",
       {.framing = {Kind::length, 7}, .http10_client = true},
       "Content-Length: 7\r\nConnection: keep-alive\r\n"},
      {"HTTP/1.0 client that does not",
       {.close = true, .http10_client = true},
       "Connection: close\r\n"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(response_head({{"Content-Length", "7"}}, c.rewrite),
              "HTTP/1.1 200 OK\r\n" + std::string(c.rest) + "\r\n")
        << c.why;
  }
}

TEST(RequestId, Is32HexDigitsOfItsBits) {
  EXPECT_EQ(RequestId::make(0, 0).view(), std::string(32, '0'));
  EXPECT_EQ(kId.view(), kIdText);
  EXPECT_NE(RequestId::make(1, 0).view(), RequestId::make(0, 1).view());
}

}  // namespace
}  // namespace bd::decide
