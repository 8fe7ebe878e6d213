#include "feed/sender.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/check.h"
#include "feed/feed.pb.h"
#include "snapshot/convert.h"

namespace bd::feed {
namespace {

constexpr std::uint32_t kProtocolVersion = 2;
constexpr std::size_t kAnswerMax = 64 << 10;  // A Nack with its texts.

}  // namespace

Sender::Sender(UniqueFd socket, std::string exposure, std::uint64_t epoch)
    : socket_(std::move(socket)),
      exposure_(std::move(exposure)),
      epoch_(epoch),
      answers_(kAnswerMax) {
  BD_ASSERT(epoch != 0);
}

void Sender::update(std::shared_ptr<const snapshot::Door> door, std::uint64_t generation) {
  target_ = std::move(door);
  target_generation_ = generation;
  whole_ = due_ = true;
  pump();
}

void Sender::update_endpoints(std::shared_ptr<const snapshot::Door> door, std::uint64_t generation,
                              std::span<const std::string> upstreams) {
  target_ = std::move(door);
  target_generation_ = generation;
  due_ = true;
  endpoints_.insert(upstreams.begin(), upstreams.end());
  pump();
}

void Sender::on_writable() {
  pump();
}

void Sender::pump() {
  while (is_open() && flush() && due_ && !in_flight_) enqueue_batch();
}

/// True if nothing is left to write.
bool Sender::flush() {
  while (wants_write()) {
    const ssize_t sent = ::send(socket_.get(), outbound_.data() + sent_bytes_,
                                outbound_.size() - sent_bytes_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) close();
      return false;
    }
    sent_bytes_ += static_cast<std::size_t>(sent);
  }
  outbound_ = {};  // A replay can be large: its memory is not kept.
  sent_bytes_ = 0;
  return true;
}

snapshot::Difference Sender::pending() const {
  static const snapshot::Door nothing;
  if (whole_) return snapshot::difference(sent_ ? *sent_ : nothing, *target_);
  snapshot::Difference out;
  for (const std::string& key : endpoints_) {
    const auto now = target_->endpoints.find(key);
    const auto before = sent_->endpoints.find(key);
    if (now == target_->endpoints.end()) continue;
    if (before == sent_->endpoints.end() || before->second != now->second) {
      out.put_endpoints.push_back(key);
    }
  }
  return out;
}

void Sender::enqueue_batch() {
  const bool replay = sent_ == nullptr;
  snapshot::Difference what = pending();
  sent_generation_ = target_generation_;
  if (replay) {
    // A door that restarts from its snapshot may hold anything: name all, also what is at its
    // default.
    what.exposure = what.denied = true;
    pb::Frame frame;
    frame.mutable_begin()->set_version(kProtocolVersion);
    frame.mutable_begin()->set_exposure(exposure_);
    enqueue(frame);
  }
  enqueue_units(what);
  enqueue_tls(what);
  if (replay) {
    pb::Frame frame;
    frame.mutable_sync_complete();
    enqueue(frame);
  }
  pb::Frame commit;
  commit.mutable_commit();
  enqueue(commit);
  sent_ = target_;
  endpoints_.clear();
  whole_ = due_ = false;
  in_flight_ = true;
}

void Sender::enqueue_units(const snapshot::Difference& what) {
  pb::Frame frame;
  if (what.exposure) {
    snapshot::write(target_->exposure, *frame.mutable_put_exposure());
    enqueue(frame);
  }
  if (what.denied) {
    snapshot::write(snapshot::Denied{target_->denied, target_->allow_loopback},
                    *frame.mutable_put_denied());
    enqueue(frame);
  }
  for (const std::string& key : what.put_upstreams) {
    snapshot::write(target_->upstreams.at(key), *frame.mutable_put_upstream());
    enqueue(frame);
  }
  for (const std::string& key : what.put_endpoints) {
    snapshot::write(key, target_->endpoints.at(key), *frame.mutable_put_endpoints());
    enqueue(frame);
  }
  for (const snapshot::VirtualHostKey& key : what.put_hosts) enqueue_host(key);
  for (const snapshot::VirtualHostKey& key : what.drop_hosts) {
    snapshot::write(key, *frame.mutable_drop_host());
    enqueue(frame);
  }
  for (const std::string& key : what.drop_upstreams) {
    snapshot::write(model::Upstream{key}, *frame.mutable_drop_upstream());
    enqueue(frame);
  }
}

