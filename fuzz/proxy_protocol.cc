// A PROXY header must read the same however its bytes arrive, and carry addresses that come back
// when they are written again.
#include "base/check.h"
#include "proxyprotocol/header.h"
#include "proxyprotocol/write.h"

namespace {

using namespace bd;
using proxyprotocol::Header;
using proxyprotocol::parse;

void check_header(const Header& header, std::string_view raw) {
  BD_ASSERT(header.size <= raw.size() && header.size <= proxyprotocol::kHeaderSizeMax);
  BD_ASSERT(header.tlvs.size() < header.size);
  BD_ASSERT(header.version == 1 || header.version == 2);
  BD_ASSERT(header.version == 2 || (header.tlvs.empty() && !header.local));
  BD_ASSERT(header.version == 2 || header.size <= proxyprotocol::kV1SizeMax);
  BD_ASSERT(header.version == 2 || raw.substr(0, header.size).ends_with("\r\n"));
  BD_ASSERT(header.source.has_value() == header.destination.has_value());
  BD_ASSERT(!header.local || (!header.source && header.tlvs.empty()));
}

void check_written(const SocketAddress& source, const SocketAddress& destination) {
  const bool one_family = source.ip.is_v4() == destination.ip.is_v4();
  const std::string line = proxyprotocol::write_v1(source, destination);
  const auto v1 = parse(line);
  BD_ASSERT(v1 && *v1 && (*v1)->size == line.size());
  BD_ASSERT((*v1)->source.has_value() == one_family);
  BD_ASSERT(!one_family || ((*v1)->source == source && (*v1)->destination == destination));
  const std::string block = proxyprotocol::write_v2(source, destination);
  const auto v2 = parse(block);
  BD_ASSERT(v2 && *v2 && (*v2)->size == block.size());
  BD_ASSERT((*v2)->source == source && (*v2)->destination == destination);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  const auto whole = parse(raw);
  // Each cut gives the same, or asks for more; and more is asked for only before the end.
  bool decided = false;
  for (std::size_t cut = 0; cut <= raw.size(); ++cut) {
    const auto part = parse(raw.substr(0, cut));
    if (part && !*part) {
      BD_ASSERT(!decided);
      BD_ASSERT(!whole || !*whole || cut < (*whole)->size);
      continue;
    }
    decided = true;
    BD_ASSERT(part == whole);
  }
  BD_ASSERT(decided || raw.size() < proxyprotocol::kHeaderSizeMax);
  if (!whole || !*whole) return 0;
  check_header(**whole, raw);
  if ((*whole)->source) check_written(*(*whole)->source, *(*whole)->destination);
  return 0;
}
