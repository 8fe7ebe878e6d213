#include "translate/traffic.h"

#include "base/ascii.h"
#include "config/quantity.h"
#include "http/cookie.h"
#include "model/limits.h"
#include "translate/service_reader.h"

namespace bd::translate {
namespace {

using model::BalancePolicy;

constexpr Word<BalancePolicy> policy(BalancePolicy value) {
  return {model::kBalancePolicies[static_cast<std::size_t>(value)], value};
}
constexpr Word<BalancePolicy> kPolicies[] = {
    policy(BalancePolicy::least_requests), policy(BalancePolicy::round_robin),
    policy(BalancePolicy::random), policy(BalancePolicy::hash)};

std::string annotation(std::string_view name) {
  return fmt::format("blastdoor.io/{}", name);
}

class TrafficReader : ServiceReader {
 public:
  TrafficReader(const kube::Service& service, const std::vector<std::string>& exposures,
                Findings& findings)
      : ServiceReader(service, exposures, findings) {}

  Traffic read() {
    read_word(kBalance, "balance-invalid", kPolicies, false, out_.balance.policy);
    read_hash_key();
    read_sticky_cookie();
    for (const model::CircuitField& field : model::kCircuitFields) read_limit(field);
    for (const model::PatienceField& field : model::kPatienceFields) read_timeout(field);
    return std::move(out_);
  }

 private:
  void read_hash_key() {
    constexpr std::string_view code = "hash-by-invalid";
    const std::string* value = text(kHashBy, code, false);
    if (value == nullptr) return;
    if (!model::parse_hash_key(*value, out_.balance)) {
      reject(kHashBy, code, false,
             fmt::format("{} is none of client-address, `header NAME` and `cookie NAME`.",
                         backquoted(*value)),
             "NAME is a token (RFC 9110 §5.6.2). Until then the client's address is hashed.");
    } else if (out_.balance.policy != BalancePolicy::hash) {
      say(Severity::warning, "traffic-annotation-unused", field(kHashBy),
          "It has no effect: the endpoints are not chosen by a hash.",
          fmt::format("Set {} to `hash`, or remove the annotation.", kBalance));
      out_.balance.key = {};
      out_.balance.key_name.clear();
    }
  }

  void read_sticky_cookie() {
    constexpr std::string_view code = "sticky-cookie-invalid";
    const std::string* value = text(kStickyCookie, code, false);
    if (value == nullptr) return;
    if (value->size() <= kCookieNameMax && http::is_cookie_name(*value)) {
      out_.balance.sticky_cookie = *value;
      return;
    }
    reject(kStickyCookie, code, false,
           fmt::format("{} is no name of a cookie.", backquoted(*value)),
           "Use letters, digits, `-` and `_`; until then requests are not sticky.");
  }

  void read_limit(const model::CircuitField& limit) {
    const std::string key = annotation(limit.name);
    const std::string* value = text(key, "circuit-limit-invalid", false);
    if (value == nullptr) return;
    const auto most = ascii::parse_decimal<std::uint32_t>(*value);
    std::uint32_t& into = out_.circuit.*limit.member;
    if (most && *most > 0 && *most <= model::kCircuitMax) {
      into = *most;
      return;
    }
    reject(key, "circuit-limit-invalid", false,
           fmt::format("{} is no number from 1 to {}.", backquoted(*value), model::kCircuitMax),
           fmt::format("Until then the limit is {}.", into));
  }

  void read_timeout(const model::PatienceField& bound) {
    const std::string key = annotation(bound.name);
    const std::string* value = text(key, "timeout-invalid", false);
    if (value == nullptr) return;
    const auto time = config::parse_duration(*value);
    if (time && time->count() > 0 && *time <= model::kPatienceMax) {
      out_.patience.*bound.member = *time;
      return;
    }
    reject(key, "timeout-invalid", false,
           fmt::format("{} is no duration from 1ms to 24h.", backquoted(*value)),
           "Write a number with its unit, such as `30s`. Until then the listener's timeout holds.");
  }

  static constexpr std::size_t kCookieNameMax = 256;
  Traffic out_;
};

}  // namespace

std::vector<std::string> traffic_annotations() {
  std::vector<std::string> out = {std::string(kBalance), std::string(kHashBy),
                                  std::string(kStickyCookie)};
  for (const model::CircuitField& limit : model::kCircuitFields)
    out.push_back(annotation(limit.name));
  for (const model::PatienceField& bound : model::kPatienceFields)
    out.push_back(annotation(bound.name));
  return out;
}

Traffic read_traffic(const kube::Service& service, const std::vector<std::string>& exposures,
                     Findings& findings) {
  return TrafficReader(service, exposures, findings).read();
}

std::uint32_t read_weight(const kube::EndpointSlice& slice, Findings& findings) {
  const auto say = [&](std::string what) {
    findings.add({model::Severity::warning,
                  "weight-invalid",
                  slice.meta.ref,
                  fmt::format("metadata.annotations[{}]", kWeight),
                  std::move(what),
                  "Write a number in quotes. Until then the weight is 1.",
                  {}});
  };
  const auto bad = slice.meta.mistyped_annotations.find(kWeight);
  if (bad != slice.meta.mistyped_annotations.end()) {
    say(fmt::format("The value must be a string, not {}.", bad->second));
    return 1;
  }
  const auto found = slice.meta.annotations.find(kWeight);
  if (found == slice.meta.annotations.end()) return 1;
  const auto weight = ascii::parse_decimal<std::uint32_t>(found->second);
  if (weight && *weight > 0 && *weight <= model::kEndpointWeightMax) return *weight;
  say(fmt::format("{} is no number from 1 to {}.", backquoted(found->second),
                  model::kEndpointWeightMax));
  return 1;
}

}  // namespace bd::translate
