#include "route/table.h"

#include <cstdlib>
#include <new>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "route/naive.h"

namespace {
std::size_t allocations = 0;
#ifdef BD_SANITIZED
constexpr bool kCountsAllocations = false;  // The sanitizers bring operators of their own.
#else
constexpr bool kCountsAllocations = true;
#endif
}  // namespace

#ifndef BD_SANITIZED
void* operator new(std::size_t size) {
  ++allocations;
  if (void* const out = std::malloc(size)) return out;
  std::abort();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace bd::route {
namespace {

using model::HostPattern;
using model::PathPattern;
using model::VirtualHost;
using Hosts = std::vector<std::shared_ptr<const VirtualHost>>;

PathPattern path_of(std::string_view text) {  // "=/a" is exact, "/a" is a prefix.
  const bool exact = text.starts_with('=');
  return {exact ? PathPattern::Kind::exact : PathPattern::Kind::prefix,
          std::string(text.substr(exact ? 1 : 0))};
}

std::shared_ptr<const VirtualHost> host_of(std::string_view name,
                                           const std::vector<std::string>& paths) {
  VirtualHost out;
  const auto pattern = HostPattern::parse(name == "*" ? "" : name);
  EXPECT_TRUE(pattern) << name;
  out.host = pattern.value_or(HostPattern{});
  for (const std::string& path : paths) {
    out.routes.push_back({path_of(path), model::Forward{fmt::format("{} {}", name, path)}, ""});
  }
  return std::make_shared<const VirtualHost>(std::move(out));
}

/// What serves a request, as the upstream that host_of() gave it.
std::string served(const Table& table, std::string_view host, std::string_view path,
                   bool ip = false) {
  const Match got = table.match(host, ip, path);
  if (got.host == nullptr) return "no host";
  return got.route == nullptr ? "no path" : std::get<model::Forward>(got.route->action).upstream;
}

TEST(Table, MostSpecificHostWinsWhole) {
  const auto table = Table::compile({
      host_of("*", {"/"}),
      host_of("*.example.com", {"/", "/wild"}),
      host_of("shop.example.com", {"/cart"}),
      host_of("empty.example.com", {}),
      host_of("example.com", {"/"}),
  });
  struct Case {
    const char* host;
    const char* path;
    const char* want;
  };
  constexpr Case cases[] = {
      {"shop.example.com", "/cart", "shop.example.com /cart"},
      {"shop.example.com", "/", "no path"},  // Never a fall to the wildcard.
      {"shop.example.com", "/wild", "no path"},
      {"other.example.com", "/wild", "*.example.com /wild"},
      {"other.example.com", "/x", "*.example.com /"},
      {"empty.example.com", "/x", "*.example.com /"},  // A host with no routes serves nothing.
      {"example.com", "/", "example.com /"},
      {"a.b.example.com", "/wild", "* /"},  // A wildcard is one label.
      {"com", "/", "* /"},
      {"*.example.com", "/wild",
       "*.example.com /wild"},  // No request can say it; no harm if one could.
      {".example.com", "/wild", "* /"},
      {"", "/", "* /"},
  };
  for (const Case& c : cases) EXPECT_EQ(served(*table, c.host, c.path), c.want) << c.host << c.path;
}

TEST(Table, LongestPathWinsAndExactBeforePrefix) {
  const auto table = Table::compile({host_of("h", {"/", "/a", "=/a", "/a/b", "/a-b", "/a.b/c",
                                                   "=/a/", "=/a/b/c", "/ab", "/long/er/path"})});
  struct Case {
    const char* path;
    const char* want;
  };
  constexpr Case cases[] = {
      {"/", "h /"},
      {"/x", "h /"},
      {"/a", "h =/a"},
      {"/a/", "h =/a/"},
      {"/a/x", "h /a"},
      {"/a/b", "h /a/b"},
      {"/a/b/", "h /a/b"},
      {"/a/b/c", "h =/a/b/c"},
      {"/a/b/c/", "h /a/b"},
      {"/a/bc", "h /a"},
      {"/a-b", "h /a-b"},
      {"/a-b/c", "h /a-b"},
      {"/a-bc", "h /"},
      {"/a.b", "h /"},
      {"/a.b/c/d", "h /a.b/c"},
      {"/a0", "h /"},
      {"/ab/c", "h /ab"},
      {"/abc", "h /"},
      {"/long/er", "h /"},
      {"/long/er/path/x", "h /long/er/path"},
      {"/long/er/pathx", "h /"},
      {"*", "no path"},
      {"", "no path"},
  };
  for (const Case& c : cases) EXPECT_EQ(served(*table, "h", c.path), c.want) << c.path;
}

TEST(Table, OnlyAnyHostServesIpLiterals) {
  const auto table = Table::compile({host_of("*.0.0.x", {"/"}), host_of("*", {"/any"})});
  EXPECT_EQ(served(*table, "10.0.0.x", "/"), "*.0.0.x /");
  EXPECT_EQ(served(*table, "10.0.0.x", "/", true), "no path");
  EXPECT_EQ(served(*table, "10.0.0.x", "/any", true), "* /any");
  EXPECT_EQ(served(*Table::compile({host_of("h", {"/"})}), "h", "/", true), "no host");
}

TEST(Table, ThatIsEmptyServesNothing) {
  for (const auto& table : {Table::compile({}), Table::compile({host_of("h", {})})}) {
    EXPECT_EQ(served(*table, "h", "/"), "no host");
    EXPECT_EQ(served(*table, "", ""), "no host");
    EXPECT_EQ(table->route_count(), 0u);
  }
}

TEST(Table, KeepsTheFirstOfDoubles) {
  const auto first = host_of("h", {"/a", "/a", "=/a", "=/a"});
  const auto table = Table::compile({first});
  EXPECT_EQ(table->match("h", false, "/a/x").route, &first->routes[0]);
  EXPECT_EQ(table->match("h", false, "/a").route, &first->routes[2]);
  EXPECT_EQ(table->route_count(), 2u);
}

TEST(Table, ListsHostsInTextualOrderAndSharesThem) {
  const Hosts hosts = {host_of("*", {"/"}), host_of("*.a.com", {"/"}), host_of("b.com", {"/"}),
                       host_of("a.com", {"/", "=/x"})};
  const auto table = Table::compile(hosts);
  EXPECT_EQ(table->hosts(), (Hosts{hosts[3], hosts[2], hosts[1], hosts[0]}));
  EXPECT_EQ(table->route_count(), 5u);
  EXPECT_EQ(table->match("a.com", false, "/x").host, hosts[3].get());
}

TEST(Table, FindsEachOfThousandsOfHostsAndPaths) {
  Hosts hosts;
  std::vector<std::string> paths;
  paths.reserve(3000);
  for (int i = 0; i < 3000; ++i) paths.push_back(fmt::format("{}/p{}/x", i % 3 == 0 ? "=" : "", i));
  hosts.push_back(host_of("paths.example.com", paths));
  for (int i = 0; i < 3000; ++i) hosts.push_back(host_of(fmt::format("h{}.example.com", i), {"/"}));
  const auto table = Table::compile(hosts);
  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(served(*table, fmt::format("h{}.example.com", i), "/"),
              fmt::format("h{}.example.com /", i));
    const std::string& path = paths[static_cast<std::size_t>(i)];
    const std::string_view asked = std::string_view(path).substr(i % 3 == 0 ? 1 : 0);
    EXPECT_EQ(served(*table, "paths.example.com", asked), "paths.example.com " + path);
  }
  EXPECT_EQ(served(*table, "h3000.example.com", "/"), "no host");
  EXPECT_EQ(served(*table, "paths.example.com", "/p3000/x"), "no path");
}

TEST(Table, FindsItsWayOutOfDeepNesting) {
  std::vector<std::string> paths = {"/"};
  for (int i = 0; i < 1000; ++i) paths.push_back((paths.back() == "/" ? "" : paths.back()) + "/a");
  const auto table = Table::compile({host_of("h", paths)});
  for (std::size_t i = 1; i < paths.size(); ++i) {
    EXPECT_EQ(served(*table, "h", paths[i]), "h " + paths[i]);
    EXPECT_EQ(served(*table, "h", paths[i] + "/b"), "h " + paths[i]);
    EXPECT_EQ(served(*table, "h", paths[i] + "b"), "h " + paths[i - 1]);
  }
}

TEST(Table, NeverAllocatesInAMatch) {
  const auto table =
      Table::compile({host_of("a.example.com", {"/", "=/exact", "/long/path/of/elements"}),
                      host_of("*.example.com", {"/"}), host_of("*", {"/any"})});
  const std::string long_path = "/long/path/of/elements" + std::string(4000, '/');
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted under sanitizers";
  const std::size_t before = allocations;
  bool served = true;
  for (const std::string_view host :
       {"a.example.com", "other-and-much-longer.example.com", "nowhere"}) {
    served &= table->match(host, false, long_path).host != nullptr;
    served &= table->match(host, true, "/exact").host != nullptr;
  }
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(served);
  EXPECT_GT(before, 0u);
}

/// All texts of up to `most` characters of `alphabet`, after `begin`.
std::vector<std::string> all_texts(std::string_view begin, std::string_view alphabet,
                                   std::size_t most) {
  std::vector<std::string> out = {std::string(begin)};
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i].size() == begin.size() + most) break;
    for (const char c : alphabet) out.push_back(out[i] + c);
  }
  return out;
}

