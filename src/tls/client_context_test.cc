// Which servers a client believes, and what it resumes.
#include "tls/client_context.h"

#include <gtest/gtest.h>

#include "tls/talk_for_test.h"

namespace bd::tls {
namespace {

ClientOptions believing(std::string name) {
  return {.ca = authority().pem(), .server_name = std::move(name)};
}

TEST(ClientContext, VerifiesTheServer) {
  const auto issue = [](const CertificateSpec& spec, const Authority& by = authority()) {
    return std::make_shared<const KeyPair>(by.issue(spec));
  };
  struct Case {
    const char* why;
    std::shared_ptr<const KeyPair> shown;
    std::string name;
    std::string error;  // "" for success.
  };
  constexpr const char* kFailed = "certificate verify failed: ";
  const Case cases[] = {
      {"good", issue({.names = {"a.example"}}), "a.example", ""},
      {"case and dot", issue({.names = {"a.example"}}), "A.Example.", ""},
      {"wildcard", issue({.names = {"*.a.example"}}), "x.a.example", ""},
      {"two labels", issue({.names = {"*.a.example"}}), "x.y.a.example", "hostname mismatch"},
      {"part of a label", issue({.names = {"x*.a.example"}}), "xy.a.example", "hostname mismatch"},
      {"wrong name", issue({.names = {"b.example"}}), "a.example", "hostname mismatch"},
      {"only a common name", issue({.names = {}, .common_name = "a.example"}), "a.example",
       "hostname mismatch"},
      {"unknown authority", issue({.names = {"a.example"}}, stranger()), "a.example",
       "unable to get local issuer certificate"},
      {"expired", issue({.names = {"a.example"}, .from_days = -9, .to_days = -1}), "a.example",
       "certificate has expired"},
      {"not yet", issue({.names = {"a.example"}, .from_days = 1}), "a.example",
       "certificate is not yet valid"},
      {"address", issue({.names = {"10.0.0.1"}}), "10.0.0.1", ""},
      {"IPv6", issue({.names = {"fd00::1"}}), "[fd00::1]", ""},
      {"other address", issue({.names = {"10.0.0.1"}}), "10.0.0.2", "IP address mismatch"},
      {"a name is no address", issue({.names = {"a.example"}}), "10.0.0.1", "IP address mismatch"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto server = make_server(server_options({c.shown}));
    const auto client = make_client(believing(c.name));
    Talk talk(*server, *client);
    ASSERT_EQ(talk.handshake(), c.error.empty()) << talk.client->error();
    EXPECT_EQ(talk.client->error(), c.error.empty() ? "" : kFailed + c.error);
    if (!c.error.empty()) EXPECT_FALSE(talk.server->done());
  }
}

TEST(ClientContext, SendsNamesButNoAddresses) {
  const auto server = make_server(server_options({pair_for("a.example")}));
  for (const auto& [name, want] :
       {std::pair{"A.example", "a.example"}, {"10.0.0.1", ""}, {"[fd00::1]", ""}, {"", ""}}) {
    const auto client = make_client({.verify = false, .server_name = name});
    Talk talk(*server, *client);
    ASSERT_TRUE(talk.handshake());
    EXPECT_EQ(talk.server->server_name(), want);
    EXPECT_EQ(talk.client->server_name(), want);
    EXPECT_FALSE(talk.client->covers("a.example"));  // Of the server's role only.
    EXPECT_FALSE(talk.client->satisfies("a.example"));
  }
}

TEST(ClientContext, TrustsACertificateThatIsItsOwnAuthority) {
  const std::string names[] = {"a.example"};
  const auto own = std::make_shared<KeyPair>(*self_signed(names, 7));
  const auto server = make_server(server_options({own}));
  const auto client = make_client({.ca = own->chain, .server_name = "a.example"});
  Talk talk(*server, *client);
  EXPECT_TRUE(talk.handshake()) << talk.client->error();
}

TEST(ClientContext, OffersProtocols) {
  using enum ClientOptions::Alpn;
  const auto server = make_server(server_options({pair_for("a.example")}));
  for (const auto& [alpn, want] : {std::pair{http1, "http/1.1"}, {h2, "h2"}, {h2_or_http1, "h2"}}) {
    ClientOptions options = believing("a.example");
    options.alpn = alpn;
    const auto client = make_client(options);
    Talk talk(*server, *client);
    ASSERT_TRUE(talk.handshake());
    EXPECT_EQ(talk.client->alpn(), want);
  }
}

TEST(ClientContext, ShowsItsCertificate) {
  ServerOptions options = server_options({pair_for("a.example")});
  options.client_auth = ClientAuth::required;
  options.client_ca = authority().pem();
  const auto server = make_server(options);
  ClientOptions by = believing("a.example");
  by.certificate =
      std::make_shared<KeyPair>(authority().issue({.names = {}, .common_name = "door"}));
  const auto client = make_client(by);
  Talk talk(*server, *client);
  ASSERT_TRUE(talk.handshake()) << talk.server->error();
  ASSERT_NE(talk.server->client_certificate(), nullptr);
  EXPECT_EQ(talk.server->client_certificate()->subject, "CN=door");
}

TEST(ClientContext, ResumesItsNewestSession) {
  ServerOptions options = server_options({pair_for("a.example")});
  options.tickets = {ticket_key(1)};
  const auto server = make_server(options);
  const auto client = make_client(believing("a.example"));
  for (int i = 0; i < 20; ++i) {
    Talk talk(*server, *client);
    ASSERT_TRUE(talk.handshake());
    EXPECT_EQ(Talk::send(*talk.server, *talk.client, "answer"), "answer");
    EXPECT_EQ(talk.client->resumed(), i > 0);
  }
  // Two tickets came each time, and no more than one was used: several at once are resumed.
  Talk one(*server, *client);
  Talk two(*server, *client);
  ASSERT_TRUE(one.handshake() && two.handshake());
  EXPECT_TRUE(one.client->resumed() && two.client->resumed());

  // A server that forgot its keys just shakes hands in full.
  server->set_tickets({ticket_key(2)});
  Talk forgotten(*server, *client);
  ASSERT_TRUE(forgotten.handshake());
  EXPECT_FALSE(forgotten.client->resumed());
}

TEST(ClientContext, SpeaksTls12AndResumesIt) {
  RawPeer old({.max_version = TLS1_2_VERSION, .certificate = pair_for("a.example")}, true);
  const auto client = make_client(believing("a.example"));
  for (int i = 0; i < 3; ++i) {
    Talk talk;
    talk.client = client->connect(talk.client_wire);
    talk.server = old.open(talk.server_wire);
    ASSERT_TRUE(talk.handshake()) << talk.client->error();
    EXPECT_EQ(talk.client->version(), Version::tls12);
    EXPECT_EQ(talk.client->resumed(), i > 0);
    EXPECT_EQ(Talk::send(*talk.server, *talk.client, "answer"), "answer");
  }
  RawPeer older({.max_version = TLS1_1_VERSION, .certificate = pair_for("a.example")}, true);
  Talk talk;
  talk.client = client->connect(talk.client_wire);
  talk.server = older.open(talk.server_wire);
  EXPECT_FALSE(talk.handshake());
}

TEST(ClientContext, SaysWhatIsWrongWithItsOptions) {
  const auto error = [](const ClientOptions& options) {
    const auto made = ClientContext::create(options);
    return made ? "" : made.error();
  };
  EXPECT_EQ(error(believing("")), "a name to verify is needed");
  EXPECT_TRUE(error({.ca = "", .server_name = "a"}).starts_with("the CA bundle holds no"));
  EXPECT_EQ(error(believing(std::string(254, 'a'))), "the server's name is no host name");
  EXPECT_EQ(error({.verify = false}), "");
  ClientOptions options = believing("a");
  options.certificate =
      std::make_shared<KeyPair>(pair_for("a.example")->chain, pair_for("b.example")->key);
  EXPECT_EQ(error(options), "client certificate: the key does not belong to the leaf certificate");
}

}  // namespace
}  // namespace bd::tls