/// Certificates that are gone go last: upstreams and listeners named them until here.
void Sender::enqueue_tls(const snapshot::Difference& what) {
  pb::Frame frame;
  for (const std::string& name : what.put_certificates) {
    snapshot::write(name, *target_->certificates.at(name), *frame.mutable_put_certificate());
    enqueue(frame);
  }
  for (const std::string& listener : what.put_served) {
    const auto found = target_->served_certificates.find(listener);
    snapshot::write(
        listener,
        found == target_->served_certificates.end() ? std::vector<std::string>{} : found->second,
        *frame.mutable_put_served_certificates());
    enqueue(frame);
  }
  for (const std::string& name : what.put_bundles) {
    snapshot::write(name, *target_->bundles.at(name), *frame.mutable_put_bundle());
    enqueue(frame);
  }
  if (what.ticket_keys) {
    snapshot::write(target_->ticket_keys, *frame.mutable_put_ticket_keys());
    enqueue(frame);
  }
  for (const std::string& name : what.drop_certificates) {
    frame.mutable_drop_certificate()->set_name(name);
    enqueue(frame);
  }
  for (const std::string& name : what.drop_bundles) {
    frame.mutable_drop_bundle()->set_name(name);
    enqueue(frame);
  }
}

void Sender::enqueue_host(const snapshot::VirtualHostKey& key) {
  const model::VirtualHost& host = *target_->hosts.at(key);
  pb::Frame frame;
  frame.mutable_put_host()->set_listener(key.listener);
  snapshot::write(host, *frame.mutable_put_host()->mutable_host());
  if (enqueue(frame)) return;
  // Too large for a frame. Leaving it out would let its requests fall to a broader host, so the
  // whole host becomes a tombstone (invariant 4).
  const model::VirtualHost tombstone{
      host.host, {{{}, model::Refuse{"virtual-host-too-large"}, "the feed's largest frame"}}};
  pb::Frame refusal;
  refusal.mutable_put_host()->set_listener(key.listener);
  snapshot::write(tombstone, *refusal.mutable_put_host()->mutable_host());
  enqueue(refusal);
}

/// Clears the frame. False if it is too large; then the sequence is not used up.
bool Sender::enqueue(pb::Frame& frame) {
  frame.set_epoch(epoch_);
  frame.set_sequence(sequence_ + 1);
  frame.set_generation(sent_generation_);
  const bool fits = append_frame(outbound_, frame);
  if (fits) ++sequence_;
  frame.Clear();
  return fits;
}

void Sender::on_readable() {
  std::array<char, 16 << 10> buffer;
  while (is_open()) {
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (got <= 0) return close();
    answers_.add({buffer.data(), static_cast<std::size_t>(got)});
    std::string_view bytes;
    FrameReader::Status status{};
    while ((status = answers_.next(bytes)) == FrameReader::Status::frame) {
      pb::Answer answer;
      if (!answer.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
          !take_answer(answer)) {
        return close();
      }
    }
    if (status == FrameReader::Status::too_large) return close();
  }
  pump();
}

/// False if the feed ends with this answer.
bool Sender::take_answer(const pb::Answer& answer) {
  if (answer.epoch() != epoch_) return false;
  if (answer.has_nack()) {
    refusal_ = Refusal{sent_generation_, answer.nack().object(), answer.nack().reason()};
    return false;
  }
  if (!answer.has_ack() || !in_flight_ || wants_write() || answer.sequence() != sequence_ ||
      answer.ack().generation() != sent_generation_) {
    return false;
  }
  in_flight_ = false;
  acked_ = sent_;
  acked_generation_ = sent_generation_;
  return true;
}

void Sender::close() {
  socket_.reset();
  outbound_ = {};
  sent_bytes_ = 0;
}

}  // namespace bd::feed
