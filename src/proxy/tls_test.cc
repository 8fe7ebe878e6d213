// TLS at a door and towards upstreams.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>

#include "base/ascii.h"
#include "proxy/door_for_test.h"
#include "proxyprotocol/write.h"
#include "tls/client_context.h"

namespace bd::proxy {
namespace {

using telemetry::Counter;
using testing::Client;
using testing::contains;
using testing::eventually;
using testing::kOk;
using testing::ManualUpstream;
using testing::ScriptedUpstream;
using testing::TestDoor;

std::string get(std::string_view host, std::string_view more = {}) {
  return fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n{}\r\n", host, more);
}

/// A TLS client over a blocking socket, with a bound of five seconds on what it waits for.
class TlsClient final : private tls::Wire {
 public:
  TlsClient(const TestDoor& door, const tls::ClientOptions& options, std::string_view before = {})
      : context_(tls::ClientContext::create(options).value()) {
    Client plain(door.port());
    plain.send(before);
    fd_ = plain.take();
    session_ = context_->connect(*this);
  }
  /// False: the handshake failed.
  bool handshake() {
    tls::Session::Status status = session_->handshake();
    while (status == tls::Session::Status::again && wait()) status = session_->handshake();
    return status == tls::Session::Status::ok;
  }
  /// The answer to one request; what came of it if the connection ended.
  std::string ask(const std::string& request) {
    const iovec part{const_cast<char*>(request.data()), request.size()};
    if (session_->write({&part, 1}).bytes != request.size()) return {};
    std::string out;
    const auto is_whole = [&] {
      const std::size_t end = out.find("\r\n\r\n");
      if (end == std::string::npos) return false;
      const std::string head = ascii::to_lower(out.substr(0, end + 2));
      const std::size_t at = head.find("content-length: ");
      return at != std::string::npos && out.size() - end - 4 >= std::stoul(head.substr(at + 16));
    };
    while (!is_whole()) {
      char bytes[16384];
      const auto got = session_->read(bytes);
      out.append(bytes, got.bytes);
      if (got.status == tls::Session::Status::again && !wait()) break;
      if (got.status == tls::Session::Status::end || got.status == tls::Session::Status::error) {
        break;
      }
    }
    return out;
  }
  [[nodiscard]] tls::Session& session() { return *session_; }

 private:
  bool wait() {
    pollfd waiting{fd_.get(), POLLIN, 0};
    return poll(&waiting, 1, 5000) == 1;
  }
  Moved receive(std::span<char> into) override {
    const ssize_t n = recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) return {Status::ok, static_cast<std::size_t>(n)};
    if (n == 0) return {Status::end, 0};
    return {errno == EAGAIN ? Status::again : Status::error, 0};
  }
  Moved send(std::string_view from) override {
    const ssize_t n = ::send(fd_.get(), from.data(), from.size(), MSG_NOSIGNAL);
    if (n <= 0) return {Status::error, 0};
    return {Status::ok, static_cast<std::size_t>(n)};
  }

  std::unique_ptr<tls::ClientContext> context_;
  UniqueFd fd_;
  std::unique_ptr<tls::Session> session_;
};

tls::ClientOptions named(const std::string& name) {
  return {.verify = false, .server_name = name};
}

/// A pair that is its own authority.
model::Certificate make_pair_for(const std::vector<std::string>& names) {
  const tls::KeyPair pair = tls::self_signed(names, 1).value();
  return {pair.chain, pair.key};
}

void self_signed(model::Listener& listener) {
  listener.tls.mode = model::TlsMode::self_signed;
}

TEST(TlsDoor, ServesWhoeverComesWithItsOwnCertificate) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(kOk); });
  TestDoor door(self_signed);
  door.route("a.test", {upstream.port()});
  for (const char* name : {"a.test", "", "other.test"}) {
    SCOPED_TRACE(name);
    TlsClient client(door, named(name));
    ASSERT_TRUE(client.handshake()) << client.session().error();
    EXPECT_EQ(client.session().alpn(), "http/1.1");
    EXPECT_TRUE(client.ask(get("a.test")).starts_with("HTTP/1.1 200"));
    EXPECT_TRUE(client.ask(get("a.test")).starts_with("HTTP/1.1 200"));  // The same connection.
  }
  EXPECT_EQ(door.counter(Counter::tls_connections), 3u);
}

TEST(TlsDoor, CountsWhatIsNoHandshake) {
  TestDoor door(self_signed);
  door.route("a.test", {});
  Client client(door.port());
  client.send(get("a.test"));
  client.rest();
  EXPECT_TRUE(client.at_end() || client.was_reset());
  EXPECT_TRUE(eventually([&] { return door.counter(Counter::tls_failures) == 1; }));
}

