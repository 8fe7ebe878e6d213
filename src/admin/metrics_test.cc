#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "admin/api.h"
#include "admin/view_for_test.h"
#include "base/ascii.h"

namespace bd::admin {
namespace {

using testing::SampleView;

std::vector<std::string> lines_of(const View& view) {
  std::istringstream in(metrics({"GET", "/metrics", "anything"}, view).body);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

bool has(const std::vector<std::string>& lines, std::string_view wanted) {
  return std::find(lines.begin(), lines.end(), wanted) != lines.end();
}

TEST(Metrics, AreAnsweredUnderAnyHostOnOnePath) {
  const SampleView sample;
  const Response page = metrics({"GET", "/metrics", "prometheus.example:9902"}, sample.view);
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(metrics({"HEAD", "/metrics?x=y", ""}, sample.view).body, page.body);
  EXPECT_EQ(metrics({"POST", "/metrics", ""}, sample.view).status, 405);
  const Response missing = metrics({"GET", "/api/v1/routes", "localhost"}, sample.view);
  EXPECT_EQ(missing.status, 404);
  EXPECT_NE(missing.body.find("\"/metrics\""), std::string::npos);
}

TEST(Metrics, ShowWhatTheViewSays) {
  const SampleView sample;
  const std::vector<std::string> lines = lines_of(sample.view);
  for (
      const char* wanted : {
          R"(blastdoor_build_info{version="1.2.3"} 1)",
          "blastdoor_ready 1",
          "blastdoor_generation 7",
          "blastdoor_config_age_seconds 2.5",
          R"(blastdoor_source_healthy{source="kube"} 0)",
          R"(blastdoor_source_delivered{source="kube"} 1)",
          R"(blastdoor_source_objects{source="kube",kind="Service"} 2)",
          "blastdoor_source_healthy{source=\"manifests:a\\\"b\\\\c\\nd\xEF\xBF\xBD\"} 1",
          R"(blastdoor_findings{severity="refused"} 1)",
          R"(blastdoor_findings{severity="warning"} 0)",
          R"(blastdoor_routes{exposure="external-http",action="redirect"} 1)",
          "blastdoor_public_virtual_hosts 1",
          R"(blastdoor_certificate_not_after_seconds{exposure="external-http",certificate="file shop.crt"} 1700086400)",
          R"(blastdoor_listener_tls{exposure="internal-http",listener="main",mode="off"} 1)",
          R"(blastdoor_upstream_tls{exposure="internal-http",upstream="shop/inner:80",mode="off"} 1)",
          R"(blastdoor_door_connected{exposure="external-http"} 0)",
          R"(blastdoor_door_acked_generation{exposure="internal-http"} 7)",
          R"(blastdoor_door_quarantined_generation{exposure="external-http"} 5)",
          R"(blastdoor_door_applied_generation{exposure="internal-http"} 7)",
          R"(blastdoor_door_restarts_total{exposure="internal-http"} 2)",
          R"(blastdoor_door_sandbox{exposure="internal-http",feature="seccomp"} 1)",
          R"(blastdoor_door_sandbox{exposure="internal-http",feature="landlock"} 0)",
          R"(blastdoor_open_connections{exposure="internal-http"} 8)",
          R"(blastdoor_requests_total{exposure="internal-http"} 20)",
          R"(blastdoor_loops_total{exposure="internal-http"} 0)",
      }) {
    EXPECT_TRUE(has(lines, wanted)) << wanted;
  }
  // The door that has no numbers yet has no samples: a zero would be a lie.
  EXPECT_FALSE(has(lines, R"(blastdoor_requests_total{exposure="external-http"} 0)"));
}

TEST(Metrics, HistogramBucketsAreCumulative) {
  const SampleView sample;
  const std::vector<std::string> lines = lines_of(sample.view);
  const std::string door = R"(exposure="internal-http")";
  EXPECT_TRUE(
      has(lines, "blastdoor_request_duration_seconds_bucket{" + door + R"(,le="0.0005"} 2)"));
  EXPECT_TRUE(has(lines, "blastdoor_request_duration_seconds_bucket{" + door + R"(,le="10"} 2)"));
  EXPECT_TRUE(has(lines, "blastdoor_request_duration_seconds_bucket{" + door + R"(,le="+Inf"} 4)"));
  EXPECT_TRUE(has(lines, "blastdoor_request_duration_seconds_sum{" + door + "} 40.0008"));
  EXPECT_TRUE(has(lines, "blastdoor_request_duration_seconds_count{" + door + "} 4"));
}

/// `name{label="value",…} number`, in the family that was announced last.
void check_sample(const std::string& line, const std::string& family, std::string_view type) {
  const std::string name = line.substr(0, line.find_first_of("{ "));
  std::set<std::string> names = {family};
  if (type == "histogram") names = {family + "_bucket", family + "_sum", family + "_count"};
  EXPECT_TRUE(names.contains(name)) << line << " stands under " << family;
  EXPECT_EQ(family.ends_with("_total"), type == "counter") << family;
  const std::string number = line.substr(line.rfind(' ') + 1);
  char* end = nullptr;
  std::strtod(number.c_str(), &end);
  EXPECT_EQ(*end, '\0') << line;
}

TEST(Metrics, EveryFamilyIsAnnouncedOnceAndNoSeriesTwice) {
  const SampleView sample;
  std::set<std::string> families, series;
  std::string family, type;
  for (const std::string& line : lines_of(sample.view)) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(family.starts_with("blastdoor_")) << line;
      EXPECT_TRUE(families.insert(family).second) << family;
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(line.starts_with("# TYPE " + family + " ")) << line;
      type = line.substr(line.rfind(' ') + 1);
    } else {
      check_sample(line, family, type);
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
  }
  EXPECT_GE(families.size(), telemetry::kCounterCount + 20);
}

TEST(Metrics, OfAControllerThatHasJustStarted) {
  const View view;
  const std::vector<std::string> lines = lines_of(view);
  EXPECT_TRUE(has(lines, "blastdoor_ready 0"));
  EXPECT_TRUE(has(lines, "blastdoor_generation 0"));
  EXPECT_TRUE(has(lines, "blastdoor_public_virtual_hosts 0"));
  for (const std::string& line : lines)
    EXPECT_FALSE(line.starts_with("blastdoor_config_age_seconds")) << line;
}

TEST(MetricsReference, IsTheCommittedFile) {
  const std::string path = BD_SOURCE_DIR "/docs/reference/metrics.md";
  if (std::getenv("BLASTDOOR_BLESS") != nullptr) std::ofstream(path) << metrics_reference();
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), metrics_reference())
      << "run this test with BLASTDOOR_BLESS=1 to rewrite " << path;
}

}  // namespace
}  // namespace bd::admin