bool is_pattern(const PathPattern& path) {
  if (path.path.contains("//")) return false;
  return path.kind == PathPattern::Kind::exact || path.path == "/" || !path.path.ends_with('/');
}

// `-` sorts before `/` and `0` after it: the two sides from which a sorted order by bytes could go
// wrong.
TEST(Table, EqualsTheNaiveMatcherOnEverySmallSetOfPaths) {
  std::vector<PathPattern> patterns;
  for (const std::string& text : all_texts("/", "/-0", 3)) {
    for (const auto kind : {PathPattern::Kind::exact, PathPattern::Kind::prefix}) {
      if (is_pattern({kind, text})) patterns.push_back({kind, text});
    }
  }
  const std::vector<std::string> requests = all_texts("/", "/-0", 4);
  std::size_t compared = 0;
  for (std::size_t a = 0; a < patterns.size(); ++a) {
    for (std::size_t b = a; b < patterns.size(); ++b) {
      const std::size_t c = (a * 31 + b * 17) % patterns.size();
      VirtualHost host;
      for (const std::size_t i : {a, b, c})
        host.routes.push_back({patterns[i], model::Refuse{"x"}, ""});
      const Hosts hosts = {std::make_shared<const VirtualHost>(std::move(host))};
      const auto table = Table::compile(hosts);
      for (const std::string& path : requests) {
        if (path.contains("//")) continue;
        ++compared;
        ASSERT_EQ(table->match("h", false, path), naive_match(hosts, "h", false, path))
            << path << " of " << patterns[a].path << " " << patterns[b].path << " "
            << patterns[c].path;
      }
    }
  }
  EXPECT_GT(compared, 50'000u);
}

TEST(Table, EqualsTheNaiveMatcherOnEverySmallSetOfHosts) {
  const std::vector<std::string> names = {"a",   "b",     "a.a", "b.a", "a.a.a",
                                          "*.a", "*.a.a", "*.b", "*"};
  const std::vector<std::string> requests = all_texts("", "ab.", 5);
  for (unsigned chosen = 0; chosen < 1u << names.size(); ++chosen) {
    Hosts hosts;
    for (std::size_t i = 0; i < names.size(); ++i) {
      // Every third has no routes, and must be as if it were not there.
      if (chosen >> i & 1u)
        hosts.push_back(host_of(names[i], {(chosen + i) % 3 == 0 ? "=/x" : "/"}));
      if (chosen >> i & 1u && (chosen + i) % 5 == 0) hosts.back() = host_of(names[i], {});
    }
    const auto table = Table::compile(hosts);
    for (const std::string& host : requests) {
      for (const bool ip : {false, true}) {
        ASSERT_EQ(table->match(host, ip, "/"), naive_match(hosts, host, ip, "/"))
            << host << " " << chosen;
      }
    }
  }
}

/// A number from `least` to `most`. Without a fixed size, small ranges give little but their least.
int number(int least, int most) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(least, most + 1));
}

