#include "admin/api.h"

#include "admin/view_for_test.h"
#include "text/value.h"

namespace bd::admin {
namespace {

using testing::SampleView;

Response get(const View& view, std::string_view target, std::string_view host = "localhost:9900",
             std::string_view method = "GET") {
  return admin_api({method, target, host}, view);
}

/// The JSON on one line. Strings hold no raw line breaks, so what follows one is indentation.
std::string flat(const Response& response) {
  std::string out;
  bool indenting = false;
  for (const char c : response.body) {
    indenting = c == '\n' || (indenting && c == ' ');
    if (!indenting) out.push_back(c);
  }
  return out;
}

TEST(AdminApi, AnswersOnlyToLoopbackNames) {
  const SampleView sample;
  for (const char* host :
       {"localhost", "LocalHost:9900", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:9900"}) {
    EXPECT_EQ(get(sample.view, "/api/v1/routes", host).status, 200) << host;
  }
  for (const char* host :
       {"", "evil.example", "localhost.evil.example", "x.localhost", "10.0.0.1", "[fd00::1]:9900",
        "127.0.0.1.nip.io", "localhost:x", "localhost, evil.example", "127.1", "0.0.0.0"}) {
    const Response response = get(sample.view, "/api/v1/routes", host);
    EXPECT_EQ(response.status, 403) << host;
    EXPECT_NE(response.body.find("Host must be localhost"), std::string::npos);
    EXPECT_EQ(response.body.find("shop.example.com"), std::string::npos);
  }
}

TEST(AdminApi, ListsItsPathsWhenThereIsNoSuchPage) {
  const SampleView sample;
  for (const char* target :
       {"/", "/api/v1", "/api/v1/routes/", "/API/v1/routes", "http://localhost/api/v1/routes"}) {
    const Response response = get(sample.view, target);
    EXPECT_EQ(response.status, 404) << target;
    EXPECT_EQ(flat(response),
              R"({"error": "there is no such page","paths": ["/api/v1/exposures","/api/v1/routes",)"
              R"("/api/v1/upstreams","/api/v1/findings","/api/v1/generations"]})");
  }
}

TEST(AdminApi, ReadsOnly) {
  const SampleView sample;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get", ""}) {
    EXPECT_EQ(get(sample.view, "/api/v1/routes", "localhost", method).status, 405) << method;
  }
  EXPECT_EQ(get(sample.view, "/api/v1/routes", "localhost", "HEAD").body,
            get(sample.view, "/api/v1/routes").body);
}

TEST(AdminApi, RefusesQueriesThatItDoesNotUnderstand) {
  const SampleView sample;
  struct Case {
    const char* target;
    int status;
    const char* says;
  };
  constexpr Case cases[] = {
      {"/api/v1/routes?exposre=internal-http", 400,
       "there is no parameter `exposre` here; there are: exposure, format"},
      {"/api/v1/generations?x=1", 400, "there are: none"},
      {"/api/v1/routes?exposure=internal-http&exposure=external-http", 400, "given twice"},
      {"/api/v1/routes?format=yaml", 400, "`format` is json or text"},
      {"/api/v1/findings?severity=bad", 400, "served, info, warning or refused"},
      {"/api/v1/findings?severity=", 400, "served, info, warning or refused"},
      {"/api/v1/routes?exposure", 404, "there is no exposure ``"},
      {"/api/v1/upstreams?exposure=internal", 404,
       "there is no exposure `internal`; there are: internal-http, "},
      {"/api/v1/exposures?exposure=%", 404, "there is no exposure `%`"},
      {"/api/v1/exposures?exposure=%zz%4", 404, "there is no exposure `%zz%4`"},
      {"/api/v1/exposures?exposure=internal%2Dhttp", 200, ""},
      {"/api/v1/exposures?%65xposure=internal%2dhttp", 200, ""},
      {"/api/v1/routes?", 200, ""},
      {"/api/v1/routes?&&exposure=internal-http&", 200, ""},
      {"/api/v1/routes?exposure=internal-httpsecure", 200, ""},
  };
  for (const Case& c : cases) {
    const Response response = get(sample.view, c.target);
    EXPECT_EQ(response.status, c.status) << c.target;
    EXPECT_NE(response.body.find(c.says), std::string::npos) << c.target << "\n" << response.body;
  }
}

TEST(AdminApi, EveryAnswerIsJson) {
  const SampleView sample;
  const View empty;
  for (const View* view : {&sample.view, &empty}) {
    for (const char* page :
         {"exposures", "routes", "upstreams", "findings", "generations", "none", "routes?x"}) {
      const Response response = get(*view, std::string("/api/v1/") + page);
      EXPECT_EQ(response.content_type, "application/json");
      EXPECT_TRUE(text::parse_json(response.body)) << page << "\n" << response.body;
    }
  }
}

TEST(ExposuresPage, ShowsTheExposureAndItsDoor) {
  const SampleView sample;
  EXPECT_EQ(
      flat(get(sample.view, "/api/v1/exposures?exposure=internal-http")),
      R"({"exposures": [{"name": "internal-http","side": "internal","enabled": true,)"
      R"("listeners": [{"name": "main","address": "0.0.0.0:10000","publicScheme": "http","publicPort": 80,)"
      R"("healthPath": "/-/healthz","acceptFrom": [],"trustedPeers": [],"proxyProtocolFrom": [],)"
      R"("tls": {"mode": "off","minVersion": "1.2","clientCertificate": "none","clientCa": "","certificates": [],)"
      R"("hosts": []}}],"certificates": [],"secrets": "none","selector": "expose=internal-http",)"
      R"("anyClass": false,"ingressClasses": [],"allow": ["wildcard","empty_host","default_backend"],)"
      R"("hosts": "shared","redirectTwin": null,"door": {"connected": true,"appliedGeneration": 7,)"
      R"("ackedGeneration": 7,"restarts": 2,"routes": 3,"virtualHosts": 1,)"
      R"("sandbox": ["seccomp","no_new_privs"],"draining": false,"quarantinedGeneration": 0,"refusal": ""}}]})");
}

TEST(ExposuresPage, ShowsADoorThatHasNotConnected) {
  const SampleView sample;
  EXPECT_EQ(
      flat(get(sample.view, "/api/v1/exposures?exposure=external-http")),
      R"({"exposures": [{"name": "external-http","side": "external","enabled": true,)"
      R"("listeners": [{"name": "main","address": "0.0.0.0:10002","publicScheme": "http","publicPort": 80,)"
      R"("healthPath": "/-/healthz","acceptFrom": ["10.0.0.0/8"],"trustedPeers": ["10.1.0.0/16"],)"
      R"("proxyProtocolFrom": ["10.2.0.0/16"],"tls": {"mode": "files","minVersion": "1.2",)"
      R"("clientCertificate": "optional","clientCa": "file ca.pem","certificates": ["file shop.crt"],)"
      R"("hosts": [{"host": "admin.example.com","minVersion": "1.3","clientCertificate": "required",)"
      R"("clientCa": "file ca.pem"}]}}],"certificates": [{"name": "file shop.crt",)"
      R"("names": ["shop.example.com","*.shop.example.com"],"key": "ecdsa-p256","issuer": "CN=Test CA",)"
      R"("notBefore": "2023-11-14T22:13:20Z","notAfter": "2023-11-15T22:13:20Z","sha256": "00ff"}],)"
      R"("secrets": "none",)"
      R"("selector": "expose=external-http","anyClass": false,"ingressClasses": ["public"],)"
      R"("allow": ["wildcard"],"hosts": "owned","redirectTwin": "external-httpsecure",)"
      R"("door": {"connected": false,"appliedGeneration": 0,"ackedGeneration": 0,"restarts": 0,"routes": 0,)"
      R"("virtualHosts": 0,"sandbox": [],"draining": false,"quarantinedGeneration": 5,"refusal": "no memory"}}]})");
}

TEST(AdminApi, NeverShowsAKey) {
  const SampleView sample;
  for (const char* page : {"exposures", "routes", "upstreams", "findings", "generations"}) {
    const std::string body = get(sample.view, std::string("/api/v1/") + page).body;
    for (const char* secret : {"the secret key", "the ticket key", "the chain"}) {
      EXPECT_EQ(body.find(secret), std::string::npos) << page;
    }
  }
}

TEST(ExposuresPage, ListsWhatIsKnownAndNotServed) {
  const SampleView sample;
  const std::string all = flat(get(sample.view, "/api/v1/exposures"));
  for (const model::Exposure& exposure : sample.view.exposures)
    EXPECT_NE(all.find(exposure.name), std::string::npos);
  const std::string one = flat(get(sample.view, "/api/v1/exposures?exposure=external-httpsecure"));
  EXPECT_NE(one.find(R"("enabled": false)"), std::string::npos);
  EXPECT_NE(one.find(R"("door": null)"), std::string::npos);
}

TEST(RoutesPage, ShowsOneExposureAsJson) {
  const SampleView sample;
  EXPECT_EQ(
      flat(get(sample.view, "/api/v1/routes?exposure=external-http")),
      R"({"generation": 7,"exposures": [{"exposure": "external-http","listeners": [{"listener": "main",)"
      R"("hosts": [{"host": "shop.example.com","routes": [)"
      R"({"path": "/cart","type": "exact","action": "forward","upstream": "shop/outer:80","origin": "Ingress shop/cart"},)"
      R"({"path": "/old","type": "prefix","action": "refuse","cause": "service-missing","origin": "Ingress shop/old"},)"
      R"({"path": "/","type": "prefix","action": "redirect","port": 8443,"origin": "Ingress shop/web"}]}]}]}]})");
}

TEST(RoutesPage, PrintsTheTextualForm) {
  const SampleView sample;
  const Response response = get(sample.view, "/api/v1/routes?format=text&exposure=internal-http");
  EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
  EXPECT_NE(response.body.find("exposure internal-http\nlistener main\n"), std::string::npos)
      << response.body;
  EXPECT_NE(response.body.find("forward shop/inner:80"), std::string::npos) << response.body;
  EXPECT_EQ(response.body.find("shop/outer:80"), std::string::npos);
}

TEST(RoutesPage, IsEmptyBeforeTheFirstSnapshot) {
  const View view;
  EXPECT_EQ(flat(get(view, "/api/v1/routes")), R"({"generation": 0,"exposures": []})");
  EXPECT_EQ(get(view, "/api/v1/routes?format=text").body, "");
}

TEST(UpstreamsPage, ShowsEndpointsByExposure) {
  const SampleView sample;
  const std::string outer =
      R"({"exposure": "external-http","key": "shop/outer:80","endpoints": ["10.0.0.1:8080","[fd00::1]:8080"]})";
  const std::string inner =
      R"({"exposure": "internal-http","key": "shop/inner:80","endpoints": ["10.0.0.1:8080","[fd00::1]:8080"]})";
  EXPECT_EQ(flat(get(sample.view, "/api/v1/upstreams")),
            R"({"upstreams": [)" + outer + "," + inner + "]}");
  EXPECT_EQ(flat(get(sample.view, "/api/v1/upstreams?exposure=external-http")),
            R"({"upstreams": [)" + outer + "]}");
}

TEST(FindingsPage, ShowsEveryFieldOfAFinding) {
  const SampleView sample;
  EXPECT_EQ(
      flat(get(sample.view, "/api/v1/findings?severity=refused")),
      R"({"findings": [{"severity": "refused","code": "unknown-exposure","object": {"kind": "Ingress",)"
      R"("namespace": "shop","name": "web","source": "manifests:apps","file": "apps.yaml","line": 12},)"
      R"("field": "metadata.labels.expose","what": "there is no exposure `extrenal-http`",)"
      R"("hint": "did you mean `external-http`?","exposures": ["external-http"]}]})");
}

TEST(FindingsPage, FiltersAllHaveToAgree) {
  const SampleView sample;
  struct Case {
    const char* query;
    bool refused, served;
  };
  constexpr Case cases[] = {
      {"", true, true},
      {"?name=web", true, true},
      {"?namespace=shop", true, false},
      {"?namespace=shop&name=other", false, false},
      {"?exposure=internal-http", false, true},
      {"?exposure=internal-http&severity=refused", false, false},
      {"?severity=served&namespace=blog", false, true},
      {"?namespace=", false, false},
  };
  for (const Case& c : cases) {
    const std::string body = get(sample.view, std::string("/api/v1/findings") + c.query).body;
    EXPECT_EQ(body.find("unknown-exposure") != std::string::npos, c.refused) << c.query;
    EXPECT_EQ(body.find("\"blog\"") != std::string::npos, c.served) << c.query;
  }
}

TEST(GenerationsPage, ShowsGenerationsAndSources) {
  const SampleView sample;
  EXPECT_EQ(
      flat(get(sample.view, "/api/v1/generations")),
      R"({"generations": [{"generation": 7,"atMs": 1700000000123,"compileMicroseconds": 450,"kind": "compile",)"
      R"("changes": ["internal-http: +2 -1 hosts"]}],"ready": true,"lastChangeMs": 1700000000123,"sources": [)"
      R"({"name": "kube","delivered": true,"healthy": false,"message": "connection refused","ingresses": 3,)"
      R"("services": 2,"slices": 1},{"name": "manifests:a\"b\\c\nd)"
      "\xEF\xBF\xBD"
      R"(","delivered": false,"healthy": true,"message": "","ingresses": 0,"services": 0,"slices": 0}]})");
}

}  // namespace
}  // namespace bd::admin
