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
  return "BDDOOR1\n" + sum + payload;
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

TEST(Decode, HoldsTheBytesToTheCompilersRules) {
  using Change = std::function<void(pb::DoorState&)>;
  struct Case {
    const char* want;  ///< Part of the error; empty: accepted.
    Change change;
  };
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
         *s.mutable_endpoints(1)->add_addresses() = s.endpoints(1).addresses(0);
       }},
      {"denied.addresses[0].ip",
       [](pb::DoorState& s) { s.mutable_denied()->mutable_addresses(0)->clear_ip(); }},
  };
  const std::string payload = encode(sample_door(), 1).substr(kHeader);
  for (const Case& c : cases) {
    pb::DoorState state;
    ASSERT_TRUE(state.ParseFromString(payload));
    c.change(state);
    const auto back = decode(sealed(state.SerializeAsString()));
    if (*c.want == '\0') {
      EXPECT_TRUE(back) << back.error();
    } else {
      ASSERT_FALSE(back) << c.want;
      EXPECT_NE(back.error().find(c.want), std::string::npos) << back.error() << " for " << c.want;
    }
  }
}

}  // namespace
}  // namespace bd::snapshot