std::string random_path() {
  std::string out;
  for (int left = number(1, 4); left > 0; --left) {
    out += '/';
    for (int more = number(0, 2); more > 0; --more) out += *rc::gen::elementOf(std::string("ab-/"));
  }
  while (out.contains("//")) out.erase(out.find("//"), 1);
  return out;
}

std::string random_host() {
  const auto label = rc::gen::element<std::string>("a", "b", "ab", "shop", "a-b");
  std::string out = *label;
  for (int left = number(0, 2); left > 0; --left) out += "." + *label;
  return out;
}

RC_GTEST_PROP(Table, EqualsTheNaiveMatcherOnRandomTables, ()) {
  std::set<HostPattern> patterns;
  for (int left = number(0, 12); left > 0; --left) {
    const auto kind = *rc::gen::element(HostPattern::Kind::exact, HostPattern::Kind::wildcard,
                                        HostPattern::Kind::any);
    patterns.insert({kind, kind == HostPattern::Kind::any ? "" : random_host()});
  }
  Hosts hosts;
  std::vector<std::string> paths = {"/"};
  for (const HostPattern& pattern : patterns) {
    VirtualHost host{pattern, {}};
    for (int left = number(0, 12); left > 0; --left) {
      PathPattern path{*rc::gen::element(PathPattern::Kind::exact, PathPattern::Kind::prefix),
                       random_path()};
      if (!is_pattern(path)) path.path.pop_back();
      paths.push_back(path.path);
      host.routes.push_back({path, model::Refuse{"x"}, ""});
    }
    hosts.push_back(std::make_shared<const VirtualHost>(std::move(host)));
  }
  const auto table = Table::compile(hosts);
  for (int left = 40; left > 0; --left) {
    const std::string host = random_host();
    std::string path =
        *rc::gen::elementOf(paths) + *rc::gen::element<std::string>("", "/", "/a", "a", "-");
    while (path.contains("//")) path.erase(path.find("//"), 1);
    const bool ip = number(0, 7) == 0;
    RC_ASSERT(table->match(host, ip, path) == naive_match(hosts, host, ip, path));
  }
}

}  // namespace
}  // namespace bd::route