TEST(TlsDoor, TakesAProxyHeaderInFrontOfTheHandshake) {
  ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(kOk); });
  TestDoor door([](model::Listener& listener) {
    self_signed(listener);
    listener.proxy_protocol_from = {Cidr::parse("127.0.0.0/8").value()};
  });
  door.route("a.test", {upstream.port()});
  const SocketAddress source = SocketAddress::parse("192.0.2.7:5000").value();
  const SocketAddress to = SocketAddress::parse("192.0.2.1:443").value();
  for (const std::string& header :
       {proxyprotocol::write_v1(source, to), proxyprotocol::write_v2(source, to)}) {
    TlsClient client(door, named("a.test"), header);
    ASSERT_TRUE(client.handshake()) << client.session().error();
    EXPECT_TRUE(client.ask(get("a.test")).starts_with("HTTP/1.1 200"));
    const std::string got = ascii::to_lower(upstream.requests().back());
    EXPECT_TRUE(contains(got, "x-forwarded-for: 192.0.2.7\r\n")) << got;
  }
}

TEST(TlsDoor, TellsOfNoCertificateThatWasNotPresented) {
  const model::Certificate ours = make_pair_for({"client.test"});
  ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(kOk); });
  TestDoor door([](model::Listener& listener) {
    self_signed(listener);
    listener.tls.policy.client = model::ClientCertificate::optional;
    listener.tls.policy.client_ca = "file ca";
  });
  door.door.bundles["file ca"] = std::make_shared<std::string>(ours.chain);
  door.route("a.test", {upstream.port()});
  TlsClient client(door, named("a.test"));
  ASSERT_TRUE(client.handshake()) << client.session().error();
  const std::string forged = "X-Forwarded-Client-Cert: Hash=forged\r\n";
  EXPECT_TRUE(client.ask(get("a.test", forged)).starts_with("HTTP/1.1 200"));
  const std::string got = ascii::to_lower(upstream.requests().back());
  EXPECT_FALSE(contains(got, "x-forwarded-client-cert")) << got;
}

// It is its own authority, and valid until 2120.
constexpr const char* kClientChain = R"(-----BEGIN CERTIFICATE-----
MIIBYTCCAQegAwIBAgIUH/U78adCg3ASOPz53i8vcwZ4mn4wCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMY2xpZW50ICJvbmUiMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAw
MTAxMDAwMDAwWjAXMRUwEwYDVQQDDAxjbGllbnQgIm9uZSIwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAASKnY6Ue2KpQIBuQ3fBCNJ/CTBNJk+zBjO6Qiht/Pl5WN3x
D8iOXEtEtSQP5/r9lMHCZ9tQmqlW1Hl9/ZgAIwdQoy8wLTAMBgNVHRMBAf8EAjAA
MB0GA1UdDgQWBBTayReBFbNRaa+Hh+afJFbN5mV7QjAKBggqhkjOPQQDAgNIADBF
AiEA9qrhznPVs6Rg4mV2/OcFpcsjlk+uggi0ol5NS2XmqC8CIH/G4qw9TRpKT8Hi
Bh4Sw+MRZrBO//JwOWn+5sIeC78B
-----END CERTIFICATE-----
)";
constexpr const char* kClientKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLoxK+xmrqtxLLUZK
4OuZbF4ns88pTUIHWXMmKuFVrmmhRANCAASKnY6Ue2KpQIBuQ3fBCNJ/CTBNJk+z
BjO6Qiht/Pl5WN3xD8iOXEtEtSQP5/r9lMHCZ9tQmqlW1Hl9/ZgAIwdQ
-----END PRIVATE KEY-----
)";

TEST(TlsDoor, TellsUpstreamsOfTheCertificateThatItVerified) {
  using model::ClientCertificate;
  const tls::KeyPair pair{kClientChain, kClientKey};
  const tls::Facts facts = tls::inspect(pair).value();
  for (const ClientCertificate asked : {ClientCertificate::optional, ClientCertificate::required}) {
    ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(kOk); });
    TestDoor door([&](model::Listener& listener) {
      self_signed(listener);
      listener.tls.policy.client = asked;
      listener.tls.policy.client_ca = "file ca";
    });
    door.door.bundles["file ca"] = std::make_shared<std::string>(pair.chain);
    door.route("a.test", {upstream.port()});
    tls::ClientOptions options = named("a.test");
    options.certificate = std::make_shared<tls::KeyPair>(pair);
    TlsClient client(door, options);
    ASSERT_TRUE(client.handshake()) << client.session().error();
    const std::string forged =
        "X-Forwarded-Client-Cert: Hash=forged\r\nx-forwarded-client-cert: Hash=forged too\r\n";
    for (const std::string& more : {std::string(), forged}) {
      EXPECT_TRUE(client.ask(get("a.test", more)).starts_with("HTTP/1.1 200"));
      const std::string got = upstream.requests().back();
      const std::string line = "\r\nX-Forwarded-Client-Cert: Hash=" + facts.sha256 + ";Serial=";
      EXPECT_TRUE(contains(got, line)) << got;
      EXPECT_TRUE(contains(got, R"(;Subject="CN=client \\\"one\\\"")"
                                "\r\n"))
          << got;
      EXPECT_FALSE(contains(got, "forged")) << got;
    }
  }
}

