#include <gtest/gtest.h>

#include <functional>

#include "snapshot/sample_door_for_test.h"
#include "snapshot/snapshot.h"

namespace bd::snapshot {
namespace {

using enum model::PathPattern::Kind;

/// The difference in one line, so that a table can hold it.
std::string text(const Difference& difference) {
  std::string out;
  if (difference.exposure) out += "exposure ";
  if (difference.denied) out += "denied ";
  for (const auto& key : difference.put_hosts)
    out += "+" + key.listener + "/" + key.host.text() + " ";
  for (const auto& key : difference.drop_hosts)
    out += "-" + key.listener + "/" + key.host.text() + " ";
  for (const auto& key : difference.put_upstreams) out += "+" + key + " ";
  for (const auto& key : difference.drop_upstreams) out += "-" + key + " ";
  for (const auto& key : difference.put_endpoints) out += "@" + key + " ";
  for (const auto& name : difference.put_certificates) out += "+" + name + " ";
  for (const auto& name : difference.drop_certificates) out += "-" + name + " ";
  for (const auto& name : difference.put_bundles) out += "+" + name + " ";
  for (const auto& name : difference.drop_bundles) out += "-" + name + " ";
  for (const auto& name : difference.put_served) out += "serves:" + name + " ";
  if (difference.ticket_keys) out += "tickets ";
  return out;
}

TEST(Difference, CountsInUnits) {
  struct Case {
    const char* why;
    std::function<void(Door&)> change;
    const char* want;
  };
  const Case cases[] = {
      {"nothing", [](Door&) {}, ""},
      {"a fact of the exposure",
       [](Door& d) {
         d.exposure.listeners[0].timeouts.idle += d.exposure.listeners[0].timeouts.idle;
       },
       "exposure "},
      {"an own address", [](Door& d) { d.denied.pop_back(); }, "denied "},
      {"loopback", [](Door& d) { d.allow_loopback = false; }, "denied "},
      {"an equal host in a new pointer",
       [](Door& d) {
         for (auto& [key, unit] : d.hosts) unit = std::make_shared<const model::VirtualHost>(*unit);
       },
       ""},
      {"one route of one host",
       [](Door& d) { add(d, "second", host("*", {route(exact, "/", model::Refuse{"x"})})); },
       "+second/* "},
      {"a host more", [](Door& d) { add(d, "second", host("a.example.com", {})); },
       "+second/a.example.com "},
      {"a host less", [](Door& d) { d.hosts.erase({"second", {}}); }, "-second/* "},
      {"a host on another listener",
       [](Door& d) {
         auto node = d.hosts.extract({"second", {}});
         node.key().listener = "main";
         d.hosts.insert(std::move(node));
       },
       "+main/* -second/* "},
      {"an upstream more, with an empty list",
       [](Door& d) {
         d.upstreams["a/b:1"] = {"a/b:1"};
         d.endpoints["a/b:1"] = {};
       },
       "+a/b:1 @a/b:1 "},
      {"an upstream less takes its endpoints along",
       [](Door& d) {
         d.upstreams.erase("shop/web:80");
         d.endpoints.erase("shop/web:80");
       },
       "-shop/web:80 "},
      {"a certificate that was renewed",
       [](Door& d) { d.certificates["file a.crt"] = certificate("chain b", "key b"); },
       "+file a.crt "},
      {"an equal certificate in a new pointer",
       [](Door& d) { d.certificates["file a.crt"] = certificate("chain a", "key a"); }, ""},
      {"a certificate less", [](Door& d) { d.certificates.erase("file a.crt"); }, "-file a.crt "},
      {"another bundle",
       [](Door& d) { d.bundles["system"] = std::make_shared<const std::string>("CAs"); },
       "+system "},
      {"a bundle less", [](Door& d) { d.bundles.erase("system"); }, "-system "},
      {"a listener that serves more",
       [](Door& d) { d.served_certificates["second"].push_back("secret shop/client"); },
       "serves:second "},
      {"a listener that serves nothing any more", [](Door& d) { d.served_certificates.clear(); },
       "serves:second "},
      {"rotated ticket keys", [](Door& d) { d.ticket_keys.pop_back(); }, "tickets "},
      {"a protocol of an upstream",
       [](Door& d) { d.upstreams["shop/web:80"].protocol = model::UpstreamProtocol::h2; },
       "+shop/web:80 "},
      {"endpoints", [](Door& d) { d.endpoints["shop/web:80"].pop_back(); }, "@shop/web:80 "},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Door before = sample_door();
    Door after = sample_door();
    c.change(after);
    EXPECT_EQ(text(difference(before, after)), c.want);
    EXPECT_EQ(difference(before, after).empty(), std::string(c.want).empty());
  }
}

TEST(Difference, OfNothingAndADoorIsTheWholeDoor) {
  const Door door = sample_door();
  const Difference all = difference(Door{}, door);
  EXPECT_TRUE(all.exposure);
  EXPECT_EQ(all.put_hosts.size(), door.hosts.size());
  EXPECT_EQ(all.put_upstreams.size(), door.upstreams.size());
  EXPECT_EQ(all.put_endpoints.size(), door.endpoints.size());
  EXPECT_EQ(difference(door, Door{}).drop_hosts.size(), door.hosts.size());
}

TEST(IsDenied, KnowsTheOwnAddresses) {
  struct Case {
    const char* own;
    const char* address;
    bool want;
  };
  constexpr Case cases[] = {
      {"10.0.0.1:10000", "10.0.0.1:10000", true},  {"10.0.0.1:10000", "10.0.0.1:10001", false},
      {"10.0.0.1:10000", "10.0.0.2:10000", false}, {"10.0.0.1:10000", "127.0.0.1:10000", false},
      {"127.0.0.1:9900", "127.0.0.1:9900", true},  {"127.0.0.1:9900", "127.0.0.2:9900", false},
      {"0.0.0.0:10000", "127.0.0.1:10000", true},  {"0.0.0.0:10000", "127.9.9.9:10000", true},
      {"0.0.0.0:10000", "[::1]:10000", true},      {"0.0.0.0:10000", "0.0.0.0:10000", true},
      {"0.0.0.0:10000", "10.0.0.1:10000", false},  {"0.0.0.0:10000", "127.0.0.1:80", false},
      {"[::]:10000", "127.0.0.1:10000", true},     {"[::]:10000", "[::1]:10000", true},
      {"[::]:10000", "0.0.0.0:10000", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(is_denied({socket(c.own)}, socket(c.address)), c.want)
        << c.own << " and " << c.address;
  }
}

}  // namespace
}  // namespace bd::snapshot
