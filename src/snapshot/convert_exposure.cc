// Exposures as messages: the facts of the listeners that a door serves.

#include <chrono>
#include <set>

#include "snapshot/convert.h"
#include "snapshot/convert_parts.h"
#include "snapshot/snapshot.pb.h"

namespace bd::snapshot {
namespace {

// What is declared here must not hide the overloads of the room.
using snapshot::read;
using snapshot::write;

using std::chrono::milliseconds;

// Far above what anybody configures, low enough that no sum of two overflows.
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;
constexpr std::uint64_t kMillisecondsMax = std::uint64_t{366} * 24 * 60 * 60 * 1000;

/// One pair per member: written and read by the same list, so that neither side can forget one.
template <class Message>
struct TimeoutField {
  milliseconds model::Timeouts::* member;
  std::uint64_t (Message::*get)() const;
  void (Message::*set)(std::uint64_t);
};
constexpr TimeoutField<pb::Timeouts> kTimeouts[] = {
    {&model::Timeouts::request_head, &pb::Timeouts::request_head, &pb::Timeouts::set_request_head},
    {&model::Timeouts::idle, &pb::Timeouts::idle, &pb::Timeouts::set_idle},
    {&model::Timeouts::body_idle, &pb::Timeouts::body_idle, &pb::Timeouts::set_body_idle},
    {&model::Timeouts::connect, &pb::Timeouts::connect, &pb::Timeouts::set_connect},
    {&model::Timeouts::response_head, &pb::Timeouts::response_head,
     &pb::Timeouts::set_response_head},
    {&model::Timeouts::total, &pb::Timeouts::total, &pb::Timeouts::set_total},
    {&model::Timeouts::upstream_idle, &pb::Timeouts::upstream_idle,
     &pb::Timeouts::set_upstream_idle},
    {&model::Timeouts::drain_delay, &pb::Timeouts::drain_delay, &pb::Timeouts::set_drain_delay},
    {&model::Timeouts::drain, &pb::Timeouts::drain, &pb::Timeouts::set_drain},
};
static_assert(std::size(kTimeouts) * sizeof(milliseconds) == sizeof(model::Timeouts));

void write(const model::Limits& value, pb::Limits& out) {
  out.set_request_line_max(value.request_line_max);
  out.set_request_head_max(value.request_head_max);
  out.set_request_fields_max(value.request_fields_max);
  out.set_response_head_max(value.response_head_max);
  out.set_request_body_max(value.request_body_max);
  out.set_connections_max(value.connections_max);
}

Read<model::Limits> read(const pb::Limits& in) {
  for (const std::uint64_t size :
       {in.request_line_max(), in.request_head_max(), in.response_head_max()}) {
    if (size == 0 || size > kBytesMax)
      return std::unexpected(std::string("a size is out of range"));
  }
  for (const std::uint32_t count : {in.request_fields_max(), in.connections_max()}) {
    if (count == 0) return std::unexpected(std::string("a count is zero"));
  }
  if (in.request_line_max() > in.request_head_max()) {
    return std::unexpected(std::string("request_line_max: above request_head_max"));
  }
  return model::Limits{.request_line_max = in.request_line_max(),
                       .request_head_max = in.request_head_max(),
                       .request_fields_max = in.request_fields_max(),
                       .response_head_max = in.response_head_max(),
                       .request_body_max = in.request_body_max(),
                       .connections_max = in.connections_max()};
}

void write(const model::Timeouts& value, pb::Timeouts& out) {
  for (const auto& field : kTimeouts) {
    (out.*field.set)(static_cast<std::uint64_t>((value.*field.member).count()));
  }
}

Read<model::Timeouts> read(const pb::Timeouts& in) {
  model::Timeouts out;
  for (const auto& field : kTimeouts) {
    const std::uint64_t count = (in.*field.get)();
    if (count > kMillisecondsMax) return std::unexpected(std::string("a time is out of range"));
    out.*field.member = milliseconds(count);
  }
  return out;
}

template <class Repeated>
Read<std::vector<Cidr>> read_blocks(const Repeated& in) {
  std::vector<Cidr> out;
  for (const std::string& text : in) {
    const auto block = Cidr::parse(text);
    if (!block) return std::unexpected(fmt::format("[{}]: not a CIDR block", out.size()));
    out.push_back(*block);
  }
  return out;
}

void write(const model::Listener& value, pb::Listener& out) {
  out.set_name(value.name);
  write(value.bind, *out.mutable_bind());
  out.set_public_scheme(value.public_scheme == model::Scheme::http ? pb::SCHEME_HTTP
                                                                   : pb::SCHEME_HTTPS);
  out.set_public_port(value.public_port);
  for (const Cidr& block : value.accept_from) out.add_accept_from(block.text());
  for (const Cidr& block : value.trusted_peers) out.add_trusted_peers(block.text());
  out.set_health_path(value.health_path);
  write(value.limits, *out.mutable_limits());
  write(value.timeouts, *out.mutable_timeouts());
  for (const Cidr& block : value.proxy_protocol_from) out.add_proxy_protocol_from(block.text());
  write(value.tls, *out.mutable_tls());
}

Read<model::Listener> read(const pb::Listener& in) {
  if (!is_name(in.name())) return std::unexpected(std::string("name: empty or too long"));
  if (in.public_scheme() != pb::SCHEME_HTTP && in.public_scheme() != pb::SCHEME_HTTPS) {
    return std::unexpected(std::string("public_scheme: not a known scheme"));
  }
  if (!is_port(in.public_port())) return std::unexpected(std::string("public_port: not a port"));
  if (in.health_path().size() > model::kPathBytesMax) {
    return std::unexpected(std::string("health_path: too long"));
  }
  BD_READ(bind, in_field("bind", read(in.bind())));
  BD_READ(accept_from, in_field("accept_from", read_blocks(in.accept_from())));
  BD_READ(trusted_peers, in_field("trusted_peers", read_blocks(in.trusted_peers())));
  BD_READ(proxies, in_field("proxy_protocol_from", read_blocks(in.proxy_protocol_from())));
  BD_READ(tls, in_field("tls", read(in.tls())));
  BD_READ(limits, in_field("limits", read(in.limits())));
  BD_READ(timeouts, in_field("timeouts", read(in.timeouts())));
  return model::Listener{.name = in.name(),
                         .bind = bind,
                         .public_scheme = in.public_scheme() == pb::SCHEME_HTTP
                                              ? model::Scheme::http
                                              : model::Scheme::https,
                         .public_port = static_cast<std::uint16_t>(in.public_port()),
                         .accept_from = std::move(accept_from),
                         .trusted_peers = std::move(trusted_peers),
                         .proxy_protocol_from = std::move(proxies),
                         .tls = std::move(tls),
                         .health_path = in.health_path(),
                         .limits = limits,
                         .timeouts = timeouts};
}

Read<std::vector<model::Listener>> read_listeners(const pb::Exposure& in) {
  if (in.listeners_size() == 0) return std::unexpected(std::string("listeners: none"));
  if (std::cmp_greater(in.listeners_size(), model::kListenersPerDoorMax)) {
    return std::unexpected(std::string("listeners: too many"));
  }
  std::vector<model::Listener> out;
  std::set<std::string_view> names;
  for (const pb::Listener& message : in.listeners()) {
    const std::string field = fmt::format("listeners[{}]", out.size());
    BD_READ(listener, in_field(field, read(message)));
    if (!names.insert(message.name()).second) {
      return std::unexpected(fmt::format("{}.name: used twice", field));
    }
    out.push_back(std::move(listener));
  }
  return out;
}

Read<model::Selector> read_selector(const std::string& text) {
  if (text.empty()) return model::Selector{};
  auto out = model::Selector::parse(text);
  if (!out) return std::unexpected(fmt::format("selector: {}", out.error()));
  return *std::move(out);
}

}  // namespace

void write(const model::Exposure& value, pb::Exposure& out) {
  out.set_name(value.name);
  out.set_side(value.side == model::Side::internal ? pb::SIDE_INTERNAL : pb::SIDE_EXTERNAL);
  for (const model::Listener& listener : value.listeners) write(listener, *out.add_listeners());
  out.set_selector(value.selector.text());
  out.set_custom_selector(value.custom_selector);
  out.set_any_class(value.any_class);
  for (const std::string& name : value.ingress_classes) out.add_ingress_classes(name);
  out.set_allow_wildcard(value.allow.wildcard);
  out.set_allow_empty_host(value.allow.empty_host);
  out.set_allow_default_backend(value.allow.default_backend);
  out.set_hosts(value.hosts == model::HostOwnership::owned ? pb::HOSTS_OWNED : pb::HOSTS_SHARED);
  if (value.redirect_twin) out.set_redirect_twin(*value.redirect_twin);
  out.set_referenced_secrets(value.referenced_secrets);
}

Read<model::Exposure> read(const pb::Exposure& in) {
  if (!is_name(in.name())) return std::unexpected(std::string("name: empty or too long"));
  if (in.side() != pb::SIDE_INTERNAL && in.side() != pb::SIDE_EXTERNAL) {
    return std::unexpected(std::string("side: not a known side"));
  }
  if (in.hosts() != pb::HOSTS_OWNED && in.hosts() != pb::HOSTS_SHARED) {
    return std::unexpected(std::string("hosts: not a known kind of ownership"));
  }
  BD_READ(listeners, read_listeners(in));
  BD_READ(selector, read_selector(in.selector()));
  model::Exposure out;
  out.name = in.name();
  out.side = in.side() == pb::SIDE_INTERNAL ? model::Side::internal : model::Side::external;
  out.listeners = std::move(listeners);
  out.selector = std::move(selector);
  out.custom_selector = in.custom_selector();
  out.any_class = in.any_class();
  out.ingress_classes.assign(in.ingress_classes().begin(), in.ingress_classes().end());
  out.allow = {.wildcard = in.allow_wildcard(),
               .empty_host = in.allow_empty_host(),
               .default_backend = in.allow_default_backend()};
  out.hosts =
      in.hosts() == pb::HOSTS_OWNED ? model::HostOwnership::owned : model::HostOwnership::shared;
  if (in.has_redirect_twin()) out.redirect_twin = in.redirect_twin();
  out.referenced_secrets = in.referenced_secrets();
  return out;
}

}  // namespace bd::snapshot
