// What does one route lookup cost, and does it stay flat as hosts and paths grow? Requests are
// drawn at random over the whole table, so that large tables miss the caches as they do in traffic.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <random>

#include "base/check.h"
#include "route/table.h"

namespace bd::route {
namespace {

using model::HostPattern;
using model::PathPattern;
using Hosts = std::vector<std::shared_ptr<const model::VirtualHost>>;

struct Request {
  std::string host;
  std::string path;
};

constexpr std::size_t kRequests = 1 << 16;

std::string host_name(std::size_t i) {
  return fmt::format("app-{}.team-{}.example.com", i, i % 97);
}

model::Route prefix(std::string path) {
  return {{PathPattern::Kind::prefix, std::move(path)},
          model::Forward{"shop/web:80"},
          "Ingress shop/web"};
}

/// `count` hosts with the paths /, /api and /static/images.
Hosts many_hosts(std::size_t count, HostPattern::Kind kind) {
  Hosts out;
  for (std::size_t i = 0; i < count; ++i) {
    model::VirtualHost host{{kind, host_name(i)}, {}};
    for (const char* path : {"/", "/api", "/static/images"}) host.routes.push_back(prefix(path));
    out.push_back(std::make_shared<const model::VirtualHost>(std::move(host)));
  }
  return out;
}

/// One host with `count` paths of three elements.
Hosts many_paths(std::size_t count) {
  model::VirtualHost host{{HostPattern::Kind::exact, host_name(0)}, {}};
  for (std::size_t i = 0; i < count; ++i) {
    host.routes.push_back(prefix(fmt::format("/api/v{}/service-{}", i % 3, i)));
  }
  return {std::make_shared<const model::VirtualHost>(std::move(host))};
}

template <class Make>
std::vector<Request> requests(std::size_t choices, Make make) {
  std::mt19937_64 random(1);  // The same requests in every run.
  std::vector<Request> out;
  for (std::size_t i = 0; i < kRequests; ++i) out.push_back(make(random() % choices, i));
  return out;
}

Request to_host(std::size_t host, std::size_t i) {
  constexpr const char* paths[] = {"/", "/api/orders/17", "/static/images/logo.png", "/about"};
  return {host_name(host), paths[i % std::size(paths)]};
}

void look_up(benchmark::State& state, const Hosts& hosts, const std::vector<Request>& asked) {
  const std::size_t before = mallinfo2().uordblks;
  const auto table = Table::compile(hosts);
  const std::size_t after = mallinfo2().uordblks;
  for (const Request& request : asked) {
    BD_ASSERT(table->match(request.host, false, request.path).route != nullptr);
  }
  std::size_t i = 0;
  for (auto unused : state) {
    const Request& request = asked[i++ % kRequests];
    benchmark::DoNotOptimize(table->match(request.host, false, request.path));
  }
  if (table->route_count() < 1000) return;  // Recycled small blocks would falsify the figure.
  state.counters["bytes/route"] =
      static_cast<double>(after - before) / static_cast<double>(table->route_count());
}

void ExactHost(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  look_up(state, many_hosts(count, HostPattern::Kind::exact), requests(count, to_host));
}

void WildcardHost(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto below = [](std::size_t host, std::size_t i) {
    Request out = to_host(host, i);
    out.host.insert(0, "tenant.");
    return out;
  };
  look_up(state, many_hosts(count, HostPattern::Kind::wildcard), requests(count, below));
}

void PathsOfOneHost(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto to_path = [](std::size_t path, std::size_t i) {
    return Request{host_name(0), fmt::format("/api/v{}/service-{}/items/{}", path % 3, path, i)};
  };
  look_up(state, many_paths(count), requests(count, to_path));
}

void Compile(benchmark::State& state) {
  const Hosts hosts =
      many_hosts(static_cast<std::size_t>(state.range(0)), HostPattern::Kind::exact);
  for (auto unused : state) benchmark::DoNotOptimize(Table::compile(hosts));
}

/// The floor of this benchmark: the walk over the requests alone.
void NoLookUp(benchmark::State& state) {
  const std::vector<Request> asked = requests(10'000, to_host);
  std::size_t i = 0;
  for (auto unused : state) {
    const Request& request = asked[i++ % kRequests];
    benchmark::DoNotOptimize(request.host.size() + static_cast<unsigned char>(request.host.back()) +
                             static_cast<unsigned char>(request.path.back()));
  }
}

BENCHMARK(NoLookUp);
BENCHMARK(ExactHost)->Arg(10)->Arg(1'000)->Arg(10'000)->Arg(100'000);
BENCHMARK(WildcardHost)->Arg(10)->Arg(1'000)->Arg(10'000)->Arg(100'000);
BENCHMARK(PathsOfOneHost)->Arg(3)->Arg(1'000)->Arg(10'000);
BENCHMARK(Compile)->Arg(10)->Arg(1'000)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bd::route

BENCHMARK_MAIN();
