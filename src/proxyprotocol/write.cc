#include "proxyprotocol/write.h"

#include <fmt/format.h>

#include "proxyprotocol/wire.h"

namespace bd::proxyprotocol {
namespace {

void append_number(std::string& out, std::size_t number) {
  out.push_back(static_cast<char>(number >> 8));
  out.push_back(static_cast<char>(number & 0xff));
}

void append_ip(std::string& out, const IpAddress& ip, bool as_v6) {
  if (ip.is_v4() && as_v6) out.append(10, '\0').append(2, '\xff');  // RFC 4291 §2.5.5.2.
  const std::size_t width = ip.is_v4() ? 4 : 16;
  out.append(reinterpret_cast<const char*>(ip.bytes().data()), width);
}

}  // namespace

std::string write_v1(const SocketAddress& source, const SocketAddress& destination) {
  if (source.ip.is_v4() != destination.ip.is_v4()) return std::string(kV1Unknown);
  return fmt::format("PROXY TCP{} {} {} {} {}\r\n", source.ip.is_v4() ? 4 : 6, source.ip.text(),
                     destination.ip.text(), source.port, destination.port);
}

std::string write_v2(const SocketAddress& source, const SocketAddress& destination) {
  const bool v6 = !source.ip.is_v4() || !destination.ip.is_v4();
  std::string out(kSignature);
  out.push_back(static_cast<char>(kVersionProxy));
  out.push_back(static_cast<char>(v6 ? kTcp6 : kTcp4));
  append_number(out, v6 ? 36 : 12);
  append_ip(out, source.ip, v6);
  append_ip(out, destination.ip, v6);
  append_number(out, source.port);
  append_number(out, destination.port);
  return out;
}

}  // namespace bd::proxyprotocol
