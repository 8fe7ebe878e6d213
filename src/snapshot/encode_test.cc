#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <functional>

#include "snapshot/sample_door_for_test.h"
#include "snapshot/snapshot.h"
#include "snapshot/snapshot.pb.h"

namespace bd::snapshot {
namespace {

constexpr std::size_t kHeader = 40;

/// Bytes with a right checksum around any payload: what somebody who can write the file can make.
std::string sealed(const std::string& payload) {
  std::string sum(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(payload.data()), payload.size(),
         reinterpret_cast<unsigned char*>(sum.data()));
  return "BDDOOR2\n" + sum + payload;
}

void expect_equal(const Door& a, const Door& b) {
  EXPECT_EQ(a.exposure, b.exposure);
  EXPECT_TRUE(difference(a, b).empty());
  EXPECT_EQ(a.endpoints, b.endpoints);
}

TEST(Encode, GivesTheSameDoorBack) {
  for (const Door& door : {sample_door(), Door{.exposure = model::default_exposures()[1]}}) {
    const std::string bytes = encode(door, 42);
    const auto back = decode(bytes);
    ASSERT_TRUE(back) << back.error();
    EXPECT_EQ(back->generation, 42u);
    expect_equal(*back->door, door);
    EXPECT_EQ(encode(*back->door, 42), bytes) << "equal states give equal bytes";
  }
}

TEST(Encode, LeavesEverySecretOutForTheDisk) {
  const Door door = sample_door();
  const std::string bytes = encode(door, 42, Keys::left_out);
  for (const char* secret : {"key a", "key of the client", "nnnnnnnn", "oooooooo"}) {
    EXPECT_EQ(bytes.find(secret), std::string::npos) << secret;
    EXPECT_NE(encode(door, 42).find(secret), std::string::npos) << secret;
  }
  const auto back = decode(bytes);
  ASSERT_TRUE(back) << back.error();
  EXPECT_TRUE(back->without_keys);
  EXPECT_EQ(back->door->exposure, door.exposure) << "a listener that ends TLS still does";
  EXPECT_TRUE(back->door->certificates.empty());
  EXPECT_TRUE(back->door->served_certificates.empty());
  EXPECT_TRUE(back->door->ticket_keys.empty());
  const model::Upstream& cart = back->door->upstreams.at("shop/cart:http");
  EXPECT_EQ(cart.client_certificate, "");
  EXPECT_EQ(cart.tls, model::UpstreamTls::verify) << "it is checked as before";
  EXPECT_EQ(*back->door->bundles.at("file ca.pem"), "some CAs");
  EXPECT_FALSE(decode(encode(door, 42))->without_keys);
}

TEST(Encode, KeepsTextThatIsNoUtf8) {
  Door door = sample_door();
  add(door, "main",
      host("odd.example.com",
           {{{model::PathPattern::Kind::prefix, "/"}, model::Refuse{"x"}, "Ingress a/\xff"}}));
  const auto back = decode(encode(door, 1));
  ASSERT_TRUE(back) << back.error();
  expect_equal(*back->door, door);
}

TEST(Encode, KeepsASelectorThatMatchesNothing) {
  Door door = sample_door();
  door.exposure.selector = model::Selector{};
  const auto back = decode(encode(door, 1));
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(back->door->exposure, door.exposure);
}

TEST(Decode, RefusesEveryCutAndEveryFlippedByte) {
  const std::string bytes = encode(sample_door(), 1);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(decode(std::string_view(bytes).substr(0, n))) << n;
    std::string flipped = bytes;
    flipped[n] = static_cast<char>(flipped[n] ^ 1);
    EXPECT_FALSE(decode(flipped)) << n;
  }
  EXPECT_FALSE(decode(bytes + "x"));
}

TEST(Decode, SurvivesAnyPayloadWithARightChecksum) {
  const std::string payload = encode(sample_door(), 1).substr(kHeader);
  for (std::size_t n = 0; n < payload.size(); ++n) {
    (void)decode(sealed(payload.substr(0, n)));
    for (const int bit : {0, 1, 3, 7}) {
      std::string flipped = payload;
      flipped[n] = static_cast<char>(flipped[n] ^ (1 << bit));
      const auto back = decode(sealed(flipped));
      if (back) expect_equal(*back->door, *decode(encode(*back->door, 1))->door);
    }
  }
}

pb::Tls& tls_of(pb::DoorState& state) {
  return *state.mutable_exposure()->mutable_listeners(1)->mutable_tls();
}

struct Case {
  const char* want;  ///< Part of the error; empty: accepted.
  std::function<void(pb::DoorState&)> change;
};

void check(const Case& c) {
  pb::DoorState state;
  ASSERT_TRUE(state.ParseFromString(encode(sample_door(), 1).substr(kHeader)));
  c.change(state);
  const auto back = decode(sealed(state.SerializeAsString()));
  if (*c.want == '\0') {
    EXPECT_TRUE(back) << back.error();
  } else {
    ASSERT_FALSE(back) << c.want;
    EXPECT_NE(back.error().find(c.want), std::string::npos) << back.error() << " for " << c.want;
  }
}

TEST(Decode, HoldsTheBytesToTheCompilersRules) {
  const Case cases[] = {
      {"", [](pb::DoorState&) {}},
      {"exposure.name", [](pb::DoorState& s) { s.mutable_exposure()->clear_name(); }},
      {"exposure.side", [](pb::DoorState& s) { s.mutable_exposure()->clear_side(); }},
      {"exposure.side",
       [](pb::DoorState& s) { s.mutable_exposure()->set_side(static_cast<pb::Side>(7)); }},
      {"exposure.hosts", [](pb::DoorState& s) { s.mutable_exposure()->clear_hosts(); }},
      {"exposure.selector",
       [](pb::DoorState& s) { s.mutable_exposure()->set_selector("in in in"); }},
      {"listeners: none", [](pb::DoorState& s) { s.mutable_exposure()->clear_listeners(); }},
      {"listeners[1].name: used twice",
       [](pb::DoorState& s) { s.mutable_exposure()->mutable_listeners(1)->set_name("main"); }},
      {"listeners: too many",
       [](pb::DoorState& s) {
         for (int i = 0; i < 20; ++i)
           *s.mutable_exposure()->add_listeners() = s.exposure().listeners(0);
       }},
      {"public_scheme",
       [](pb::DoorState& s) { s.mutable_exposure()->mutable_listeners(0)->clear_public_scheme(); }},
      {"public_port",
       [](pb::DoorState& s) {
         s.mutable_exposure()->mutable_listeners(0)->set_public_port(65536);
       }},
      {"bind.ip",
       [](pb::DoorState& s) {
         s.mutable_exposure()->mutable_listeners(0)->mutable_bind()->set_ip("12345");
       }},
      {"bind.port",
       [](pb::DoorState& s) {
         s.mutable_exposure()->mutable_listeners(0)->mutable_bind()->set_port(70000);
       }},
      {"accept_from",
       [](pb::DoorState& s) {
         s.mutable_exposure()->mutable_listeners(0)->add_accept_from("10.0.0.0/99");
       }},
      {"limits",
       [](pb::DoorState& s) { s.mutable_exposure()->mutable_listeners(0)->clear_limits(); }},
      {"limits.request_line_max",
       [](pb::DoorState& s) {
         s.mutable_exposure()->mutable_listeners(0)->mutable_limits()->set_request_line_max(1
                                                                                            << 29);
       }},
      {"timeouts",
       [](pb::DoorState& s) {
         s.mutable_exposure()->mutable_listeners(0)->mutable_timeouts()->set_idle(
             ~std::uint64_t{0});
       }},
      {"hosts[0].listener", [](pb::DoorState& s) { s.mutable_hosts(0)->set_listener("third"); }},
      {"host: ", [](pb::DoorState& s) { s.mutable_hosts(0)->mutable_host()->set_host("1.2.3.4"); }},
      {"host: ",
       [](pb::DoorState& s) { s.mutable_hosts(0)->mutable_host()->set_host("A.example.com"); }},
      {"there twice", [](pb::DoorState& s) { *s.add_hosts() = s.hosts(0); }},
      {"kind",
       [](pb::DoorState& s) {
         s.mutable_hosts(0)->mutable_host()->mutable_routes(0)->clear_kind();
       }},
      {"path: ",
       [](pb::DoorState& s) {
         s.mutable_hosts(0)->mutable_host()->mutable_routes(0)->set_path("/a/../b");
       }},
      {"path: ",
       [](pb::DoorState& s) {
         s.mutable_hosts(0)->mutable_host()->mutable_routes(0)->set_path("/" +
                                                                         std::string(5000, 'a'));
       }},
      {"action",
       [](pb::DoorState& s) {
         s.mutable_hosts(0)->mutable_host()->mutable_routes(0)->clear_action();
       }},
      {"redirect",
       [](pb::DoorState& s) {
         s.mutable_hosts(0)->mutable_host()->mutable_routes(0)->set_redirect(0);
       }},
      {"no upstream",
       [](pb::DoorState& s) {
         s.mutable_hosts(0)->mutable_host()->mutable_routes(0)->set_forward("a/b:1");
       }},
      {"out of order",
       [](pb::DoorState& s) {
         pb::VirtualHost& host = *s.mutable_hosts(0)->mutable_host();
         *host.add_routes() = host.routes(0);
       }},
      {"upstreams: there twice", [](pb::DoorState& s) { *s.add_upstreams() = s.upstreams(0); }},
      {"key", [](pb::DoorState& s) { s.mutable_upstreams(0)->clear_key(); }},
      {"unknown upstream", [](pb::DoorState& s) { s.mutable_endpoints(0)->set_upstream("a/b:1"); }},
      {"endpoints: there twice", [](pb::DoorState& s) { *s.add_endpoints() = s.endpoints(0); }},
      {"port 0",
       [](pb::DoorState& s) { s.mutable_endpoints(1)->mutable_addresses(0)->set_port(0); }},
      {"addresses[2]: out of order",
       [](pb::DoorState& s) {
         pb::Endpoints& list = *s.mutable_endpoints(1);
         *list.add_addresses() = list.addresses(0);
         list.add_identities(0);
         list.add_weights(1);
       }},
      {"identities, weights: not one for each",
       [](pb::DoorState& s) { s.mutable_endpoints(1)->add_identities(1); }},
      {"weights[1]: out of range",
       [](pb::DoorState& s) { s.mutable_endpoints(1)->set_weights(1, 0); }},
      {"balance: unknown", [](pb::DoorState& s) { s.mutable_upstreams(0)->set_balance("best"); }},
      {"hash_key: unknown", [](pb::DoorState& s) { s.mutable_upstreams(0)->clear_hash_key(); }},
      {"sticky_cookie: no token",
       [](pb::DoorState& s) { s.mutable_upstreams(0)->set_sticky_cookie("a;b"); }},
      {"max-pending: is zero",
       [](pb::DoorState& s) { s.mutable_upstreams(0)->clear_max_pending(); }},
      {"total-timeout: out of range",
       [](pb::DoorState& s) { s.mutable_upstreams(0)->set_total_timeout(UINT64_MAX); }},
      {"denied.addresses[0].ip",
       [](pb::DoorState& s) { s.mutable_denied()->mutable_addresses(0)->clear_ip(); }},
  };
  for (const Case& c : cases) check(c);
}

TEST(Decode, HoldsWhoEncryptsToTheCompilersRules) {
  const Case cases[] = {
      {"tls.mode",
       [](pb::DoorState& s) { s.mutable_exposure()->mutable_listeners(0)->clear_tls(); }},
      {"proxy_protocol_from",
       [](pb::DoorState& s) {
         s.mutable_exposure()->mutable_listeners(1)->add_proxy_protocol_from("all");
       }},
      {"tls.policy.min_version",
       [](pb::DoorState& s) { tls_of(s).mutable_policy()->clear_min_version(); }},
      {"tls.policy.client", [](pb::DoorState& s) { tls_of(s).mutable_policy()->clear_client(); }},
      {"tls.policy.client_ca",
       [](pb::DoorState& s) { tls_of(s).mutable_policy()->set_client_ca("file ca.pem"); }},
      {"tls.hosts[0].client_ca",
       [](pb::DoorState& s) { tls_of(s).mutable_hosts(0)->mutable_policy()->clear_client_ca(); }},
      {"tls.hosts[1].host", [](pb::DoorState& s) { tls_of(s).mutable_hosts(1)->set_host("*"); }},
      {"tls.hosts[1]: out of order",
       [](pb::DoorState& s) { *tls_of(s).mutable_hosts(1) = tls_of(s).hosts(0); }},
      {"TLS of second: trusts an unknown bundle: file no.pem",
       [](pb::DoorState& s) {
         tls_of(s).mutable_hosts(1)->mutable_policy()->set_client_ca("file no.pem");
       }},
      {"upstreams.protocol", [](pb::DoorState& s) { s.mutable_upstreams(0)->clear_protocol(); }},
      {"upstreams.tls", [](pb::DoorState& s) { s.mutable_upstreams(1)->clear_tls(); }},
      {"upstreams.proxy_header",
       [](pb::DoorState& s) { s.mutable_upstreams(0)->clear_proxy_header(); }},
      {"upstreams.server_name",
       [](pb::DoorState& s) { s.mutable_upstreams(0)->clear_server_name(); }},
      {"upstreams.ca", [](pb::DoorState& s) { s.mutable_upstreams(0)->clear_ca(); }},
      {"upstreams.ca", [](pb::DoorState& s) { s.mutable_upstreams(1)->set_ca("system"); }},
      {"upstreams.client_certificate",
       [](pb::DoorState& s) {
         s.mutable_upstreams(1)->set_client_certificate("secret shop/client");
       }},
      {"upstream shop/cart:http: trusts an unknown bundle",
       [](pb::DoorState& s) { s.mutable_upstreams(0)->set_ca("file no.pem"); }},
      {"upstream shop/cart:http: shows an unknown certificate",
       [](pb::DoorState& s) { s.mutable_upstreams(0)->set_client_certificate("secret a/b"); }},
  };
  for (const Case& c : cases) check(c);
}

TEST(Decode, HoldsCertificatesToTheCompilersRules) {
  const Case cases[] = {
      {"certificates.name",
       [](pb::DoorState& s) {
         s.mutable_certificates(0)->set_name(std::string(model::kCertificateNameMax + 1, 'n'));
       }},
      {"certificates.chain",
       [](pb::DoorState& s) {
         s.mutable_certificates(0)->set_chain(std::string(model::kCertificateChainMax + 1, 'c'));
       }},
      {"",
       [](pb::DoorState& s) {
         s.mutable_certificates(0)->set_chain(std::string(model::kCertificateChainMax, 'c'));
       }},
      {"certificates.key", [](pb::DoorState& s) { s.mutable_certificates(0)->clear_key(); }},
      {"certificates.key",
       [](pb::DoorState& s) {
         s.mutable_certificates(0)->set_key(std::string(model::kCertificateKeyMax + 1, 'k'));
       }},
      {"certificates: there twice",
       [](pb::DoorState& s) { *s.add_certificates() = s.certificates(0); }},
      {"certificates of third: no such listener",
       [](pb::DoorState& s) { s.mutable_served_certificates(0)->set_listener("third"); }},
      {"certificates of second: serves an unknown certificate: file b.crt",
       [](pb::DoorState& s) { s.mutable_served_certificates(0)->add_names("file b.crt"); }},
      {"names: there twice",
       [](pb::DoorState& s) { s.mutable_served_certificates(0)->add_names("file a.crt"); }},
      {"served_certificates: none of second",
       [](pb::DoorState& s) { s.mutable_served_certificates(0)->clear_names(); }},
      {"served_certificates: there twice",
       [](pb::DoorState& s) { *s.add_served_certificates() = s.served_certificates(0); }},
      {"bundles.pem",
       [](pb::DoorState& s) {
         s.mutable_bundles(0)->set_pem(std::string(model::kCaBundleMax + 1, 'b'));
       }},
      {"bundles: there twice", [](pb::DoorState& s) { *s.add_bundles() = s.bundles(0); }},
      {"ticket_keys.keys: one of a wrong size",
       [](pb::DoorState& s) { s.mutable_ticket_keys()->set_keys(1, std::string(79, 'k')); }},
      {"ticket_keys.keys: too many",
       [](pb::DoorState& s) {
         for (int i = 0; i < 2; ++i) s.mutable_ticket_keys()->add_keys(s.ticket_keys().keys(0));
       }},
      {"without_keys: but there are some", [](pb::DoorState& s) { s.set_without_keys(true); }},
  };
  for (const Case& c : cases) check(c);
}

}  // namespace
}  // namespace bd::snapshot