TEST(TlsDoor, MisdirectsWhatTheSessionDoesNotFit) {
  struct Case {
    const char* sni;
    const char* host;
    bool trusted;  // The peer is a balancer that we trust.
    int status;
  };
  constexpr Case cases[] = {
      {"a.test", "a.test", false, 200},
      {"a.test", "new.test", false, 421},  // It may ask for a certificate.
      {"", "new.test", false, 200},        // Never for want of SNI,
      {"a.test", "new.test", true, 200},   // nor from a balancer,
      {"", "secret.test", false, 421},     // but for a certificate that was never asked for.
      {"a.test", "secret.test", true, 421},
      {"a.test", "uncovered.test", false, 421},
      {"", "uncovered.test", false, 200},
      {"a.test", "uncovered.test", true, 200},
  };
  const model::Certificate served = make_pair_for({"a.test", "new.test", "secret.test"});
  for (const Case& c : cases) {
    SCOPED_TRACE(fmt::format("{} for {}, trusted {}", c.sni, c.host, c.trusted));
    ScriptedUpstream upstream([](const std::string&, bool&) { return std::string(kOk); });
    TestDoor door([&](model::Listener& listener) {
      listener.tls.mode = model::TlsMode::files;
      listener.tls.hosts["new.test"] = {.client = model::ClientCertificate::optional,
                                        .client_ca = "file ca"};
      listener.tls.hosts["secret.test"] = {.client = model::ClientCertificate::required,
                                           .client_ca = "file ca"};
      if (c.trusted) listener.trusted_peers = {Cidr::parse("127.0.0.0/8").value()};
    });
    door.door.bundles["file ca"] = std::make_shared<std::string>(served.chain);
    door.door.certificates["one"] = std::make_shared<model::Certificate>(served);
    door.door.served_certificates["main"] = {"one"};
    door.route(c.host, {upstream.port()});
    TlsClient client(door, named(c.sni));
    ASSERT_TRUE(client.handshake()) << client.session().error();
    const std::string answer = client.ask(get(c.host));
    EXPECT_TRUE(answer.starts_with(fmt::format("HTTP/1.1 {}", c.status))) << answer;
    EXPECT_EQ(door.counter(Counter::tls_misdirected), c.status == 421 ? 1u : 0u);
  }
}

TEST(TlsUpstream, IsSpokenToOnlyAsItsModeAllows) {
  struct Case {
    model::UpstreamTls mode;
    bool speaks_tls;
    bool is_known;  // Its certificate is under the CA that we were given.
    int status;
  };
  using model::UpstreamTls;
  constexpr Case cases[] = {
      {UpstreamTls::prefer, true, false, 508},  {UpstreamTls::prefer, false, false, 508},
      {UpstreamTls::require, true, false, 508}, {UpstreamTls::require, false, false, 502},
      {UpstreamTls::verify, true, true, 508},   {UpstreamTls::verify, true, false, 502},
      {UpstreamTls::verify, false, true, 502},
  };
  const model::Certificate served = make_pair_for({"up.test"});
  const model::Certificate other = make_pair_for({"up.test"});
  for (const Case& c : cases) {
    SCOPED_TRACE(
        fmt::format("mode {} tls {} known {}", static_cast<int>(c.mode), c.speaks_tls, c.is_known));
    // A second door stands for the upstream: that it takes the request for one that goes round in
    // circles shows that it got it.
    TestDoor inner([&](model::Listener& listener) {
      if (c.speaks_tls) listener.tls.mode = model::TlsMode::files;
    });
    inner.door.certificates["one"] = std::make_shared<model::Certificate>(served);
    inner.door.served_certificates["main"] = {"one"};
    inner.route("up.test", {});
    TestDoor door;
    door.route("up.test", {inner.port()});
    model::Upstream& upstream = door.door.upstreams["default/up.test:80"];
    upstream.tls = c.mode;
    upstream.server_name = "up.test";
    upstream.ca = "file ca";
    door.door.bundles["file ca"] =
        std::make_shared<std::string>(c.is_known ? served.chain : other.chain);
    door.apply();
    Client client(door.port());
    client.send(get("up.test"));
    const std::string answer = client.response();
    EXPECT_TRUE(answer.starts_with(fmt::format("HTTP/1.1 {}", c.status))) << answer;
    const bool fell_back = c.mode == UpstreamTls::prefer && !c.speaks_tls;
    EXPECT_EQ(door.counter(Counter::upstream_tls_fallbacks), fell_back ? 1u : 0u);
    EXPECT_EQ(door.counter(Counter::upstream_tls_failures), c.status == 502 ? 1u : 0u);
  }
}

}  // namespace
}  // namespace bd::proxy
