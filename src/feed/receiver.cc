#include "feed/receiver.h"

#include <algorithm>

#include "feed/feed.pb.h"
#include "model/limits.h"
#include "snapshot/convert.h"

namespace bd::feed {
namespace {

constexpr std::uint32_t kProtocolVersion = 2;
constexpr std::size_t kNackTextMax = 1000;  // It may quote what came; the answer stays small.

std::string describe(const snapshot::VirtualHostKey& key) {
  return fmt::format("host {} of {}", key.host.text(), key.listener);
}

/// The unit that is served already, if it has the same value: its owner need not look at it again.
template <class Key, class Unit>
std::shared_ptr<const Unit> shared_unit(
    const snapshot::Door* served,
    std::map<Key, std::shared_ptr<const Unit>> snapshot::Door::* units, const Key& key,
    Unit&& unit) {
  if (served != nullptr) {
    const auto found = (served->*units).find(key);
    if (found != (served->*units).end() && *found->second == unit) return found->second;
  }
  return std::make_shared<const Unit>(std::move(unit));
}

}  // namespace

Receiver::Receiver(std::string exposure, telemetry::DoorStats* stats)
    : exposure_(std::move(exposure)), stats_(stats), reader_(model::kFeedFrameMax) {}

void Receiver::connected() {
  reader_.clear();
  outbound_.clear();
  update_.reset();
  building_ = {};
  epoch_ = sequence_ = 0;
  synced_ = changed_ = references_ = failed_ = false;
}

bool Receiver::receive(std::string_view bytes) {
  if (failed_) return false;
  const Step failure = take_bytes(bytes);
  if (!failure) return true;
  failed_ = true;
  pb::Answer nack;
  nack.set_sequence(sequence_);
  nack.mutable_nack()->set_object(failure->object.substr(0, kNackTextMax));
  nack.mutable_nack()->set_reason(failure->reason.substr(0, kNackTextMax));
  answer(nack);
  return false;
}

Receiver::Step Receiver::take_bytes(std::string_view bytes) {
  reader_.add(bytes);
  std::string_view message;
  FrameReader::Status status{};
  while ((status = reader_.next(message)) == FrameReader::Status::frame) {
    const std::string object = fmt::format("frame {}", sequence_ + 1);
    pb::Frame frame;
    if (!frame.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      return Failure{object, "not a Frame message"};
    }
    if (Step failure = take_frame(frame)) return failure;
  }
  if (status == FrameReader::Status::too_large) {
    return Failure{fmt::format("frame {}", sequence_ + 1), "larger than a frame may be"};
  }
  return std::nullopt;
}

Receiver::Step Receiver::take_frame(const pb::Frame& frame) {
  const std::string object = fmt::format("frame {}", frame.sequence());
  if (frame.sequence() != sequence_ + 1) {
    return Failure{object, fmt::format("out of order: {} was due", sequence_ + 1)};
  }
  if (epoch_ == 0) {
    if (!frame.has_begin()) return Failure{object, "a feed starts with Begin"};
  } else if (frame.epoch() != epoch_) {
    return Failure{object, "another epoch"};
  }
  if (stats_ != nullptr) {
    stats_->receiving_generation.store(frame.generation(), std::memory_order_relaxed);
  }
  ++sequence_;
  return take_unit(frame);
}

Receiver::Step Receiver::take_unit(const pb::Frame& frame) {
  switch (frame.kind_case()) {
    case pb::Frame::kBegin:
      return begin(frame);
    case pb::Frame::kPutExposure:
      return put_exposure(frame);
    case pb::Frame::kPutDenied:
      return put_denied(frame);
    case pb::Frame::kPutHost:
      return put_host(frame.put_host());
    case pb::Frame::kDropHost:
      return drop_host(frame);
    case pb::Frame::kPutUpstream:
      return put_upstream(frame);
    case pb::Frame::kDropUpstream:
      return drop_upstream(frame);
    case pb::Frame::kPutEndpoints:
      return put_endpoints(frame);
    case pb::Frame::kPutCertificate:
      return put_certificate(frame);
    case pb::Frame::kPutServedCertificates:
      return put_served(frame);
    case pb::Frame::kPutBundle:
      return put_bundle(frame);
    case pb::Frame::kPutTicketKeys:
      return put_ticket_keys(frame);
    case pb::Frame::kDropCertificate:
      return drop_tls_unit(building_.certificates, "certificate", frame.drop_certificate().name());
    case pb::Frame::kDropBundle:
      return drop_tls_unit(building_.bundles, "bundle", frame.drop_bundle().name());
    case pb::Frame::kSyncComplete:
      synced_ = true;
      return std::nullopt;
    case pb::Frame::kCommit:
      return commit(frame);
    case pb::Frame::KIND_NOT_SET:
      break;
  }
  return Failure{fmt::format("frame {}", sequence_), "of a kind that this door does not know"};
}

Receiver::Step Receiver::begin(const pb::Frame& frame) {
  const std::string object = "Begin";
  if (epoch_ != 0) return Failure{object, "a second one"};
  if (frame.epoch() == 0) return Failure{object, "without an epoch"};
  epoch_ = frame.epoch();  // A refusal, too, is told to whom it is for.
  if (frame.begin().version() != kProtocolVersion) return Failure{object, "of another version"};
  if (frame.begin().exposure() != exposure_) {
    return Failure{object, fmt::format("for {}; this is {}", frame.begin().exposure(), exposure_)};
  }
  changed_ = references_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_exposure(const pb::Frame& frame) {
  auto exposure = snapshot::read(frame.put_exposure());
  if (!exposure) return Failure{"exposure", exposure.error()};
  if (exposure->name != exposure_) return Failure{"exposure", "of another door: " + exposure->name};
  building_.exposure = *std::move(exposure);
  changed_ = references_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_denied(const pb::Frame& frame) {
  auto denied = snapshot::read(frame.put_denied());
  if (!denied) return Failure{"denied addresses", denied.error()};
  building_.denied = std::move(denied->addresses);
  building_.allow_loopback = denied->allow_loopback;
  changed_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_host(const pb::PutHost& message) {
  auto host = snapshot::read(message.host());
  if (!host) {
    return Failure{fmt::format("host {} of {}", message.host().host(), message.listener()),
                   host.error()};
  }
  snapshot::VirtualHostKey key{message.listener(), host->host};
  auto unit = shared_unit(committed_.get(), &snapshot::Door::hosts, key, *std::move(host));
  building_.hosts.insert_or_assign(std::move(key), std::move(unit));
  changed_ = references_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::drop_host(const pb::Frame& frame) {
  const auto key = snapshot::read(frame.drop_host());
  if (!key) return Failure{"dropped host", key.error()};
  if (building_.hosts.erase(*key) == 0) return Failure{describe(*key), "dropped, but not there"};
  changed_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_upstream(const pb::Frame& frame) {
  auto upstream = snapshot::read(frame.put_upstream());
  if (!upstream) return Failure{"upstream " + frame.put_upstream().key(), upstream.error()};
  references_ |= !upstream->ca.empty() || !upstream->client_certificate.empty();
  building_.upstreams.insert_or_assign(upstream->key, *upstream);
  changed_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::drop_upstream(const pb::Frame& frame) {
  const std::string& key = frame.drop_upstream().key();
  if (building_.upstreams.erase(key) == 0) return Failure{"upstream " + key, "dropped, not there"};
  building_.endpoints.erase(key);
  changed_ = references_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_endpoints(const pb::Frame& frame) {
  auto list = snapshot::read(frame.put_endpoints());
  const std::string object = "endpoints of " + frame.put_endpoints().upstream();
  if (!list) return Failure{object, list.error()};
  if (!building_.upstreams.contains(list->first)) return Failure{object, "no such upstream"};
  building_.endpoints.insert_or_assign(std::move(list->first), std::move(list->second));
  changed_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_certificate(const pb::Frame& frame) {
  auto unit = snapshot::read(frame.put_certificate());
  if (!unit) return Failure{"certificate " + frame.put_certificate().name(), unit.error()};
  auto shared = shared_unit(committed_.get(), &snapshot::Door::certificates, unit->first,
                            std::move(unit->second));
  building_.certificates.insert_or_assign(unit->first, std::move(shared));
  // One more may be one too many.
  changed_ = references_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_served(const pb::Frame& frame) {
  auto unit = snapshot::read(frame.put_served_certificates());
  if (!unit) {
    return Failure{"certificates of " + frame.put_served_certificates().listener(), unit.error()};
  }
  if (unit->second.empty()) {
    building_.served_certificates.erase(unit->first);
  } else {
    building_.served_certificates.insert_or_assign(unit->first, std::move(unit->second));
  }
  changed_ = references_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_bundle(const pb::Frame& frame) {
  auto unit = snapshot::read(frame.put_bundle());
  if (!unit) return Failure{"bundle " + frame.put_bundle().name(), unit.error()};
  auto shared =
      shared_unit(committed_.get(), &snapshot::Door::bundles, unit->first, std::move(unit->second));
  building_.bundles.insert_or_assign(unit->first, std::move(shared));
  changed_ = references_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::put_ticket_keys(const pb::Frame& frame) {
  auto keys = snapshot::read(frame.put_ticket_keys());
  if (!keys) return Failure{"ticket keys", keys.error()};
  building_.ticket_keys = *std::move(keys);
  changed_ = true;
  return std::nullopt;
}

template <class Unit>
Receiver::Step Receiver::drop_tls_unit(std::map<std::string, Unit>& units, std::string_view kind,
                                       const std::string& name) {
  if (units.erase(name) == 0)
    return Failure{fmt::format("{} {}", kind, name), "dropped, not there"};
  changed_ = references_ = true;
  return std::nullopt;
}

Receiver::Step Receiver::commit(const pb::Frame& frame) {
  if (!synced_) return Failure{"Commit", "before SyncComplete: half a state is never served"};
  if (references_) {
    if (Step failure = check_references()) return failure;
  }
  if (changed_) committed_ = std::make_shared<const snapshot::Door>(building_);
  changed_ = references_ = false;
  update_ = Update{committed_, frame.generation(), frame.sequence()};
  return std::nullopt;
}

/// The same rules as for a whole state (snapshot::decode): what a unit names is there.
Receiver::Step Receiver::check_references() const {
  const auto& listeners = building_.exposure.listeners;
  if (building_.exposure.name.empty()) return Failure{"exposure", "missing"};
  for (const auto& [key, host] : building_.hosts) {
    const bool known = std::any_of(listeners.begin(), listeners.end(),
                                   [&](const auto& item) { return item.name == key.listener; });
    if (!known) return Failure{describe(key), "no such listener"};
    for (const model::Route& route : host->routes) {
      const auto* forward = std::get_if<model::Forward>(&route.action);
      if (forward != nullptr && !building_.upstreams.contains(forward->upstream)) {
        return Failure{describe(key), "forwards to an unknown upstream: " + forward->upstream};
      }
    }
  }
  if (auto broken = snapshot::find_broken_tls(building_)) {
    return Failure{std::move(broken->object), std::move(broken->reason)};
  }
  return std::nullopt;
}

void Receiver::acknowledge(const Update& update) {
  pb::Answer ack;
  ack.set_sequence(update.sequence);
  ack.mutable_ack()->set_generation(update.generation);
  answer(ack);
}

void Receiver::answer(pb::Answer& answer) {
  answer.set_epoch(epoch_);
  // An answer is far below the bound; a reason is a sentence.
  static_cast<void>(append_frame(outbound_, answer));
}

}  // namespace bd::feed
