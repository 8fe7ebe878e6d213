// Paths and hosts must have one spelling each: to normalise twice changes nothing, and nothing that
// is normal has a segment, a byte or an escape that an upstream could read in another way.
#include "base/check.h"
#include "http/target.h"

namespace {

using namespace bd;

void check_path(std::string_view raw) {
  const auto path = http::normalize_path(raw);
  BD_ASSERT(http::is_normal_path(raw) == (path && *path == raw));
  if (!path) return;
  BD_ASSERT(http::is_normal_path(*path));
  BD_ASSERT(path->starts_with('/') && path->size() <= raw.size());
  std::string storage;
  const std::string merged(http::merge_slashes(*path, storage));
  BD_ASSERT(merged.starts_with('/') && merged.find("//") == std::string::npos);
  BD_ASSERT(http::is_normal_path(merged));
  const std::string closed = merged + "/";
  for (const char* segment :
       {"/./", "/../", "/.;", "/..;", "%2F", "%5C", "%00", "%2E", "\\", "#", "?"}) {
    BD_ASSERT(closed.find(segment) == std::string::npos);
  }
}

void check_authority(std::string_view raw) {
  const auto authority = http::Authority::parse(raw);
  if (!authority) return;
  BD_ASSERT(!authority->host.empty() && authority->host.size() <= raw.size());
  for (const char c : authority->host) BD_ASSERT(c > ' ' && c < 0x7f && !(c >= 'A' && c <= 'Z'));
  std::string again = authority->host;
  if (authority->port) again += ":" + std::to_string(*authority->port);
  BD_ASSERT(http::Authority::parse(again) == *authority);
}

void check_target(http::Method method, std::string_view raw) {
  const auto target = http::Target::parse(method, raw);
  if (!target) return;
  BD_ASSERT(target->path == "*" || http::is_normal_path(target->path));
  BD_ASSERT(target->query.empty() || target->query.front() == '?');
  const auto again = http::Target::parse(method, target->path + target->query);
  BD_ASSERT(again && again->path == target->path && again->query == target->query);
  if (target->authority) {
    BD_ASSERT(http::effective_authority(*target, "") == *target->authority);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  check_path(raw);
  check_authority(raw);
  check_target(http::Method::get, raw);
  check_target(http::Method::options, raw);
  return 0;
}
